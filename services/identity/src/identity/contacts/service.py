"""Who an identifier belongs to and where that person may be written to, for services that keep no addresses (design.md §3.15).

Asked by workers only, behind the outbox: in a customer's request it would tell known identifiers from unknown ones (REC-1).
"""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest
from latchkey_contracts.messages import Contact
from servicekit.caller import Caller
from servicekit.configuration import Configuration, Resolved
from servicekit.db import Conn, Database, Record, Tx
from servicekit.idempotency import Idempotency
from servicekit.sealing import Sealer

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, candidates, canonical_email, mask
from identity.recipients.service import Recipients

from . import store

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
        app = self._configuration.application(body.application)
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            if body.purpose == "total_loss":
                answer = await self._everywhere(tx, app, body)
            elif body.purpose == "username_reminder":
                answer = await self._reminder(tx, app, body.identifier or "")
            else:
                answer = await self._reset(tx, app, body)
            if answer.wait_until is None:
                await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def _reset(self, tx: Tx, app: Resolved, body: ContactRequest) -> ContactAnswer:
        if body.account_id is not None:
            account = await accounts.get(tx, UUID(body.account_id))
        else:
            account = await accounts.find(tx, app.store.id, candidates(body.identifier or "", app.store))
        if account is None or account["store_id"] != app.store.id or account["status"] not in REACHABLE:
            return ContactAnswer()
        address = await self._address(tx, app, account)
        return await self._answer(tx, app, "password_reset", account, address, None) if address else ContactAnswer()

    async def _everywhere(self, tx: Tx, app: Resolved, body: ContactRequest) -> ContactAnswer:
        """All verified addresses of an active account: a security notice has no budget (NOT-1)."""
        if body.account_id is not None:
            account = await accounts.get(tx, UUID(body.account_id))
        else:
            account = await accounts.find(tx, app.store.id, candidates(body.identifier or "", app.store))
        if account is None or account["store_id"] != app.store.id or account["status"] != "active":
            return ContactAnswer()
        name, until = account["profile"].get("given_name"), tx.now + LIFETIME
        found = [
            self._sealer.seal(Contact(channel="email", to=row["value"], given_name=name), expires_at=until)
            for row in await accounts.identifiers(tx, account["id"])
            if row["kind"] == "email" and row["verified_at"] is not None
        ]
        return ContactAnswer(account_id=account["id"], language=account["language"], contacts=found)

    async def _reminder(self, tx: Tx, app: Resolved, typed: str) -> ContactAnswer:
        """All usernames of that address in this store, in one mail (D8, REC-10)."""
        try:
            canonical = canonical_email(typed)
        except ValueError:
            return ContactAnswer()
        by_attribute = [one.name for one in app.store.attributes if one.type == "email"]
        rows = await store.with_address(
            tx, app.store.id, canonical, by_attribute if app.policy.attribute_based_recovery.email else []
        )
        names = sorted({row["username"] for row in rows})
        if not names:
            return ContactAnswer()
        account = await accounts.get(tx, rows[0]["account_id"])
        assert account is not None  # noqa: S101 - read in this transaction
        address = Identifier("email", rows[0]["address"], canonical)
        return await self._answer(tx, app, "username_reminder", account, address, names)

    async def _address(self, conn: Conn, app: Resolved, account: Record) -> Identifier | None:
        """A verified e-mail address, else a verified phone (D10); a pending account's own, which the message proves (D5); by
        policy an e-mail address from the profile (D7).
        """
        rows = await accounts.identifiers(conn, account["id"])
        for kind in ("email", "phone"):
            for row in rows:
                if row["kind"] == kind and (row["verified_at"] is not None or account["status"] == "pending"):
                    return Identifier(kind, row["value"], row["canonical"])
        if app.policy.attribute_based_recovery.email:
            for one in app.store.attributes:
                if one.type == "email" and (value := account["profile"].get(one.name)):
                    return Identifier("email", value, canonical_email(value))
        return None

    async def _answer(
        self, tx: Tx, app: Resolved, purpose: str, account: Record, address: Identifier, usernames: list[str] | None
    ) -> ContactAnswer:
        turn = await self._recipients.turn(tx, app, purpose, address.canonical)
        if turn is None:
            return ContactAnswer()  # above a cap nothing leaves, and nobody is told (REG-9)
        if turn > tx.now:
            return ContactAnswer(wait_until=turn)
        channel: Channel = "sms" if address.kind == "phone" else "email"
        name = account["profile"].get("given_name")
        contact = Contact(channel=channel, to=address.value, given_name=name, usernames=usernames)
        return ContactAnswer(
            account_id=account["id"],
            channel=channel,
            to=mask(address.kind, address.value),
            language=account["language"],
            contact=self._sealer.seal(contact, expires_at=tx.now + LIFETIME),
        )
