"""Who an identifier belongs to and where that person may be written to, for services that keep no addresses (design.md §3.15).

Asked by workers only, behind the outbox: in a customer's request it would tell known identifiers from unknown ones (REC-1).
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.contacts import ContactAnswer, ContactAsked, ContactRequest
from latchkey_contracts.identity import IdentifierKind
from latchkey_contracts.messages import Contact, Reach
from servicekit.caller import Caller
from servicekit.configuration import Configuration, Resolved
from servicekit.db import Conn, Database, Record, Tx
from servicekit.idempotency import Idempotency
from servicekit.sealing import Sealer

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, candidates, canonical_email, canonical_phone, channel_of, mask
from identity.recipients.service import Recipients

from . import rules, store

LIFETIME = timedelta(days=1)  # no link or code that travels with it lives longer
# A frozen account gets its reset: that is how its owner unlocks it. Disabled and erased ones get nothing (ENU-1).
REACHABLE = frozenset({"active", "pending", "frozen"})


class Contacts:
    def __init__(
        self, db: Database, configuration: Configuration, recipients: Recipients, sealer: Sealer, idempotency: Idempotency
    ) -> None:
        self._db = db
        self._configuration = configuration
        self._recipients = recipients
        self._sealer = sealer
        self._idempotency = idempotency

    async def find(self, body: ContactRequest, caller: Caller) -> ContactAnswer:
        """Counts the message against the recipient's budget, once for each Idempotency-Key."""
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            answer = await self._find(tx, body)
            if answer.wait_until is None:
                await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def find_several(self, asked: Sequence[ContactAsked]) -> list[ContactAnswer]:
        """The same for several, in one transaction."""
        async with self._db.transaction() as tx:
            known = await self._idempotency.begin_many(tx, [one.message_id for one in asked])
            found = {name: ContactAnswer.model_validate(answer) for name, answer in known.items()}
            # In one order for everybody, so that two calls don't wait for each other's recipients in a circle.
            for one in sorted(asked, key=lambda one: one.identifier or one.account_id or ""):
                if one.message_id not in found:
                    found[one.message_id] = await self._find(tx, one)
            fresh = {name: answer for name, answer in found.items() if name not in known and answer.wait_until is None}
            if fresh:
                await self._idempotency.store_many(tx, 200, fresh)
        return [found[one.message_id] for one in asked]

    async def _find(self, tx: Tx, body: ContactRequest) -> ContactAnswer:
        app = self._configuration.application(body.application)
        if body.purpose == "total_loss":
            return await self._everywhere(tx, app, body)
        if body.purpose == "username_reminder":
            return await self._reminder(tx, app, body.identifier or "")
        return await self._reset(tx, app, body)

    async def _everywhere(self, tx: Tx, app: Resolved, body: ContactRequest) -> ContactAnswer:
        """All verified addresses of an active account: a security notice has no budget (NOT-1)."""
        account = await self._account(tx, app, body)
        if account is None or account["status"] != "active":
            return ContactAnswer()
        name, until = account["profile"].get("given_name"), tx.now + LIFETIME
        found = [
            self._sealer.seal(Contact(channel="email", to=row["value"], given_name=name), expires_at=until)
            for row in await accounts.identifiers(tx, account["id"])
            if row["kind"] == "email" and row["verified_at"] is not None
        ]
        return ContactAnswer(account_id=account["id"], language=account["language"], contacts=found)

    async def _reminder(self, tx: Tx, app: Resolved, typed: str) -> ContactAnswer:
        """All usernames of that address or number in this store, in one message to it (D8, REC-10)."""
        kind: IdentifierKind = "email" if "@" in typed else "phone"
        try:
            canonical = canonical_email(typed) if kind == "email" else canonical_phone(typed)
        except ValueError:
            return ContactAnswer()
        rows = await store.with_address(tx, app.store.id, kind, canonical, rules.attributes(app, kind))
        names = sorted({row["username"] for row in rows})
        if not names:
            return ContactAnswer()
        account = await accounts.get(tx, rows[0]["account_id"])
        assert account is not None  # noqa: S101 - read in this transaction
        address = Identifier(kind, rows[0]["address"], canonical)
        others = await accounts.identifiers(tx, account["id"])
        return await self._answer(tx, app, "username_reminder", account, rules.Way(channel_of(kind), address), others, names)

    async def _reset(self, tx: Tx, app: Resolved, body: ContactRequest) -> ContactAnswer:
        account = await self._account(tx, app, body)
        if account is None or account["status"] not in REACHABLE:
            return ContactAnswer()
        rows = await accounts.identifiers(tx, account["id"])
        way = rules.reset_way(app, account, rows, body.channel)
        return await self._answer(tx, app, "password_reset", account, way, rows) if way is not None else ContactAnswer()

    @staticmethod
    async def _account(conn: Conn, app: Resolved, body: ContactRequest) -> Record | None:
        if body.account_id is not None:
            account = await accounts.get(conn, UUID(body.account_id))
        else:
            account = await accounts.find(conn, app.store.id, candidates(body.identifier or "", app.store))
        return account if account is not None and account["store_id"] == app.store.id else None

    async def _answer(
        self,
        tx: Tx,
        app: Resolved,
        purpose: str,
        account: Record,
        way: rules.Way,
        identifiers: Sequence[Record],
        usernames: list[str] | None = None,
    ) -> ContactAnswer:
        turn = await self._recipients.turn(tx, app, purpose, way.to.canonical, way.channel)
        if turn is None:
            return ContactAnswer()  # above a cap nothing leaves, and nobody is told (REG-9)
        if turn > tx.now:
            return ContactAnswer(wait_until=turn)
        contact = Contact(
            channel=way.channel,
            to=way.to.address,
            given_name=account["profile"].get("given_name"),
            usernames=usernames,
            others=await self._others(tx, identifiers, way),
        )
        return ContactAnswer(
            account_id=account["id"],
            channel=way.channel,
            to=mask(way.to.kind, way.to.value),
            language=account["language"],
            contact=self._sealer.seal(contact, expires_at=tx.now + LIFETIME),
        )

    async def _others(self, conn: Conn, identifiers: Sequence[Record], way: rules.Way) -> list[Reach]:
        """For the fall-back; a number that was texted or called often enough isn't by it either (FRD-4, FRD-7)."""
        return [one for one in rules.others(identifiers, way) if await self._recipients.is_free(conn, one.to, one.channel)]
