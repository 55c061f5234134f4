"""The signed-in customer's own data."""

from uuid import UUID

from latchkey_contracts.http.account import Me
from servicekit.db import Database
from servicekit.errors import NotFound

from . import store


class Profiles:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, account_id: UUID) -> Me:
        async with self._db.read() as conn:
            found = await store.read(conn, account_id)
        if found is None:
            raise NotFound
        return Me(
            account_id=account_id,
            display_name=found.profile.get("given_name"),
            identifiers=found.identifiers,
            profile=found.profile,
            language=found.language,
            sessions=found.sessions,
            created_at=found.created_at,
            password_changed_at=found.changed_at,
            second_factor=found.second_factor,
        )
