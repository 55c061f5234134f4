"""One-time secrets: the links and codes of all purposes (OTP-1 to 5 and 7, LNK-5, 6, 7, 9).

Nothing here raises inside a transaction: a wrong try must stay counted, so outcomes are returned, the use case commits and
then tells its caller.
"""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from servicekit.db import Conn, Tx
from servicekit.errors import Overloaded
from servicekit.ids import random_id
from servicekit.keys import Keys
from servicekit.logging import security_event

from . import store
from .secret import (
    FLOW_CHECKED,
    LONG_CODE,
    MAX_IN_A_ROW,
    MAX_WRONG,
    Code,
    CodeOutcome,
    CodeResult,
    Issued,
    Link,
    LinkResult,
    ToIssue,
    new_code,
    same_browser,
    typed_code,
)
from .tokens import new_link_token


class OneTimeSecrets:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def _hash_code(self, purpose: str, flow_id: UUID, code: str) -> bytes:
        message = b"\0".join((purpose.encode(), flow_id.bytes, code.encode("utf-8", "replace")))
        return hmac.digest(self._keys.secret("code"), message, "sha256")

    async def issue(self, tx: Tx, one: ToIssue) -> Issued:
        """A new link and/or code. Older ones of the same flow are superseded, other flows' are left alone (C5)."""
        return (await self.issue_several(tx, [one]))[0]

    async def issue_several(self, tx: Tx, several: Sequence[ToIssue]) -> list[Issued]:
        """The same, one after the other in this order, for the price of one."""
        if not several:
            return []
        await store.lock_flows(tx, several)
        guessed = await self._guessed(tx, several)
        issued = [self._new(tx, one, guessed=(one.purpose, one.subject) in guessed) for one in several]
        hashes = [
            self._hash_code(one.purpose, one.flow_id, new.code) if new.code else None
            for one, new in zip(several, issued, strict=True)
        ]
        await store.insert(tx, several, issued, hashes)
        return issued

    @staticmethod
    def _new(tx: Tx, one: ToIssue, *, guessed: bool) -> Issued:
        return Issued(
            id=random_id(),
            token=new_link_token(tx.service) if one.link_lifetime else None,
            code=new_code(max(one.code_length, LONG_CODE if guessed else 0)) if one.code_lifetime else None,
            link_expires_at=tx.now + one.link_lifetime if one.link_lifetime else None,
            code_expires_at=tx.now + one.code_lifetime if one.code_lifetime else None,
        )

    async def _guessed(self, conn: Conn, several: Sequence[ToIssue]) -> set[tuple[str, str]]:
        """Whose codes somebody keeps guessing (OTP-5)."""
        theirs = {(one.purpose, one.subject) for one in several if one.code_lifetime is not None and one.subject is not None}
        return await store.guessed(conn, theirs, MAX_IN_A_ROW) if theirs else set()

    async def inspect(self, conn: Conn, token: str) -> Link:
        """Never writes (LNK-1)."""
        return await store.by_link(conn, token)

    async def consume_link(
        self,
        tx: Tx,
        token: str,
        *,
        purposes: Sequence[str],
        browser: bytes | None,
        match: str | None = None,
        from_anywhere: bool = False,
    ) -> LinkResult:
        """One press. From another browser only with the right number; a wrong one ends the link (LNK-3)."""
        _refuse_unbelievable(tx)
        link = await store.by_link(tx, token)
        if link.state == "malformed" or link.purpose not in purposes:
            return LinkResult("malformed", Link("malformed"))
        if link.state != "valid":
            return LinkResult(link.state, link)
        elsewhere = not from_anywhere and not same_browser(link.browser, browser)
        if elsewhere:
            if match is None or link.match is None:
                return LinkResult("other_browser", link)
            if not hmac.compare_digest(match.encode(), link.match.encode()):
                await store.end_link(tx, link.id)
                return LinkResult("match_wrong", link)
        if await self.use(tx, link):
            return LinkResult("ok", link, elsewhere)
        state = (await store.by_link(tx, token)).state  # what another press has made of it meanwhile
        return LinkResult("used" if state == "valid" else state, link)

    async def use(self, tx: Tx, link: Link) -> bool:
        """Consumes a link whose presser was proven in another way (the password chosen at registration, REG-3)."""
        _refuse_unbelievable(tx)
        return link.id is not None and await self._use(tx, link.id, link.subject, by_code=False)

    async def _use(self, tx: Tx, secret_id: UUID, subject: str | None, *, by_code: bool) -> bool:
        if subject is not None:
            await store.lock_subject(tx, subject)
            await store.forgive_wrong(tx, subject)
        return await store.use(tx, secret_id, by_code=by_code)

    async def consume_code(
        self, tx: Tx, *, flow_id: UUID, purpose: str, code: str, browser: bytes | None = FLOW_CHECKED
    ) -> CodeResult:
        """The try is counted before it is looked at, and the row lock makes parallel tries wait for one another. Wrong ones count
        for the person, too, over all flows.

        Bound to flow, purpose and the browser that asked (OTP-4): elsewhere the right code is a wrong one.
        """
        wrong = await self.count_try(tx, flow_id=flow_id, purpose=purpose)
        if wrong > MAX_WRONG:
            return CodeResult("burned")
        found = await store.latest_code(tx, flow_id, purpose)
        outcome = await self._look(tx, found, purpose, flow_id, code, browser)
        if outcome != "wrong":
            await self.forgive_try(tx, flow_id=flow_id, purpose=purpose)  # a right code is no wrong try, whatever became of it
            return CodeResult(outcome)
        subject = found.subject if found is not None else None
        await self.count_wrong(tx, purpose, subject or str(flow_id))
        return CodeResult("burned") if wrong >= MAX_WRONG else CodeResult("wrong", MAX_WRONG - wrong)

    async def check_code(self, tx: Tx, *, flow_id: UUID, purpose: str, code: str) -> CodeOutcome:
        """The same without counting, for whoever has counted this try and holds it against other things as well."""
        return await self._look(tx, await store.latest_code(tx, flow_id, purpose), purpose, flow_id, code, FLOW_CHECKED)

    async def _look(
        self, tx: Tx, found: Code | None, purpose: str, flow_id: UUID, code: str, browser: bytes | None
    ) -> CodeOutcome:
        if found is None or found.ended or not self._is_right(found, purpose, flow_id, code, browser):
            return "wrong"
        if found.used:
            return "used"
        if found.expires_at <= tx.now:
            return "expired"
        return "ok" if await self._use(tx, found.id, found.subject, by_code=True) else "used"

    def _is_right(self, found: Code, purpose: str, flow_id: UUID, code: str, browser: bytes | None) -> bool:
        right = hmac.compare_digest(found.hash, self._hash_code(purpose, flow_id, typed_code(code)))
        return right and (browser == FLOW_CHECKED or same_browser(found.browser, browser))

    async def count_try(self, tx: Tx, *, flow_id: UUID, purpose: str) -> int:
        """Counts a try before it is looked at; answers how many there were. The row is locked until the transaction ends."""
        _refuse_unbelievable(tx)
        return await store.count_try(tx, flow_id, purpose)

    async def forgive_try(self, tx: Tx, *, flow_id: UUID, purpose: str) -> None:
        """It was a right one."""
        await store.forgive_try(tx, flow_id, purpose)

    async def count_wrong(self, tx: Tx, purpose: str, subject: str) -> bool:
        """For the person, over all flows (OTP-5). True: with this one it is guessing, told once until a right one."""
        begins = await store.count_wrong(tx, purpose, subject) == MAX_IN_A_ROW
        if begins:
            security_event("authn_login_fail_max", "fail", purpose=purpose, account_id=subject)
        return begins

    async def is_guessed(self, conn: Conn, purpose: str, subject: str) -> bool:
        """So many wrong ones in a row that new codes are longer, whoever asks for them."""
        return bool(await store.guessed(conn, {(purpose, subject)}, MAX_IN_A_ROW))

    async def forgive_wrong(self, tx: Tx, subject: str) -> None:
        """After a right one."""
        await store.forgive_wrong(tx, subject)

    async def tries_left(self, conn: Conn, *, flow_id: UUID, purpose: str) -> int:
        return max(MAX_WRONG - await store.tries(conn, flow_id, purpose), 0)

    async def end_link(self, tx: Tx, link: Link) -> None:
        await store.end_link(tx, link.id)

    async def end_flows(self, tx: Tx, flow_ids: Sequence[UUID]) -> None:
        await store.end_flows(tx, flow_ids)

    async def end_subject(self, tx: Tx, subject: str, purposes: Sequence[str] | None = None) -> None:
        """First success voids all (LNK-9); so does whatever changes the account (LNK-7)."""
        await store.end_subject(tx, subject, purposes)


async def purge(tx: Tx, older_than: timedelta) -> None:
    """Called by servicekit.process.purges."""
    await store.purge(tx, tx.now - older_than)


def _refuse_unbelievable(tx: Tx) -> None:
    """Raises Overloaded, before anything is counted: by a clock that is wrong, what is over elsewhere would live again (INV-9)."""
    if not tx.clock.believable():
        raise Overloaded
