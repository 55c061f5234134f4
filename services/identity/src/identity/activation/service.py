"""Activation: the press on a link or a code from the mail makes an account usable (R5-R8, D1-D5, REG-3, LNK-*).

Exactly the attempt whose secret was used is adopted: its password, its profile. Everything else about the pending account ends.
A wrong try is committed first and told then, so that it stays counted.
"""

from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from latchkey_contracts.http.links import ConfirmedElsewhere, ConfirmRequest, LinkInfo
from latchkey_contracts.http.registration import RegistrationFlow
from latchkey_contracts.identity import UserActivated
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit import work
from servicekit.caller import Caller
from servicekit.context import set_tenant
from servicekit.db import Record, Tx
from servicekit.devices import in_words
from servicekit.errors import (
    CredentialsWrong,
    FlowEnded,
    LinkUsed,
    NotFound,
    StepMissing,
    TooManyRequests,
    ValidationFailed,
)
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.onetime import LINK_ERRORS, MAX_WRONG, Link, LinkResult, code_error, new_match, same_browser

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, channel_of, mask
from identity.credentials import store as credentials
from identity.registration import store
from identity.registration.service import MESSAGE, PURPOSE, Registrations, Tools

# Wrong passwords on a link are counted apart from wrong codes, by the same rule.
PASSWORD_TRIES = "activation.password"  # noqa: S105 - the name of a counter
WELCOME_LIFETIME = timedelta(days=1)


def _refuse(outcome: str) -> NoReturn:
    raise LINK_ERRORS[outcome]


class Activations:
    def __init__(self, tools: Tools, registrations: Registrations) -> None:
        self._t = tools
        self._registrations = registrations

    # --- links -----------------------------------------------------------------------------------------------------------

    async def inspect(self, slug: str, token: str, caller: Caller) -> LinkInfo:
        """What the landing page may say; a link of another application is as unknown as any (LNK-7)."""
        async with self._t.db.read() as conn:
            link = await self._t.onetime.inspect(conn, token)
            row = await store.get(conn, link.flow_id) if link.flow_id else None
        if row is None or link.purpose != PURPOSE or row["application"] != slug:
            return LinkInfo(purpose=None, state="malformed")
        elsewhere = link.state == "valid" and not same_browser(link.browser, caller.browser)
        return LinkInfo(
            purpose="activation",
            state="other_browser" if elsewhere else link.state,
            to=mask(row["recipient_kind"], row["recipient_value"]),
            requested_at=row["created_at"],
            requested_from=row["requested_from"],
            expires_at=link.expires_at,
            used_at=link.used_at,
            superseded_at=link.superseded_at,
        )

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> RegistrationFlow | ConfirmedElsewhere:
        """The press. In the browser that asked it activates; elsewhere the asking window's number or the password is needed."""
        if body.password is not None:
            return await self._confirm_with_password(slug, body.token, body.password, caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            result = await self._consume(tx, slug, body, caller)
            answer: RegistrationFlow | ConfirmedElsewhere | None = None
            if result.outcome == "ok" and result.link.flow_id is not None:
                flow = await self._proven(tx, result.link.flow_id, "link")
                answer = ConfirmedElsewhere() if result.elsewhere else flow
                await self._t.idempotency.store(tx, caller, 200, answer)
            elif result.outcome == "match_wrong" and result.link.flow_id is not None:
                await store.set_link_ended(tx, result.link.flow_id)
        if answer is None:
            security_event("authn_login_fail", "fail", purpose=PURPOSE, reason=result.outcome)
            _refuse(result.outcome)
        return answer

    async def _consume(self, tx: Tx, slug: str, body: ConfirmRequest, caller: Caller) -> LinkResult:
        link = await self._t.onetime.inspect(tx, body.token)
        row = await self._lock(tx, link.flow_id) if link.flow_id else None
        if row is None or row["application"] != slug:
            return LinkResult("malformed", Link("malformed"))
        set_tenant(str(row["store_id"]), "unauthenticated")
        return await self._t.onetime.consume_link(tx, body.token, purposes=[PURPOSE], browser=caller.browser, match=body.match)

    async def _confirm_with_password(
        self, slug: str, token: str, password: str, caller: Caller
    ) -> RegistrationFlow | ConfirmedElsewhere:
        """For "that window is gone": whoever holds the mailbox and knows the password chosen at registration is the one (REG-3)."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            link = await self._t.onetime.inspect(conn, token)
            row = await store.get(conn, link.flow_id) if link.flow_id else None
        if row is None or row["application"] != slug or link.purpose != PURPOSE:
            _refuse("malformed")
        if link.state != "valid":
            _refuse(link.state)
        right = await self._t.passwords.verify(row["password_hash"], password)
        answer = None
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._lock(tx, row["id"])
            tries = await self._t.onetime.count_try(tx, flow_id=row["id"], purpose=PASSWORD_TRIES) if row else MAX_WRONG + 1
            if row is not None and right and tries <= MAX_WRONG and await self._t.onetime.use(tx, link):
                answer = await self._proven(tx, row["id"], "password")
                await self._t.idempotency.store(tx, caller, 200, answer)
            elif row is not None and not right and tries >= MAX_WRONG:
                await self._t.onetime.end_link(tx, link)
                await store.set_link_ended(tx, row["id"])
        if answer is not None:
            return answer
        if right:
            _refuse("used")
        if tries >= MAX_WRONG:
            _refuse("ended")
        raise CredentialsWrong(tries_left=MAX_WRONG - tries)

    async def renew(self, slug: str, token: str, caller: Caller) -> RegistrationFlow:
        """A fresh link for an expired or superseded one, to the same address; the flow belongs to whoever pressed."""
        app = self._t.configuration.application(slug)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            link = await self._t.onetime.inspect(tx, token)
            row = await store.get(tx, link.flow_id) if link.flow_id else None
            if row is None or row["application"] != slug or link.purpose != PURPOSE:
                _refuse("malformed")
            if link.state not in {"expired", "superseded"}:
                _refuse(link.state if link.state != "valid" else "malformed")
            set_tenant(str(app.store.id), "unauthenticated")
            recipient = Identifier(row["recipient_kind"], row["recipient_value"], row["recipient"])
            decision = await self._t.recipients.take(tx, app, PURPOSE, recipient.canonical, channel_of(recipient.kind))
            if not decision.allowed:
                raise TooManyRequests(decision.retry_after_seconds, available_at=decision.available_at.isoformat())
            mine = same_browser(row["browser"], caller.browser)
            attempt = store.Attempt(
                id=random_id(),
                store_id=row["store_id"],
                application=slug,
                identifiers=store.identifiers_of(row),
                recipient=recipient,
                password_hash=row["password_hash"] if mine else None,  # REG-3: a stranger's password never survives
                profile=row["profile"] if mine else {},
                consents=row["consents"] if mine else [],
                language=row["language"],
                return_to=row["return_to"] if mine else None,
                browser=caller.browser,
                match=new_match(),
                requested_from=in_words(caller.user_agent),
                expires_at=tx.now + app.policy.registration.link_lifetime,
            )
            await store.insert(tx, attempt)
            await work.enqueue(tx, MESSAGE, {"flow_id": str(attempt.id), "taken": True})
            answer = await self._registrations.view(tx, await self._row(tx, attempt.id))
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    # --- codes -----------------------------------------------------------------------------------------------------------

    async def by_code(self, slug: str, flow_id: UUID, code: str, caller: Caller) -> RegistrationFlow:
        """Bound to the flow and the browser that asked; five wrong tries burn all codes of the flow, the link lives.

        From another browser even the right code is a wrong try, and the answer is that of no such flow (OTP-4).
        """
        answer = None
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._lock(tx, flow_id)
            if row is None or row["application"] != slug:
                raise NotFound
            mine = same_browser(row["browser"], caller.browser)
            if mine and (row["status"] != "check_your_messages" or row["expires_at"] <= tx.now):
                raise FlowEnded
            set_tenant(str(row["store_id"]), "unauthenticated")
            result = await self._t.onetime.consume_code(tx, flow_id=flow_id, purpose=PURPOSE, code=code, browser=caller.browser)
            if result.outcome == "ok":
                answer = await self._proven(tx, flow_id, "code")
                await self._t.idempotency.store(tx, caller, 200, answer)
        self._t.guesses.count(result.outcome)
        if answer is not None:
            return answer
        security_event("authn_login_fail", "fail", purpose=PURPOSE, reason=f"code_{result.outcome}", flow_id=str(flow_id))
        if not mine:
            raise NotFound
        raise code_error(result)

    async def set_password(self, slug: str, flow_id: UUID, password: str, caller: Caller) -> RegistrationFlow:
        """Where the activation was renewed from another browser: the password chosen there doesn't count (REG-3)."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            row = await self._registrations.mine(conn, slug, flow_id, caller)
        app = self._t.configuration.application(slug)
        errors = self._t.passwords.check_for(app, password, [one.value for one in store.identifiers_of(row)])
        if errors:
            raise ValidationFailed(errors)
        password_hash = await self._t.passwords.hash(password)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            locked = await self._lock(tx, flow_id)
            if locked is None or locked["status"] not in {"check_your_messages", "password"} or locked["expires_at"] <= tx.now:
                raise FlowEnded
            if locked["password_hash"] is not None:
                raise StepMissing
            set_tenant(str(locked["store_id"]), "unauthenticated")
            await store.set_password(tx, flow_id, password_hash)
            if locked["status"] == "password":
                answer = await self._proven(tx, flow_id, locked["proven_by"])
            else:
                answer = await self._registrations.view(tx, await self._row(tx, flow_id))
            await self._t.idempotency.store(tx, caller, 200, answer)
        return answer

    # --- the account -----------------------------------------------------------------------------------------------------

    async def _proven(self, tx: Tx, flow_id: UUID, method: str) -> RegistrationFlow:
        """The address is proven. Without a password of its own the attempt asks for one first."""
        row = await self._row(tx, flow_id)
        if row["password_hash"] is None:
            await store.set_status(tx, flow_id, "password", method)
        else:
            await self._adopt(tx, row, method)
            await store.set_status(tx, flow_id, "activated", method)
        return await self._registrations.view(tx, await self._row(tx, flow_id))

    async def _adopt(self, tx: Tx, row: Record, method: str) -> None:
        account = await accounts.lock(tx, row["account_id"])
        if account is None or account["status"] != "pending":
            raise LinkUsed
        account_id = account["id"]
        await accounts.activate(tx, account_id, profile=row["profile"], consents=row["consents"], language=row["language"])
        await credentials.put(tx, account_id, row["password_hash"])
        for one in store.identifiers_of(row):
            if one.canonical == row["recipient"] and one.kind == row["recipient_kind"]:
                await accounts.verify_identifier(tx, account_id, one)
            elif await accounts.add_identifier(tx, account_id, row["store_id"], one, verified_at=None):
                continue
            elif one.kind == "username":  # taken: another is asked for at the first sign-in (D32); a taken number is left out
                await accounts.require(tx, account_id, "username")
        others = await store.end_others(tx, row["store_id"], row["recipient"], row["id"])
        await self._t.onetime.end_subject(tx, str(account_id))
        await self._t.onetime.end_flows(tx, others)
        expires_at = tx.now + WELCOME_LIFETIME
        await tx.emit(
            UserActivated(
                account_id=account_id,
                flow_id=row["id"],
                application=row["application"],
                store_id=row["store_id"],
                method=method,
                language=row["language"],
                welcome=self._welcome(row, expires_at),
            ),
            expirytime=expires_at,
        )
        security_event("user_updated", "success", account_id=str(account_id), change="activated", method=method)

    def _welcome(self, row: Record, expires_at: datetime) -> Sealed | None:
        """By mail only: a text message costs money, and this one says nothing new."""
        if row["recipient_kind"] != "email":
            return None
        welcome = MessageContent(
            channel="email",
            to=row["recipient_value"],
            given_name=row["profile"].get("given_name"),
            link=f"{self._t.db.origin}/{row['application']}/sign-in",
        )
        return self._t.sealer.seal(welcome, expires_at=expires_at)

    @staticmethod
    async def _lock(tx: Tx, flow_id: UUID) -> Record | None:
        """The account first, then the flow: two presses for one account never wait for each other in a circle."""
        row = await store.get(tx, flow_id)
        if row is not None and row["account_id"] is not None:
            await accounts.lock(tx, row["account_id"])
        return await store.lock(tx, flow_id)

    @staticmethod
    async def _row(tx: Tx, flow_id: UUID) -> Record:
        row = await store.get(tx, flow_id)
        assert row is not None  # noqa: S101 - the caller holds it
        return row
