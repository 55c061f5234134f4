"""Registration without activation: the account is there at once, with a session unless the access policy decides at each sign-in (R8, D4)."""

from uuid import UUID

from latchkey_contracts.http.registration import RegistrationFlow, RegistrationRequest
from latchkey_contracts.identity import UserActivated, UserRegistered
from servicekit.db import Tx
from servicekit.errors import FieldError, UsernameTaken
from servicekit.ids import random_id
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier
from identity.accounts.values import clean_profile
from identity.credentials import store as credentials
from identity.sessions.service import PASSWORD

from .tools import Tools


class AtOnce:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def start(
        self, app: Resolved, body: RegistrationRequest, identifiers: list[Identifier], password_hash: str, caller: Caller
    ) -> RegistrationFlow:
        """Activation is off, or the store has nothing to prove (R8, D4): the account is there at once, with a session. Where rules, a required
        factor or another workflow decide at each sign-in, they decide at this one: it follows, and nobody comes in past it (MFA-7).

        The one place where an identifier in use is told, since nobody's mailbox could tell it (REG-1's stated exception).
        """
        language = app.language_for(body.language, caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            account_id = await self._active_account(tx, app, body, identifiers, password_hash, language)
            flow_id = random_id()
            slug = app.application.slug
            kinds = [identifier.kind for identifier in identifiers]
            await tx.emit(UserRegistered(account_id=account_id, store_id=app.store.id, application=slug, identifier_kinds=kinds))
            await tx.emit(
                UserActivated(
                    account_id=account_id,
                    flow_id=flow_id,
                    application=slug,
                    store_id=app.store.id,
                    method="none",
                    language=language,
                )
            )
            answer = RegistrationFlow(id=flow_id, status="activated", expires_at=tx.now, next=[])
            if not app.access.asks_always:
                started = await self._t.sessions.start(tx, account_id=account_id, app=app, caller=caller, methods=[PASSWORD])
                session = {"status": "complete", "expires_at": started.expires_at, "session": started.for_client()}
                answer = answer.model_copy(update=session)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    @staticmethod
    async def _active_account(
        tx: Tx, app: Resolved, body: RegistrationRequest, identifiers: list[Identifier], password_hash: str, language: str
    ) -> UUID:
        """Its id. Raises UsernameTaken for any identifier that another account has."""
        account_id = await accounts.insert(tx, app.store.id, language)
        for identifier in identifiers:
            await accounts.yield_claims(tx, app.store.id, identifier)
            if not await accounts.add_identifier(tx, account_id, app.store.id, identifier, verified_at=None):
                raise UsernameTaken(
                    errors=[FieldError(f"/identifiers/{identifier.kind}", "username_taken", "Choose another one").as_dict()]
                )
        await credentials.put(tx, account_id, password_hash)
        profile = clean_profile(body.profile, app.store)
        consents = [decision.model_dump() for decision in body.consents]
        await accounts.activate(tx, account_id, profile=profile, consents=consents, language=language)
        return account_id
