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
from mfa.first_step import state
from mfa.first_step import store as first_steps
from mfa.first_step.store import FirstStep
from mfa.tools import Tools

from . import store
from .service import Challenges
from .store import Challenge


class SignInLinks(Proofs[Challenge | FirstStep, SignInFlow]):
    """Of the first step of a sign-in, too. Where there is a second, the first is over."""

    purpose = "sign_in"

    def __init__(self, kit: ProofKit, challenges: Challenges, tools: Tools) -> None:
        super().__init__(kit)
        self._challenges = challenges
        self._t = tools

    async def find(self, conn: Conn, flow_id: UUID) -> Challenge | FirstStep | None:
        return await store.get(conn, flow_id) or await first_steps.get(conn, flow_id)

    async def lock(self, tx: Tx, flow_id: UUID) -> Challenge | FirstStep | None:
        return await store.lock(tx, flow_id) or await first_steps.lock(tx, flow_id)

    def leads_nowhere(self, row: Challenge | FirstStep) -> bool:
        return row.status != "waiting"

    def shown(self, row: Challenge | FirstStep, caller: Caller) -> Shown:
        own = caller.account_id == row.account_id
        return Shown(to=row.masked, requested_at=row.created_at, requested_from=row.requested_from, own=own, renewable=False)

    async def prove(self, tx: Tx, row: Challenge | FirstStep, proof: Proof) -> SignInFlow | None:
        if isinstance(row, FirstStep):
            return await self._prove_first(tx, row)
        factor = await factors.lock(tx, row.factor_id, row.account_id) if row.factor_id is not None else None
        if row.expires_at <= tx.now or factor is None or not factor.active:
            return None
        await self._challenges.proven(tx, row, factor, proof.caller)
        return SignInFlow(id=row.id, status="needs_factor", expires_at=row.expires_at, next=[])

    async def _prove_first(self, tx: Tx, row: FirstStep) -> SignInFlow | None:
        if row.expires_at <= tx.now:
            return None
        await state.prove(self._t, tx, row)
        return SignInFlow(id=row.id, status="needs_factor", expires_at=row.expires_at, next=[])

    async def spoil(self, tx: Tx, row: Challenge | FirstStep) -> None:
        await (first_steps if isinstance(row, FirstStep) else store).set_link_ended(tx, row.id)

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
