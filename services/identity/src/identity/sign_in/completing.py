"""What follows from what a sign-in has proven by now: a factor, something newly required, or a session."""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.identity import SignedIn, SignInReason
from servicekit.addresses import canonical_email
from servicekit.db import Tx
from servicekit.errors import FlowEnded
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.linked.rules import Newcomer
from identity.linked.service import Linking
from identity.sessions.service import Sessions

from . import due, rules, store
from .attempts import view, with_challenge
from .noticing import SignInNotices
from .store import Attempt

MULTIPLE = "mfa"  # RFC 8176: more than one factor


class Completing:
    def __init__(self, configuration: Configuration, sessions: Sessions, notices: SignInNotices, linking: Linking) -> None:
        self._configuration = configuration
        self._sessions = sessions
        self._notices = notices
        self._linking = linking

    async def go_on(
        self,
        tx: Tx,
        app: Resolved,
        attempt: Attempt,
        account_id: UUID,
        *,
        caller: Caller,
        access: AccessState | None = None,
    ) -> SignInFlow:
        """With the account locked. `access`: what mfa says of this flow, where it was asked just now. Raises FlowEnded where a
        factor was enrolled since nobody had to be asked, and where the challenge is over.
        """
        if access is not None and access.account_id not in {None, account_id}:
            raise FlowEnded  # proven by somebody else, in the same flow
        standing = await accounts.standing(tx, account_id)
        if access is not None and access.decision == "challenge":
            waiting = replace(attempt, status="needs_factor")
            await store.put(tx, waiting)
            return with_challenge(view(tx, waiting), access)
        if standing.second_factor and access is None and not attempt.factor_done:
            raise FlowEnded
        if access is not None and access.decision not in {"allow", "proven"}:
            raise FlowEnded
        if access is not None:
            attempt = replace(attempt, factor_done=True, factor_due=bool(access.enrol))
        if access is not None and access.decision == "proven":
            methods = tuple(dict.fromkeys([*attempt.methods, *access.methods]))
            attempt = replace(attempt, methods=methods if MULTIPLE in methods else (*methods, MULTIPLE), proven_at=tx.now)
        asked = due.of(standing, app, caller)
        if asked.actions or attempt.factor_due:
            waiting = replace(attempt, status="needs_action")
            await store.put(tx, waiting)
            return view(tx, waiting, asked, enrol=access.enrol if access is not None else [])
        known = caller.known_device(account_id) is not None
        why = rules.reasons(known_device=known, wrong_before=attempt.wrong_before, last=standing.last_signed_in_at, now=tx.now)
        return await self._session(tx, app, attempt, account_id, caller, why)

    async def _session(
        self, tx: Tx, app: Resolved, attempt: Attempt, account_id: UUID, caller: Caller, why: list[SignInReason]
    ) -> SignInFlow:
        started = await self._sessions.start(
            tx,
            account_id=account_id,
            app=app,
            caller=caller,
            methods=attempt.methods,
            authenticated_at=attempt.proven_at,
            remember=attempt.remember,
        )
        signed_in = SignedIn(
            account_id=account_id,
            application=attempt.application,
            session_id=started.session_id,
            methods=list(attempt.methods),
        )
        await tx.emit(signed_in)
        if attempt.newcomer is not None and attempt.newcomer.leads == "links":
            await self._link(tx, app, attempt.newcomer, account_id, caller)
        if why:
            await self._notices.enqueue(tx, account_id, started.session_id, attempt.application, why, caller)
        await store.put(tx, replace(attempt, status="complete"))
        security_event("authn_login_success", "success", account_id=str(account_id), flow_id=str(attempt.id))
        return SignInFlow(
            id=attempt.id,
            status="complete",
            expires_at=attempt.expires_at,
            next=[],
            session=started.for_client(),
            account_id=account_id,
            return_to=attempt.return_to,
        )

    async def _link(self, tx: Tx, app: Resolved, who: Newcomer, account_id: UUID, caller: Caller) -> None:
        """What a provider has proven in this very attempt, now that the owner of the address has signed in, too (REG-5)."""
        held = await accounts.identifiers(tx, account_id)
        theirs = {one.canonical for one in held if one.kind == "email" and one.verified_at is not None}
        if who.email is not None and canonical_email(who.email) in theirs:
            await self._linking.link(tx, app, account_id, who, caller)

    def left(self, attempt: Attempt) -> bool:
        """It began in a store that the application has left: no account of another store comes of it."""
        return bool(attempt.store_id != self._configuration.application(attempt.application).store.id)
