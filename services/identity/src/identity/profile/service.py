"""The signed-in customer's own data."""

from uuid import UUID

from latchkey_contracts.http.sign_in import Me
from servicekit.db import Database
from servicekit.errors import NotFound

from identity.accounts import store as accounts
from identity.sessions import store as sessions

from . import store


class Profiles:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, account_id: UUID) -> Me:
        async with self._db.read() as conn:
            account = await accounts.get(conn, account_id)
            if account is None or account["status"] != "active":
                raise NotFound
            identifiers = await accounts.identifiers(conn, account_id)
            live = await sessions.live(conn, account_id)
            changed = await store.password_changed_at(conn, account_id)
        profile = account["profile"]
        return Me(
            account_id=account_id,
            display_name=profile.get("given_name"),
            identifiers=[
                {"kind": row["kind"], "value": row["value"], "verified": row["verified_at"] is not None} for row in identifiers
            ],
            profile=profile,
            language=account["language"],
            sessions=len(live),
            created_at=account["created_at"],
            password_changed_at=changed,
        )
