"""REG-3: an application without activation beside one with it, on one store. Nobody who only typed an address keeps its owner out."""

from typing import Any
from uuid import UUID

import pytest
from identity.password_change.service import PasswordChanges
from identity.reach.service import Contacts
from latchkey_contracts.http.contacts import ContactRequest
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.registration import Identifiers, RegistrationFlow, RegistrationRequest
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from servicekit.errors import CredentialsWrong, UsernameTaken
from servicekit.ids import random_id
from servicekit.web.caller import Caller

EMAIL = "mira@posteo.example"
BRAND = {"name": "Elmstead", "brand": "#0b3d45"}
SHARED: dict[str, Any] = {
    "identity_stores": [
        {
            "name": "Mail",
            "identifiers": {"email": {"use": "required"}, "phone": {"use": "optional"}, "username": {"use": "optional"}},
            "attributes": [
                {"name": "mobile", "type": "phone", "label": {"en": "Mobile"}, "at_registration": "shown"},
                {"name": "given_name", "type": "text", "label": {"en": "Name"}, "at_registration": "shown"},
            ],
        }
    ],
    "self_service_policies": [{"name": "Open", "registration": {"activation": False}}],
    "applications": [
        {"slug": "asks", "store": "Mail", "brand": BRAND},
        {"slug": "open", "store": "Mail", "self_service_policy": "Open", "brand": BRAND},
    ],
}


class Shared:
    """`asks` wants activation, `open` doesn't; a stranger and the owner of the mailbox."""

    def __init__(self, customers: Any) -> None:
        self.customers = customers
        self.stranger, self.owner = customers.elsewhere, customers.here

    async def begin(self, app: str, caller: Caller, password: str, **more: Any) -> RegistrationFlow:
        profile = more.pop("profile", {})
        body = RegistrationRequest(identifiers=Identifiers(email=EMAIL, **more), password=password, profile=profile)
        flow: RegistrationFlow = await self.customers.registrations.start(app, body, caller)
        await self.customers.work()
        return flow

    async def prove(self, flow: RegistrationFlow, caller: Caller) -> str:
        token = await self.customers.token(flow)
        return str((await self.customers.activations.confirm("asks", ConfirmRequest(token=token), caller)).status)

    async def sign_in(self, password: str, typed: str = EMAIL, app: str = "asks") -> str:
        flow = await self.customers.sign_ins.start(app, SignInRequest(identifier=typed), self.owner)
        body = PasswordRequest(password=password)
        return str((await self.customers.sign_ins.password(app, flow.id, body, self.owner)).status)

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        async with self.customers.db.read() as conn:
            return [tuple(row.values()) for row in await conn.fetch(sql, *args)]


@pytest.fixture
async def shared(customers) -> Shared:
    await customers.configuration.apply(SHARED)
    return Shared(customers)


async def test_apply_names_the_price(customers):
    told = await customers.configuration.apply(SHARED)
    (warning,) = [one for one in told["warnings"] if "activation is off" in one["reason"]]
    assert warning["path"] == "/applications/1/self_service_policy"
    assert "asks of the same store Mail" in warning["reason"]


async def test_the_owner_registers_and_the_strangers_account_ends(shared):
    customers = shared.customers
    opened = await shared.begin("open", shared.stranger, customers.old)
    assert opened.status == "complete"
    flow = await shared.begin("asks", shared.owner, customers.new)
    assert len(await customers.told("registration_repeated")) == 0, "nobody is told that there is an account"
    assert await shared.sign_in(customers.old, app="open") == "complete", "until it is proven, it is as it was"
    assert await shared.prove(flow, shared.owner) == "activated"
    assert await shared.sign_in(customers.new) == "complete"
    with pytest.raises(CredentialsWrong):
        await shared.sign_in(customers.old)
    assert await shared.rows("SELECT status FROM account ORDER BY created_at, status DESC") == [("disabled",), ("active",)]
    dead = (
        "SELECT count(*) FROM session s JOIN account a ON a.id = s.account_id WHERE a.status = 'disabled' AND revoked_at IS NULL"
    )
    assert await shared.rows(dead) == [(0,)]
    assert len(await customers.told("account_disabled")) == 1


async def test_who_has_another_name_keeps_that_alone(shared):
    """A mistyped address costs the address."""
    customers = shared.customers
    await shared.begin("open", shared.stranger, customers.old, username="stranger")
    await shared.prove(await shared.begin("asks", shared.owner, customers.new), shared.owner)
    assert await shared.sign_in(customers.old, "stranger") == "complete"
    assert await shared.sign_in(customers.new) == "complete"
    assert await customers.told("account_disabled") == []


async def test_a_pending_account_keeps_nobody_out_either(shared):
    """The owner comes in where no proof is asked, whoever began to register her address elsewhere; proof still wins."""
    customers = shared.customers
    pending = await shared.begin("asks", shared.stranger, customers.old)
    assert (await shared.begin("open", shared.owner, customers.new)).status == "complete"
    assert await shared.sign_in(customers.new, app="open") == "complete"
    with pytest.raises(UsernameTaken):
        await shared.begin("open", shared.stranger, customers.old)
    assert await shared.prove(pending, shared.stranger) == "activated", "whoever reads the mailbox has pressed"
    assert await shared.sign_in(customers.old) == "complete"


async def reset(shared: Shared, contacts: Contacts, channel: Any = None) -> Any:
    asked = ContactRequest(application="open", purpose="password_reset", identifier=EMAIL, channel=channel)
    return await contacts.find(asked, Caller(service="recovery"))


async def test_a_reset_reaches_the_mailbox_and_whoever_reads_it_has_the_account(shared, keys, clock):
    """REC-9: where nobody has proven anything, the mailbox does; what else was typed with it goes."""
    customers = shared.customers
    changes: PasswordChanges = customers.changes
    mobile = "+49 341 5550199"
    typed = {"phone": "+49 341 5550141", "username": "stranger"}
    await shared.begin("open", shared.stranger, customers.old, profile={"mobile": mobile, "given_name": "Mira"}, **typed)
    contacts = customers.contacts(keys)
    assert (await reset(shared, contacts, "sms")).account_id is None, "one address alone proves it"
    clock.move(21)
    found = await reset(shared, contacts)
    assert (found.channel, found.to) == ("email", "m•••@p•••")
    assert await changes.reset(UUID(str(found.account_id)), "open", random_id(), customers.new, shared.owner)
    kept = await shared.rows("SELECT kind, verified_at IS NOT NULL FROM identifier ORDER BY kind")
    assert kept == [("email", True), ("username", False)]
    assert await shared.rows("SELECT profile FROM account") == [({"given_name": "Mira"},)]
    assert await shared.sign_in(customers.new, app="open") == "complete"
    with pytest.raises(CredentialsWrong):
        await shared.sign_in(customers.old, "stranger", app="open")


async def test_a_reset_goes_to_who_is_about_to_prove_it(shared, keys):
    """D5: not to the account that only claims it."""
    customers = shared.customers
    await shared.begin("open", shared.stranger, customers.old)
    await shared.begin("asks", shared.owner, customers.new)
    pending = await shared.rows("SELECT id FROM account WHERE status = 'pending'")
    assert [((await reset(shared, customers.contacts(keys))).account_id,)] == pending
