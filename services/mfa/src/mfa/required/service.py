"""A factor that the policy requires is added at the next sign-in, before its session begins (D32).

The sign-in itself is the authorisation: identity says that nothing else of it is left, to the browser that asked. Whoever adds a factor
elsewhere meanwhile ends it, for then there is one to be asked for.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from latchkey_contracts.http.factors import Factor as Shown
from latchkey_contracts.http.factors import FactorRequest
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.context import set_tenant
from servicekit.errors import FlowEnded, NotFound, StepMissing
from servicekit.failpoints import failpoint
from servicekit.proof import same_browser
from servicekit.web.caller import Caller

from mfa.challenge.service import Challenges
from mfa.factors import store as factors
from mfa.factors.confirming import Confirming, Given
from mfa.factors.service import FactorService
from mfa.factors.store import Factor
from mfa.tools import Tools

from . import store
from .due import due
from .store import Required

SECONDS = 2.0


class RequiredFactors:
    def __init__(self, tools: Tools, factor_service: FactorService, confirming: Confirming, challenges: Challenges) -> None:
        self._t = tools
        self._factors = factor_service
        self._confirming = confirming
        self._challenges = challenges

    async def begin(self, slug: str, flow_id: UUID, body: FactorRequest, caller: Caller) -> Shown:
        """Raises NotFound, StepMissing, FlowEnded, NotAllowedByPolicy, ValidationFailed."""
        found = await self._open(slug, flow_id, caller)
        return await self._factors.add(body, _owner(found, caller), flow_id=flow_id)

    async def one(self, slug: str, flow_id: UUID, factor_id: UUID, caller: Caller) -> Shown:
        owner = _owner(await self._mine(slug, flow_id, caller), caller)
        await self._check_of_flow(flow_id, factor_id, owner)
        return await self._factors.one(factor_id, owner)

    async def send_again(self, slug: str, flow_id: UUID, factor_id: UUID, caller: Caller) -> Shown:
        owner = _owner(await self._open(slug, flow_id, caller), caller)
        await self._check_of_flow(flow_id, factor_id, owner)
        return await self._factors.send_again(factor_id, owner)

    async def confirm(self, slug: str, flow_id: UUID, factor_id: UUID, given: Given, caller: Caller) -> SignInFlow:
        """Answers the sign-in as it stands then: complete, or what it needs next. Repeated after a crash it goes on."""
        found = await self._mine(slug, flow_id, caller)
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
        owner = _owner(found, caller)
        if not (await self._check_of_flow(flow_id, factor_id, owner)).active:
            await self._open(slug, flow_id, caller)
        await self._confirming.confirm(factor_id, given, replace(owner, idempotency_key=None))
        failpoint("required_added")
        answer: Any = await self._challenges.go_on(f"/v1/apps/{slug}/sign-ins/{flow_id}", caller)
        return SignInFlow.model_validate(answer)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now)

    async def _open(self, slug: str, flow_id: UUID, caller: Caller) -> Required:
        """One that may add something now, as identity says: it alone knows whether all else is proven and still is."""
        found = await self._mine(slug, flow_id, caller)
        app = self._t.configuration.application(slug)
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            left = await due(conn, app, found)
        if left is None or found.expires_at <= self._t.db.clock.now():
            raise FlowEnded
        if not left:
            raise StepMissing
        asker = replace(caller, service="mfa", idempotency_key=None, fingerprint=None)
        path = f"/v1/apps/{slug}/sign-ins/{flow_id}"
        flow = await self._t.identity.request("GET", path, caller=asker, deadline=SECONDS)
        if flow["status"] != "needs_action" or "factor" not in flow["actions"]:
            raise FlowEnded if flow["status"] == "ended" else StepMissing
        return found

    async def _mine(self, slug: str, flow_id: UUID, caller: Caller) -> Required:
        """Raises NotFound for any browser but the one that asked."""
        async with self._t.db.read() as conn:
            found = await store.get(conn, flow_id)
        if found is None or found.application != slug or not same_browser(found.browser, caller.browser):
            raise NotFound
        set_tenant(str(self._t.configuration.application(slug).store.id), "user")
        return found

    async def _check_of_flow(self, flow_id: UUID, factor_id: UUID, owner: Caller) -> Factor:
        account_id, _ = owner.account()
        async with self._t.db.read() as conn:
            found = await factors.get(conn, factor_id, account_id)
        if found is None or found.flow_id != flow_id:
            raise NotFound
        return found


def _owner(found: Required, caller: Caller) -> Caller:
    """The person that this sign-in is of, as far as adding one factor goes."""
    return replace(caller, account_id=found.account_id, session_id=found.flow_id, application=found.application)
