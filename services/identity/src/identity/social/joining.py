"""Somebody nobody knows: an account is made for them, or the one with their proven address waits for its owner to sign in (REG-5).

What a provider says of an address that it has not verified, or whose word doesn't count, is nothing but typed: it is proven by a mail as at any
registration, and nothing tells whether anybody has it (REG-1).
"""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts.http.registration import RegistrationFlow
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.social import NewcomerRequest
from latchkey_contracts.identity import UserActivated, UserRegistered
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.errors import FeatureDisabled, FieldError, FlowEnded, SocialRefused, StepMissing, UsernameTaken, ValidationFailed
from servicekit.failpoints import failpoint
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, read_identifiers
from identity.accounts.values import clean_profile
from identity.linked import store as linked
from identity.linked.rules import Linked, Newcomer
from identity.registration import rules as registration
from identity.registration import store as attempts
from identity.registration.service import Registrations
from identity.registration.tools import Tools
from identity.sign_in import store as sign_ins
from identity.sign_in.attempts import first_ways, mine, view
from identity.sign_in.first_step import generic, waits
from identity.sign_in.store import Attempt

from .entering import OPEN, Entering


class Joining:
    def __init__(self, tools: Tools, registrations: Registrations, entering: Entering) -> None:
        self._t = tools
        self._registrations = registrations
        self._entering = entering

    async def met(self, app: Resolved, flow_id: UUID, who: Newcomer) -> SignInFlow:
        """Kept with the sign-in until it goes on. Raises FlowEnded, FeatureDisabled, SocialRefused."""
        async with self._t.db.transaction() as tx:
            attempt = await sign_ins.lock(tx, flow_id)
            if attempt is None or attempt.expires_at <= tx.now or attempt.store_id != app.store.id:
                raise FlowEnded
            if attempt.account_id is not None or attempt.status not in OPEN:
                raise FlowEnded
            address = self._proven(app, who)
            owner = await accounts.find_owner(tx, app.store.id, address) if address is not None else None
            if owner is not None and owner.proven:
                if not app.policy.registration.account_linking:
                    raise SocialRefused(provider=who.provider)
                known = replace(attempt, identifier=who.email, newcomer=replace(who, leads="links"))
            elif not app.policy.registration.enabled:
                raise FeatureDisabled
            else:
                known = replace(attempt, newcomer=who)
            await sign_ins.put(tx, known)
            return _shown(tx, app, known)

    async def join(self, slug: str, flow_id: UUID, body: NewcomerRequest, caller: Caller) -> SignInFlow | RegistrationFlow:
        """What a registration asks is given: the account is there, or waits for its mail."""
        app = self._t.configuration.application(slug)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            attempt = await mine(conn, slug, flow_id, caller)
            who = self._waiting(conn, app, attempt)
            known = await linked.find(conn, app.store.id, who.issuer, who.subject)
        if not app.policy.registration.enabled:
            raise FeatureDisabled
        if known is None:
            identifiers = self._validate(app, body, who)
            recipient = registration.recipient_of(identifiers)
            proven = self._proven(app, who)
            if recipient is not None and recipient != proven and app.policy.registration.activation:
                return await self._registrations.begin(  # what signs in stands in a password's place (REG-1)
                    app, body, identifiers, recipient, caller, return_to=attempt.return_to, newcomer=attempt.newcomer
                )
            known = await self._at_once(app, attempt, body, identifiers, caller)
        failpoint("social.after_account")
        answer = await self._entering.enter(app, flow_id, known, who.shown, caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await self._t.idempotency.store(tx, caller, 200, answer)
        return answer

    # --- parts -----------------------------------------------------------------------------------------------------------

    def _waiting(self, conn: Conn, app: Resolved, attempt: Attempt) -> Newcomer:
        over = attempt.expires_at <= conn.now or attempt.store_id != app.store.id or attempt.status in {"ended", "complete"}
        if over:
            raise FlowEnded
        if attempt.newcomer is None or attempt.newcomer.leads != "joins" or attempt.account_id is not None:
            raise StepMissing
        return attempt.newcomer

    @staticmethod
    def _proven(app: Resolved, who: Newcomer) -> Identifier | None:
        """Their address, where a provider whose word counts has verified it and the store uses addresses."""
        if not who.proven or who.email is None or "email" not in app.store.used():
            return None
        found, _ = read_identifiers({"email": who.email}, app.store)
        return next((one for one in found if one.kind == "email"), None)

    def _validate(self, app: Resolved, body: NewcomerRequest, who: Newcomer) -> list[Identifier]:
        proven = self._proven(app, who)
        given = {"email": body.identifiers.email, "username": body.identifiers.username, "phone": body.identifiers.phone}
        if proven is not None:
            if given["email"] is not None:
                raise ValidationFailed([FieldError("/identifiers/email", "not_editable", "The provider's address stands")])
            given["email"] = proven.value
        identifiers, errors = read_identifiers(given, app.store)  # type: ignore[arg-type]
        recipient = registration.recipient_of(identifiers)
        errors += registration.check_rest(body.profile, body.consents, body.language, app, recipient)
        if errors:
            raise ValidationFailed(errors)
        return identifiers

    async def _at_once(
        self, app: Resolved, attempt: Attempt, body: NewcomerRequest, identifiers: list[Identifier], caller: Caller
    ) -> Linked:
        """Nothing is left to prove. Raises UsernameTaken, FlowEnded where somebody else has proven the address meanwhile."""
        language = app.language_for(body.language, caller)
        async with self._t.db.transaction() as tx:
            locked = await sign_ins.lock(tx, attempt.id)
            if locked is None:
                raise FlowEnded
            who = self._waiting(tx, app, locked)
            account_id = await accounts.insert(tx, app.store.id, language)
            kinds = [one.kind for one in identifiers]
            slug = app.application.slug
            await tx.emit(UserRegistered(account_id=account_id, store_id=app.store.id, application=slug, identifier_kinds=kinds))
            for one in identifiers:
                await self._claim(tx, app, account_id, one, proven=one == self._proven(app, who))
            profile = clean_profile(body.profile, app.store)
            consents = [decision.model_dump() for decision in body.consents]
            await accounts.activate(tx, account_id, profile=profile, consents=consents, language=language)
            await tx.emit(
                UserActivated(
                    account_id=account_id,
                    flow_id=attempt.id,
                    application=slug,
                    store_id=app.store.id,
                    method="none",
                    language=language,
                )
            )
            made = await self._t.linking.link(tx, app, account_id, who, None)
            if made is None:
                raise FlowEnded  # by a twin of this call
        security_event("user_created", "success", account_id=str(account_id))
        return made

    async def _claim(self, tx: Tx, app: Resolved, account_id: UUID, one: Identifier, *, proven: bool) -> None:
        """A proof beats claims (REG-3): whoever only typed the address has it no longer, and what they began leads nowhere."""
        await accounts.yield_claims(tx, app.store.id, one)
        if not proven:
            if await accounts.add_identifier(tx, account_id, app.store.id, one, verified_at=None):
                return
            if one.kind == "username" or not app.policy.registration.activation:
                raise UsernameTaken(
                    errors=[FieldError(f"/identifiers/{one.kind}", "username_taken", "Choose another one").as_dict()]
                )
            return  # a number that is somebody's is left out, as at any registration
        if not await accounts.claim(tx, account_id, app.store.id, one):
            raise FlowEnded
        await self._t.sessions.end_nameless(tx, await accounts.verify_identifier(tx, account_id, one))
        others = await attempts.void_recipient(tx, app.store.id, one.canonical)
        await self._t.onetime.end_flows(tx, others)


def _shown(conn: Conn, app: Resolved, attempt: Attempt) -> SignInFlow:
    return generic(conn, app, attempt) if waits(attempt) else first_ways(app, attempt, view(conn, attempt))
