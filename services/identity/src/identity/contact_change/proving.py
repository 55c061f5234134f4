"""A press or a code confirms the new address, or says yes at one that the account has (STP-3, LNK-*, OTP-4)."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.http.contact_change import ContactChangeFlow
from servicekit.db import Conn, Tx
from servicekit.proof.flow import Proof, Proofs, Shown
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import mask

from . import store
from .applying import Applying
from .showing import Showing
from .store import Change, Part
from .tools import Tools


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two messages of a change: `id` is the flow of its link and code. `over`: nothing can come of it any more."""

    id: UUID
    change: Change
    part: Part
    over: bool

    @property
    def application(self) -> str:
        return self.change.application

    @property
    def store_id(self) -> UUID:
        return self.change.store_id

    @property
    def browser(self) -> bytes | None:
        return self.change.browser


class ContactProofs(Proofs[Side, ContactChangeFlow]):
    purpose = "contact_change"

    def __init__(self, tools: Tools, applying: Applying, showing: Showing) -> None:
        super().__init__(tools.proofs)
        self._applying = applying
        self._showing = showing

    async def find(self, conn: Conn, flow_id: UUID) -> Side | None:
        return _side(conn, flow_id, await store.get(conn, flow_id))

    async def lock(self, tx: Tx, flow_id: UUID) -> Side | None:
        """The account first, as everywhere."""
        found = await store.get(tx, flow_id)
        if found is not None:
            await accounts.lock(tx, found.account_id)
        return _side(tx, flow_id, await store.lock(tx, flow_id))

    def leads_nowhere(self, row: Side) -> bool:
        return row.over

    def has_ended(self, row: Side, now: object) -> bool:
        return row.over

    def shown(self, row: Side, caller: Caller) -> Shown:
        new = row.change.new
        to = new if row.part == "new" else row.change.approver
        return Shown(
            to=mask(to.kind, to.value) if to is not None else None,
            requested_at=row.change.created_at,
            requested_from=row.change.requested_from,
            own=caller.account_id == row.change.account_id,
            renewable=False,
            about=mask(new.kind, new.value) if new is not None and row.part == "old" else None,
            done="contact_new" if row.part == "new" else "contact_old",
        )

    async def prove(self, tx: Tx, row: Side, proof: Proof) -> ContactChangeFlow | None:
        await store.confirmed(tx, row.change.id, row.part)
        change = await store.get(tx, row.change.id)
        if change is None or not await self._applying.go_on(tx, change, proof.caller):
            await self._applying.end(tx, row.change, "taken")
            return None
        settled = await store.get(tx, change.id)
        return await self._showing.flow(tx, settled or change, proof.caller)

    async def spoil(self, tx: Tx, row: Side) -> None:
        await store.set_link_ended(tx, row.change.id, row.part)


def _side(conn: Conn, flow_id: UUID, found: Change | None) -> Side | None:
    if found is None:
        return None
    return Side(flow_id, found, "new" if found.id == flow_id else "old", over=not found.is_open(conn.now))
