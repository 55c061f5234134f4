"""Mira, signed in, and what she needs to change how she is reached."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from latchkey_contracts.http.access import SecondFactor
from latchkey_contracts.http.account import Me
from latchkey_contracts.http.contact_change import ContactChangeFlow, ContactCode, ContactRequest, PrimaryRequest
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.step_up import StepUpRequest
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit.sealing import Opener
from servicekit.web.caller import Caller

OLD, NEW = "mira@posteo.example", "mira@new.example"


@dataclass
class Contacts:
    """What one customer does. `caller`: signed in, in the browser that asks."""

    customers: Any
    opener: Opener
    caller: Caller

    @property
    def account_id(self) -> UUID:
        assert self.caller.account_id is not None
        return self.caller.account_id

    async def granted(self, action: str, payload: dict[str, Any], caller: Caller | None = None) -> Caller:
        caller = caller or self.caller
        flow = await self.customers.step_ups.start(StepUpRequest(action=action, payload=payload), caller)
        if flow.status == "needs_factor":
            self.customers.mfa.prove(flow.id, self.customers.db.clock.now())
            done = await self.customers.step_ups.read(flow.id, caller)
        else:
            done = await self.customers.step_ups.password(flow.id, self.customers.old, caller)
        return replace(caller, step_up=str(done.grant))

    async def change(self, value: str = NEW, kind: str = "email") -> ContactChangeFlow:
        caller = await self.granted("contact.change", {"kind": kind, "target": value})
        flow = await self.customers.moves.changing.change(ContactRequest(kind=kind, value=value), caller)
        await self.customers.work()
        return flow

    async def add(self, value: str, kind: str = "email") -> ContactChangeFlow:
        caller = await self.granted("contact.add", {"kind": kind, "target": value})
        flow = await self.customers.moves.changing.add(ContactRequest(kind=kind, value=value), caller)
        await self.customers.work()
        return flow

    async def make_primary(self, identifier_id: UUID) -> ContactChangeFlow:
        caller = await self.granted("contact.primary", {"identifier_id": str(identifier_id)})
        flow = await self.customers.moves.changing.make_primary(identifier_id, PrimaryRequest(primary=True).language, caller)
        await self.customers.work()
        return flow

    async def remove(self, identifier_id: UUID) -> None:
        caller = await self.granted("contact.remove", {"identifier_id": str(identifier_id)})
        await self.customers.moves.changing.remove(identifier_id, caller)

    async def read(self, flow: ContactChangeFlow) -> ContactChangeFlow:
        return await self.customers.moves.in_change.read(flow.id, self.caller)

    async def code(
        self, flow: ContactChangeFlow, code: str, source: str = "new", caller: Caller | None = None
    ) -> ContactChangeFlow:
        return await self.customers.moves.in_change.code(flow.id, ContactCode(code=code, source=source), caller or self.caller)

    async def content(self, part: str, at: int = -1) -> MessageContent:
        """Of the newest message to the new address, or to the old one."""
        told = [one for one in await self.customers.told("contact_change_requested") if one["part"] == part]
        return self.customers.opened(told[at])

    async def notices(self, event: str, at: int = -1) -> dict[str, MessageContent]:
        """By whom they went to."""
        told = (await self.customers.told(event))[at]
        found = [self.opener.open(Sealed.model_validate(one), MessageContent) for one in [*told["notices"], *told["sms_notices"]]]
        return {one.to: one for one in found}

    async def press(self, link: str | None, caller: Caller | None = None, match: str | None = None) -> Any:
        token = (link or "").rsplit("/", 1)[1]
        body = ConfirmRequest(token=token, match=match)
        return await self.customers.proofs.confirm("demo", body, caller or self.caller)

    async def moved(self, value: str = NEW, kind: str = "email") -> ContactChangeFlow:
        """By both codes, or by as many as it needs."""
        flow = await self.change(value, kind)
        if not flow.confirmed:
            flow = await self.code(flow, (await self.content("new")).code or "")
        if flow.approval is not None and not flow.approval.given:
            flow = await self.code(flow, (await self.content("old")).code or "", "old")
        assert flow.status == "complete"
        return flow

    async def names(self) -> list[tuple[str, str, bool, bool]]:
        items = (await self.customers.moves.in_change.identifiers(self.caller)).items
        return [(one.kind, one.value, one.verified, one.primary) for one in items]

    async def id_of(self, value: str) -> UUID:
        items = (await self.customers.moves.in_change.identifiers(self.caller)).items
        return next(one.id for one in items if one.value == value)

    async def me(self) -> Me:
        return await self.customers.profiles.read(self.caller)

    async def again(self) -> None:
        """In a session of now, in the same browser."""
        async with self.customers.db.read() as conn:
            email = await conn.fetchval(
                "SELECT value FROM identifier WHERE account_id = $1 AND kind = 'email' AND is_primary", self.account_id
            )
        await self.customers.sign_in(email)
        async with self.customers.db.read() as conn:
            newest = "SELECT id FROM session WHERE account_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 1"
            self.caller = replace(self.caller, session_id=await conn.fetchval(newest, self.account_id))

    async def with_factor(self) -> None:
        await self.customers.second_factors.put(self.account_id, SecondFactor(enrolled=True, version=1))


@pytest.fixture
async def sign_up(customers, keys, db):
    async def join(email: str = OLD, username: str = "mira", **more: str) -> Contacts:
        account_id = await customers.join(email=email, username=username, **more)
        await customers.sign_in(email)
        async with db.read() as conn:
            session_id = await conn.fetchval(
                "SELECT id FROM session WHERE account_id = $1 ORDER BY created_at DESC LIMIT 1", account_id
            )
        caller = replace(customers.here, account_id=account_id, session_id=session_id, application="demo")
        return Contacts(customers, Opener(keys, db.clock), caller)

    return join


@pytest.fixture
async def mira(sign_up) -> Contacts:
    return await sign_up()
