"""A magic link proves a factor by a press; the window that asked goes on, and only there is a session (LNK-3, D17)."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from latchkey_contracts.http.links import ConfirmedElsewhere, ConfirmRequest
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.db import Conn, Tx
from servicekit.proof.flow import Proof, ProofKit, Proofs, Shown
from servicekit.web.caller import Caller

from mfa.factors import store as factors

from . import store
from .service import Challenges
from .store import Challenge


class SignInLinks(Proofs[Challenge, SignInFlow]):
    purpose = "sign_in"

    def __init__(self, kit: ProofKit, challenges: Challenges) -> None:
        super().__init__(kit)
        self._challenges = challenges

    async def find(self, conn: Conn, flow_id: UUID) -> Challenge | None:
        return await store.get(conn, flow_id)

    async def lock(self, tx: Tx, flow_id: UUID) -> Challenge | None:
        return await store.lock(tx, flow_id)

    def leads_nowhere(self, row: Challenge) -> bool:
        return row.status != "waiting"

    def shown(self, row: Challenge, caller: Caller) -> Shown:
        own = caller.account_id == row.account_id
        return Shown(to=row.masked, requested_at=row.created_at, requested_from=row.requested_from, own=own, renewable=False)

    async def prove(self, tx: Tx, row: Challenge, proof: Proof) -> SignInFlow | None:
        factor = await factors.lock(tx, row.factor_id, row.account_id) if row.factor_id is not None else None
        if row.expires_at <= tx.now or factor is None or not factor.active:
            return None
        await self._challenges.proven(tx, row, factor, proof.caller)
        return SignInFlow(id=row.id, status="needs_factor", expires_at=row.expires_at, next=[])

    async def spoil(self, tx: Tx, row: Challenge) -> None:
        await store.set_link_ended(tx, row.id)

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> SignInFlow | ConfirmedElsewhere:
        """In the window that asked, the sign-in as it stands then: that is what is kept under a key, not what the press alone answers."""
        async with self.kit.db.read() as conn:
            await self.kit.idempotency.recall(conn, caller)
        answer = await super().confirm(slug, body, replace(caller, idempotency_key=None))
        if isinstance(answer, ConfirmedElsewhere):
            await self._challenges.keep(caller, answer)
            return answer
        found: Any = await self._challenges.go_on(f"/v1/apps/{slug}/sign-ins/{answer.id}", caller)
        return SignInFlow.model_validate(found)
