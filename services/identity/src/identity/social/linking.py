"""What is linked to the customer's account: the list, a further one, one fewer (R36, E27, D39)."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.social import LinkedIdentities, LinkedIdentity, SocialRedirect, SocialRequest
from servicekit.context import set_authtype, set_tenant
from servicekit.db import Conn, Database
from servicekit.errors import FeatureDisabled, IdentityTaken, LastWayIn, NotFound, SessionRequired
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

from identity.accounts import store as accounts
from identity.credentials import store as credentials
from identity.linked import store as linked
from identity.linked.rules import Linked, Newcomer
from identity.linked.service import Linking, said

from .store import Way
from .ways import Ways

LINK, UNLINK = "identity.link", "identity.unlink"
LIFETIME = timedelta(minutes=10)


@dataclass
class LinkedAccounts:
    db: Database
    configuration: Configuration
    ways: Ways
    linking: Linking
    grants: StepUps
    idempotency: Idempotency

    async def listing(self, caller: Caller) -> LinkedIdentities:
        app = self._app(caller)
        account_id, _ = caller.account()
        async with self.db.read() as conn:
            found = await linked.of(conn, account_id)
        offered = [one.name for one in app.application.social] if app.policy.registration.account_linking else []
        return LinkedIdentities(items=[shown(app, one) for one in found], offered=offered)

    async def begin(self, body: SocialRequest, caller: Caller) -> SocialRedirect:
        """After fresh authentication. Raises FeatureDisabled, StepUpRequired, ProviderUnavailable, ValidationFailed."""
        app = self._app(caller)
        account_id, session_id = caller.account()
        set_tenant(str(app.store.id), "user")
        if not app.policy.registration.account_linking:
            raise FeatureDisabled
        async with self.db.read() as conn:
            await self.idempotency.recall(conn, caller)
            now = conn.now
        provider = self.ways.provider(app, body.provider)
        self.grants.check(caller, LINK, {"provider": provider.name}, now)
        way = Way(
            id=random_id(),
            purpose="link",
            store_id=app.store.id,
            application=app.application.slug,
            provider=provider.name,
            browser=caller.browser,
            account_id=account_id,
            session_id=session_id,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        out = await self.ways.out(app, provider, way, caller)
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            await self.grants.redeem(tx, caller, LINK, {"provider": provider.name})
            answer = await self.ways.begin(tx, out)
            await self.idempotency.store(tx, caller, 200, answer)
        return answer

    async def link(self, app: Resolved, way: Way, who: Newcomer, caller: Caller) -> LinkedIdentity:
        """What came back, for the session that asked. Raises IdentityTaken."""
        account_id, _ = caller.account()
        async with self.db.transaction() as tx:
            account = await accounts.lock(tx, account_id)
            if account is None or account.status != "active" or account.store_id != app.store.id:
                raise SessionRequired
            before = await linked.find(tx, app.store.id, who.issuer, who.subject)
            if before is not None and before.account_id != account_id:
                raise IdentityTaken(provider=way.provider)
            made = before or await self.linking.link(tx, app, account_id, who, caller)
            if made is None:
                raise IdentityTaken(provider=way.provider)  # by a twin, just now
        return shown(app, made)

    async def unlink(self, linked_id: UUID, caller: Caller) -> None:
        """After fresh authentication. Raises NotFound, StepUpRequired, LastWayIn."""
        app = self._app(caller)
        account_id, _ = caller.account()
        set_authtype("user")
        set_tenant(str(app.store.id), "user")
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            account = await accounts.lock(tx, account_id)
            found = await linked.of(tx, account_id)
            one = next((one for one in found if one.id == linked_id), None)
            if account is None or one is None:
                raise NotFound
            if not await self._other_way(tx, app, account_id, [other for other in found if other != one]):
                security_event("user_updated", "fail", account_id=str(account_id), reason="last_way_in")
                raise LastWayIn
            await self.grants.redeem(tx, caller, UNLINK, {"identity_id": str(linked_id)})
            await self.linking.unlink(tx, app, account, one, caller)
            await self.idempotency.store(tx, caller, 204, None)

    @staticmethod
    async def _other_way(conn: Conn, app: Resolved, account_id: UUID, others: list[Linked]) -> bool:
        """Whether the customer still signs in here without it (D39): by another one, a password, or what a code or link goes to first."""
        offered = {one.name for one in app.application.social}
        if any(one.provider in offered for one in others):
            return True
        if not app.access.passwordless and await credentials.get(conn, account_id) is not None:
            return True
        if not app.access.passwordless:
            return False
        ways = {kind for kind in ("email", "phone") if getattr(app.access, kind).enabled}
        return any(one.verified_at is not None and one.kind in ways for one in await accounts.identifiers(conn, account_id))

    def _app(self, caller: Caller) -> Resolved:
        if not self.configuration.knows(caller.application):
            raise SessionRequired
        return self.configuration.application(str(caller.application))


def shown(app: Resolved, one: Linked) -> LinkedIdentity:
    return LinkedIdentity(
        id=one.id,
        provider=one.provider,
        label=said(app, one.provider),
        account=one.shown,
        linked_at=one.linked_at,
        used_at=one.used_at,
    )
