"""Who signs in by a name, for mfa's worker: where the application asks for a factor first, a proven address or number of the account will do."""

from uuid import UUID

from latchkey_contracts.http.access import Owner, OwnerQuestion
from latchkey_contracts.messages import Contact
from servicekit.db import Conn, Database
from servicekit.process.configuration import Configuration, Resolved
from servicekit.sealing import Sealer

from identity.accounts import store as accounts
from identity.accounts.rules import Account, Held, candidates, mask

from . import rules
from .service import LIFETIME


class Owners:
    def __init__(self, db: Database, configuration: Configuration, sealer: Sealer) -> None:
        self._db = db
        self._configuration = configuration
        self._sealer = sealer

    async def find(self, asked: OwnerQuestion) -> Owner:
        """Nobody where there is no such name, or its account isn't active."""
        app = self._configuration.application(asked.application)
        async with self._db.read() as conn:
            account = await self._account(conn, app, asked.identifier, asked.store_id)
            if account is None:
                return Owner()
            rows = await accounts.identifiers(conn, account.id)
            now = conn.now
        held = _held(rows, asked)
        if held is None:
            return Owner(account_id=account.id)
        to = held.identifier
        contact = Contact(
            channel=asked.channel,
            to=to.address,
            given_name=rules.greeted(account, rows, to),
            proven_at=held.verified_at,
            known=True,
        )
        sealed = self._sealer.seal(contact, expires_at=now + LIFETIME)
        return Owner(account_id=account.id, contact=sealed, to=mask(to.kind, to.value))

    @staticmethod
    async def _account(conn: Conn, app: Resolved, typed: str, store_id: UUID) -> Account | None:
        if app.store.id != store_id:
            return None  # the application has another store by now
        found = await accounts.find(conn, store_id, candidates(typed, app.store))
        return found if found is not None and found.status == "active" else None


def _held(rows: list[Held], asked: OwnerQuestion) -> Held | None:
    """Proven, and reached by that channel: the very one that was typed before others."""
    kind = "email" if asked.channel == "email" else "phone"
    proven = [one for one in rows if one.kind == kind and one.verified_at is not None]
    return next((one for one in proven if asked.identifier in {one.value, one.canonical}), next(iter(proven), None))
