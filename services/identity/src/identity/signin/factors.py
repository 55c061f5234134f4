"""Which second factors an account has; asked after every right password, also the first one after a reset (E6, REC-3)."""

from typing import Protocol
from uuid import UUID

from servicekit.db import Conn


class Factors(Protocol):
    async def enrolled(self, conn: Conn, account_id: UUID) -> list[str]:
        """Kinds of enrolled factors; empty: the password is enough."""


class NoFactors:
    """Until the mfa service has some: nobody can enrol one yet."""

    async def enrolled(self, conn: Conn, account_id: UUID) -> list[str]:  # noqa: ARG002 - the protocol's
        return []
