"""What mfa says that a sign-in or step-up still needs, and what it tells of an account's factors (docs/flows/mfa.md)."""

from dataclasses import replace
from typing import Literal, Protocol
from uuid import UUID

from latchkey_contracts.http.access import (
    Abilities,
    AccessQuestion,
    AccessState,
    AccountName,
    ProvenTarget,
    SecondFactor,
    StepUpMethods,
)
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.web.caller import Caller
from servicekit.web.client import InternalClient

from identity.accounts import store as accounts

from . import store

# Whoever signs in waits for it.
SECONDS = 1.0
DECISIONS, ABILITIES, METHODS = "/internal/access-decisions", "/internal/access-abilities", "/internal/step-up-methods"
# By what its owner most likely knows an account.
CALLED = ("email", "username", "phone")


class Access(Protocol):
    async def decide(self, question: AccessQuestion, caller: Caller) -> AccessState:
        """Asked again for the same flow, the same. Raises Overloaded where mfa can't be asked."""

    async def state(self, flow_id: UUID, caller: Caller) -> AccessState:
        """How far the challenge of this flow is. Raises NotFound for any browser but the asker's, and Overloaded."""

    async def step_up_methods(self, caller: Caller) -> StepUpMethods:
        """By what the caller can do a step-up. Raises Overloaded."""

    async def check_reachable(self) -> None:
        """Raises Overloaded where no decision could be had, so that a wrong password looks then like a right one."""


class MfaAccess:
    def __init__(self, mfa: InternalClient) -> None:
        self._mfa = mfa

    async def decide(self, question: AccessQuestion, caller: Caller) -> AccessState:
        body = question.model_dump(mode="json")
        return AccessState.model_validate(
            await self._mfa.request("POST", DECISIONS, caller=_asker(caller), json=body, deadline=SECONDS)
        )

    async def state(self, flow_id: UUID, caller: Caller) -> AccessState:
        found = await self._mfa.request("GET", f"{DECISIONS}/{flow_id}", caller=_asker(caller), deadline=SECONDS)
        return AccessState.model_validate(found)

    async def step_up_methods(self, caller: Caller) -> StepUpMethods:
        return StepUpMethods.model_validate(await self._mfa.request("GET", METHODS, caller=_asker(caller), deadline=SECONDS))

    async def check_reachable(self) -> None:
        await self._mfa.request("GET", DECISIONS, caller=Caller("identity"), deadline=SECONDS)

    async def abilities(self) -> Abilities:
        """Which rules it can decide. Raises Overloaded."""
        return Abilities.model_validate(await self._mfa.request("GET", ABILITIES, caller=Caller("identity"), deadline=SECONDS))


def _asker(caller: Caller) -> Caller:
    """Who the customer is, without what is between the gateway and this service."""
    return replace(caller, service="identity", idempotency_key=None, fingerprint=None, step_up=None)


class SecondFactors:
    """The account's marker: it alone decides whether mfa is asked, so it is set before a factor counts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, account_id: UUID, body: SecondFactor) -> None:
        """An older version changes nothing. Raises NotFound."""
        async with self._db.transaction() as tx:
            if not await store.put(tx, account_id, enrolled=body.enrolled, version=body.version):
                raise NotFound

    async def name(self, account_id: UUID) -> AccountName:
        """What its owner's browser lists a passkey under. Raises NotFound."""
        async with self._db.read() as conn:
            held = await accounts.identifiers(conn, account_id)
        if not held:
            raise NotFound
        best = min(held, key=lambda one: (one.verified_at is None and one.kind != "username", CALLED.index(one.kind)))
        return AccountName(name=best.value)

    async def proven(self, account_id: UUID, kind: Literal["email", "phone"]) -> ProvenTarget:
        """The oldest of this kind that the account has proven. Raises NotFound."""
        async with self._db.read() as conn:
            held = [
                one for one in await accounts.identifiers(conn, account_id) if one.kind == kind and one.verified_at is not None
            ]
        if not held:
            raise NotFound
        return ProvenTarget(value=held[0].value)
