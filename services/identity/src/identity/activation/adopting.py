"""What of an attempt becomes the account's, once its link or code was used (R5-R8, D5, D32, REG-3)."""

from datetime import datetime, timedelta

from latchkey_contracts.identity import UserActivated
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit.db import Tx
from servicekit.errors import LinkUsed
from servicekit.logging import security_event

from identity.accounts import store as accounts
from identity.accounts.rules import given_name
from identity.credentials import store as credentials
from identity.registration import store
from identity.registration.store import Registration
from identity.registration.tools import Tools

WELCOME_LIFETIME = timedelta(days=1)


class Adopting:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def adopt(self, tx: Tx, attempt: Registration, method: str) -> None:
        """Its password, profile, consents and identifiers; everything else about the pending account ends. Raises LinkUsed."""
        account = await accounts.lock(tx, attempt.account_id) if attempt.account_id is not None else None
        if account is None or account.status != "pending" or (attempt.password_hash is None and attempt.newcomer is None):
            raise LinkUsed
        account_id = account.id
        await accounts.activate(tx, account_id, profile=attempt.profile, consents=attempt.consents, language=attempt.language)
        if attempt.password_hash is not None:
            await credentials.put(tx, account_id, attempt.password_hash)
        await self._identifiers(tx, attempt)
        others = await store.void_others(tx, attempt)
        await self._t.onetime.end_subject(tx, str(account_id))
        await self._t.onetime.end_flows(tx, others)
        expires_at = tx.now + WELCOME_LIFETIME
        await tx.emit(
            UserActivated(
                account_id=account_id,
                flow_id=attempt.id,
                application=attempt.application,
                store_id=attempt.store_id,
                method=method,
                language=attempt.language,
                welcome=self._welcome(attempt, expires_at),
            )
        )
        if attempt.newcomer is not None:
            app = self._t.configuration.application(attempt.application)
            await self._t.linking.link(tx, app, account_id, attempt.newcomer, None)
        security_event("user_updated", "success", account_id=str(account_id), change="activated", method=method)

    async def _identifiers(self, tx: Tx, attempt: Registration) -> None:
        """The recipient is proven. A username that is taken or missing is asked for at the first sign-in (D32); a number that is taken
        is left out. A number that only an unfinished attempt holds, as her own before she went on by e-mail, is free (REG-8): who proves
        it then still gets it.
        """
        assert attempt.account_id is not None  # noqa: S101 - it was locked
        named = False
        for identifier in attempt.identifiers:
            if identifier.canonical == attempt.recipient.canonical and identifier.kind == attempt.recipient.kind:
                await self._t.sessions.end_nameless(tx, await accounts.verify_identifier(tx, attempt.account_id, identifier))
                continue
            if identifier.kind == "phone":
                await accounts.yield_claims(tx, attempt.store_id, identifier)
            if await accounts.add_identifier(tx, attempt.account_id, attempt.store_id, identifier, verified_at=None):
                named = named or identifier.kind == "username"
            elif identifier.kind == "username":
                await accounts.require(tx, attempt.account_id, "username")
        username = self._t.configuration.application(attempt.application).store.used().get("username")
        if not named and username is not None and username.use == "required":
            await accounts.require(tx, attempt.account_id, "username")

    def _welcome(self, attempt: Registration, expires_at: datetime) -> Sealed | None:
        """By mail only: a text message costs money, and this one says nothing new."""
        if attempt.recipient.kind != "email":
            return None
        welcome = MessageContent(
            channel="email",
            to=attempt.recipient.value,
            given_name=given_name(attempt.profile),
            link=f"{self._t.db.origin}/{attempt.application}/sign-in",
        )
        return self._t.sealer.seal(welcome, expires_at=expires_at)
