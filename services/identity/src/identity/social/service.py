"""Sign-in with an account elsewhere (docs/flows/social-sign-in.md): out to the provider, and what its answer leads to."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.http.social import SocialAnswer, SocialCallback, SocialRedirect, SocialRequest
from latchkey_contracts.http.step_up import StepUpFlow
from servicekit.context import set_tenant
from servicekit.db import Database
from servicekit.errors import FlowEnded, ServiceError, SocialRefused, StepMissing
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from identity.linked import store as linked
from identity.linked.rules import Newcomer
from identity.sign_in.attempts import mine
from identity.step_up.service import StepUps

from .entering import OPEN, Entering
from .joining import Joining
from .linking import LinkedAccounts
from .store import Way
from .ways import Ways, about


@dataclass
class Social:
    db: Database
    configuration: Configuration
    ways: Ways
    entering: Entering
    joining: Joining
    accounts: LinkedAccounts
    step_ups: StepUps
    idempotency: Idempotency

    async def sign_in(self, slug: str, flow_id: UUID, body: SocialRequest, caller: Caller) -> SocialRedirect:
        """Nothing is looked up. Raises NotFound, FlowEnded, StepMissing, ValidationFailed, ProviderUnavailable."""
        app = self.configuration.application(slug)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self.db.read() as conn:
            await self.idempotency.recall(conn, caller)
            attempt = await mine(conn, slug, flow_id, caller)
            if attempt.expires_at <= conn.now or attempt.status in {"ended", "complete"} or attempt.store_id != app.store.id:
                raise FlowEnded
            if attempt.status not in OPEN or attempt.account_id is not None:
                raise StepMissing
            now = conn.now
        provider = self.ways.provider(app, body.provider)
        way = Way(
            id=random_id(),
            purpose="sign_in",
            flow_id=flow_id,
            store_id=app.store.id,
            application=slug,
            provider=provider.name,
            browser=caller.browser,
            created_at=now,
            expires_at=attempt.expires_at,
        )
        return await self._out(app, way, caller)

    async def step_up(self, step_up_id: UUID, body: SocialRequest, caller: Caller) -> SocialRedirect:
        """Of an account without a password. Raises NotFound, FlowEnded, StepMissing, ValidationFailed, ProviderUnavailable."""
        async with self.db.read() as conn:
            await self.idempotency.recall(conn, caller)
            found = await self.step_ups.waiting_for_provider(conn, step_up_id, caller)
            now = conn.now
        app = self.configuration.application(found.application)
        set_tenant(str(app.store.id), "user")
        provider = self.ways.provider(app, body.provider)
        if not provider.known.reauthenticates:
            raise StepMissing
        way = Way(
            id=random_id(),
            purpose="step_up",
            flow_id=step_up_id,
            store_id=app.store.id,
            application=found.application,
            provider=provider.name,
            browser=caller.browser,
            account_id=found.account_id,
            session_id=found.session_id,
            created_at=now,
            expires_at=found.expires_at,
        )
        return await self._out(app, way, caller)

    async def _out(self, app: Resolved, way: Way, caller: Caller) -> SocialRedirect:
        out = await self.ways.out(app, self.ways.provider(app, way.provider), way, caller)
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            answer = await self.ways.begin(tx, out)
            await self.idempotency.store(tx, caller, 200, answer)
        return answer

    async def back(self, name: str, body: SocialCallback, caller: Caller) -> SocialAnswer:
        """What the provider sent the browser back with; errors say where it goes on (`about`)."""
        way, app = await self.ways.back(name, body, caller)
        set_tenant(str(app.store.id), "user")
        try:
            _, who = await self.ways.prove(app, way, body)
            return await self._on(app, way, who, caller)
        except ServiceError as error:
            error.extra |= about(way)
            if error.status < 500:
                security_event("authn_login_fail", "fail", reason=error.code, purpose=way.purpose, provider=way.provider)
            raise

    async def _on(self, app: Resolved, way: Way, who: Newcomer, caller: Caller) -> SocialAnswer:
        if way.purpose == "link":
            return SocialAnswer(application=way.application, linked=await self.accounts.link(app, way, who, caller))
        async with self.db.read() as conn:
            known = await linked.find(conn, app.store.id, who.issuer, who.subject)
        assert way.flow_id is not None  # noqa: S101 - of everything but a link
        if way.purpose == "step_up":
            if known is None or known.account_id != way.account_id:
                raise SocialRefused(provider=way.provider)
            return SocialAnswer(application=way.application, step_up=await self._stepped_up(way, caller))
        if known is None:
            return SocialAnswer(application=way.application, sign_in=await self.joining.met(app, way.flow_id, who))
        entered = await self.entering.enter(app, way.flow_id, known, who.shown, caller)
        return SocialAnswer(application=way.application, sign_in=entered)

    async def _stepped_up(self, way: Way, caller: Caller) -> StepUpFlow:
        assert way.flow_id is not None  # noqa: S101
        return await self.step_ups.by_provider(way.flow_id, caller)
