"""A new password: chosen in the portal, after a reset, or because the old one is known from a leak (PWD-6, PWD-7, REC-3, 5, 6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from latchkey_contracts.http.account import PasswordChange
from latchkey_contracts.identity import PasswordChanged, UserActivated
from servicekit.context import set_tenant
from servicekit.db import Database, Tx
from servicekit.errors import (
    CredentialsWrong,
    FeatureDisabled,
    FieldError,
    FlowEnded,
    SessionRequired,
    StepUpRequired,
    ValidationFailed,
)
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.proof import OneTimeSecrets
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

from identity.accounts import changing_store
from identity.accounts import store as accounts
from identity.accounts.rules import Account, Held
from identity.credentials import store as credentials
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.linked.service import Linking
from identity.notices.service import Notices
from identity.reach.rules import provable
from identity.registration import store as attempts
from identity.sessions import store as session_store
from identity.sessions.service import PASSWORD, Sessions

from . import store

Reason = Literal["change", "reset", "forced"]
ACTION = "password.change"
KEEP_RESETS = timedelta(days=30)  # no reset flow lives as long


@dataclass
class PasswordChanges:
    db: Database
    configuration: Configuration
    passwords: Passwords
    sessions: Sessions
    onetime: OneTimeSecrets
    slowdown: Slowdown
    idempotency: Idempotency
    notices: Notices
    linking: Linking
    grants: StepUps

    async def change(self, body: PasswordChange, caller: Caller) -> None:
        """In the portal: by the current password, or by a grant, which an account with a second factor needs (STP-1). Raises
        StepUpRequired.
        """
        account_id, session_id = caller.account()
        async with self.db.read() as conn:
            session = await session_store.get(conn, session_id)
            stored = await credentials.get(conn, account_id)
            account = await accounts.get(conn, account_id)
            texts = [row.value for row in await accounts.identifiers(conn, account_id)]
            now = conn.now
            # After what was read: if a twin has changed that already, its answer is here.
            await self.idempotency.recall(conn, caller)
        if session is None or account is None:
            raise SessionRequired
        app = self.configuration.application(session.application)
        if not app.policy.password_change.enabled or app.access.passwordless:  # R43
            raise FeatureDisabled
        set_tenant(str(app.store.id), "user")
        granted = account.second_factor or body.current_password is None
        if granted:
            self.grants.check(caller, ACTION, None, now)
        if body.current_password is not None:
            await self._prove(account_id, stored, body.current_password)
        fresh = await self._fresh(app, body.password, texts, stored)
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            account = await self._lock(tx, account_id, ("active",))
            if await credentials.get(tx, account_id) != stored:
                raise FlowEnded  # changed meanwhile, so what was proven is proven no more
            if granted or account.second_factor:
                await self._redeem(tx, account, caller)
            if body.end_other_sessions:
                ended = await self.sessions.revoke_others(tx, account_id, session_id, "password_changed")
            else:
                ended = 0
            await self._set(tx, app, account, fresh, "change", caller, sessions_ended=ended)
            await self.idempotency.store(tx, caller, 204, None)

    async def _prove(self, account_id: UUID, stored: str | None, password: str) -> None:
        """The current one; wrong ones are slowed down as at sign-in. Raises CredentialsWrong."""
        count = self.slowdown.signed_in(account_id)
        await self.slowdown.take(self.db, count)
        if not await self.passwords.verify(stored, password):
            security_event("authn_password_change", "fail", account_id=str(account_id), reason="credentials_wrong")
            raise CredentialsWrong
        async with self.db.transaction() as tx:
            await self.slowdown.forget(tx, count)  # now, whatever becomes of the new one

    async def _redeem(self, tx: Tx, account: Account, caller: Caller) -> None:
        """One that was given for the password alone is too little, if there is a factor by now."""
        methods = await self.grants.redeem(tx, caller, ACTION)
        if account.second_factor and list(methods) == [PASSWORD]:
            raise StepUpRequired(action=ACTION, payload={})

    async def reset(
        self, account_id: UUID, slug: str, flow_id: UUID, password: str, caller: Caller, requested_at: datetime | None = None
    ) -> bool:
        """After a reset's proof: ends every session, activates a pending account (D5), unlocks a frozen one.

        A flow that was asked for before the last password change or freeze does nothing (LNK-7), however far recovery is behind.
        False: this flow has set a password before, and nothing was done again. Raises ValidationFailed, FlowEnded.
        """
        app = self.configuration.application(slug)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self.db.read() as conn:
            texts = [row.value for row in await accounts.identifiers(conn, account_id)]
        fresh = await self._fresh(app, password, texts, None)
        async with self.db.transaction() as tx:
            account = await self._lock(tx, account_id, ("active", "pending", "frozen"))
            if account.store_id != app.store.id:
                raise FlowEnded
            if not await store.first_time(tx, flow_id, account_id):
                return False
            secured_at = await credentials.secured_at(tx, account_id)
            if requested_at is not None and secured_at is not None and requested_at < secured_at:
                raise FlowEnded
            if account.status == "pending":
                await self._activate(tx, app, account, flow_id)
            else:
                await self._claim(tx, app, account)
                if account.status == "frozen":
                    await self.linking.drop(tx, app, account)  # one of them may be why it was frozen
                    await accounts.set_status(tx, account_id, "active")
            await self._forget_tries(tx, app, account_id, caller)
            ended = await self.sessions.revoke_all(tx, account_id, "password_changed")
            await self._set(tx, app, account, fresh, "reset", caller, sessions_ended=ended, flow_id=flow_id)
        return True

    async def purge(self) -> None:
        async with self.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP_RESETS)

    async def _forget_tries(self, tx: Tx, app: Resolved, account_id: UUID, caller: Caller) -> None:
        """Of names that are this account's for certain: an address that it only claims is counted for somebody else."""
        rows = await accounts.identifiers(tx, account_id)
        names = [row.canonical for row in rows if row.verified_at is not None or row.kind == "username"]
        await self.slowdown.forget_all(tx, app.store.id, account_id, names, caller)

    async def forced(self, tx: Tx, app: Resolved, account_id: UUID, fresh: str, caller: Caller) -> None:
        """At sign-in, in its transaction: the old one is known from a leak (PWD-7), so whoever used it elsewhere is out."""
        account = await self._lock(tx, account_id, ("active",))
        ended = await self.sessions.revoke_all(tx, account_id, "password_changed")
        await self._set(tx, app, account, fresh, "forced", caller, sessions_ended=ended)

    async def _fresh(self, app: Resolved, password: str, texts: list[str], stored: str | None) -> str:
        errors = self.passwords.check_for(app, password, texts)
        if not errors and stored is not None and await self.passwords.verify(stored, password):
            errors = [FieldError("/password", "password_same", "This is the password you have")]
        if errors:
            raise ValidationFailed(errors)
        return await self.passwords.hash(password)

    async def fresh_for(self, app: Resolved, account_id: UUID, password: str) -> str:
        """Checked and hashed, before a transaction is opened. Raises ValidationFailed."""
        async with self.db.read() as conn:
            texts = [row.value for row in await accounts.identifiers(conn, account_id)]
            stored = await credentials.get(conn, account_id)
        return await self._fresh(app, password, texts, stored)

    async def _set(
        self,
        tx: Tx,
        app: Resolved,
        account: Account,
        fresh: str,
        reason: Reason,
        caller: Caller,
        *,
        sessions_ended: int,
        flow_id: UUID | None = None,
    ) -> None:
        """Earlier "this wasn't me" links live on: a thief who changes the password again must not take them away."""
        await credentials.put(tx, account.id, fresh)
        await accounts.no_longer_required(tx, account.id, "password")
        # Addresses that wait for a confirmation may be a thief's (REG-4, LNK-7).
        await self.onetime.end_flows(tx, await changing_store.end_changes(tx, account.id))
        told = await self.notices.make(tx, app, account, "password_changed", caller, sessions_ended=sessions_ended)
        await tx.emit(
            PasswordChanged(
                account_id=account.id,
                reason=reason,
                application=app.application.slug,
                flow_id=flow_id,
                language=account.language or app.application.default_language,
                sessions_ended=sessions_ended,
                **told,
            )
        )
        security_event("authn_password_change", "success", account_id=str(account.id), reason=reason)

    async def _activate(self, tx: Tx, app: Resolved, account: Account, flow_id: UUID) -> None:
        """The mailbox is proven; nothing that a registration attempt brought along is taken over (REG-3). So a username that the
        store requires is asked for at the first sign-in (D32).
        """
        language = account.language or app.application.default_language
        rows = await accounts.identifiers(tx, account.id)
        username = app.store.used().get("username")
        if username is not None and username.use == "required" and all(row.kind != "username" for row in rows):
            await accounts.require(tx, account.id, "username")
        for row in rows:
            if row.kind in {"email", "phone"}:
                await self._verify(tx, account.id, row)
        await accounts.activate(tx, account.id, profile={}, consents=[], language=language)
        await self.onetime.end_subject(tx, str(account.id), ["activation"])
        await attempts.void_account(tx, account.id)
        await tx.emit(
            UserActivated(
                account_id=account.id,
                flow_id=flow_id,
                application=app.application.slug,
                store_id=app.store.id,
                method="reset",
                language=language,
            )
        )

    async def _claim(self, tx: Tx, app: Resolved, account: Account) -> None:
        """An account that was opened without activation belongs to whoever reads the mailbox that it names (REG-3): the other addresses
        go, in the profile, too, where recovery may use them (D7). The rest is most often the owner's own.
        """
        row = provable(account, await accounts.identifiers(tx, account.id))
        if row is None or await self._is_proven(tx, app, row):
            return
        await self._verify(tx, account.id, row)
        await accounts.drop_unproven(tx, account.id)
        await self.linking.drop(tx, app, account)
        ways = {one.name for one in app.store.attributes if one.type in {"email", "phone"}}
        kept = {name: value for name, value in account.profile.items() if name not in ways}
        await accounts.set_profile(tx, account.id, kept)

    @staticmethod
    async def _is_proven(tx: Tx, app: Resolved, row: Held) -> bool:
        """By somebody else: then it is theirs."""
        owner = await accounts.find_owner(tx, app.store.id, row.identifier)
        return owner is not None and owner.proven

    async def _verify(self, tx: Tx, account_id: UUID, row: Held) -> None:
        one = row.identifier
        await self.sessions.end_nameless(tx, await accounts.verify_identifier(tx, account_id, one))

    @staticmethod
    async def _lock(tx: Tx, account_id: UUID, statuses: tuple[str, ...]) -> Account:
        account = await accounts.lock(tx, account_id)
        if account is None or account.status not in statuses:
            raise FlowEnded
        return account


__all__ = ["PasswordChanges"]
