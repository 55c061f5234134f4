"""D27, E9: which messages a customer gets."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from latchkey_contracts.configuration.self_service import Switch
from latchkey_contracts.http.preferences import PreferenceChange
from notifier.preferences.service import NotificationPreferences
from servicekit.errors import FeatureDisabled, SessionRequired, ValidationFailed
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from ..conftest import Notifier


@pytest.fixture
def mira() -> Caller:
    return Caller("gateway", account_id=uuid4(), session_id=uuid4(), application="demo")


@pytest.fixture
def preferences(notifier: Notifier) -> NotificationPreferences:
    return NotificationPreferences(notifier.db, notifier.configuration, Idempotency(notifier.keys))


def choose(*items: tuple[str, str, bool]) -> PreferenceChange:
    return PreferenceChange.model_validate(
        {"items": [dict(zip(("kind", "channel", "wanted"), one, strict=True)) for one in items]}
    )


async def shown(preferences: NotificationPreferences, caller: Caller) -> dict[tuple[str, str], tuple[bool, bool]]:
    return {(one.kind, one.channel): (one.wanted, one.fixed) for one in (await preferences.read(caller)).items}


async def test_everything_is_sent_until_somebody_says_no(preferences, mira):
    assert await shown(preferences, mira) == {
        ("security", "email"): (True, True),
        ("security", "sms"): (True, True),
        ("requested", "email"): (True, True),
        ("requested", "sms"): (True, True),
        ("requested", "voice"): (True, True),
        ("account", "email"): (True, False),
    }


async def test_off_and_on_again(preferences, mira):
    for wanted in (False, False, True):
        answer = await preferences.change(choose(("account", "email", wanted)), mira)
        assert (await shown(preferences, mira))[("account", "email")] == (wanted, False)
        assert answer == await preferences.read(mira)
    assert await preferences.change(choose(), mira) == answer, "what isn't named stays"


async def test_of_nobody_else(preferences, mira):
    """API-1."""
    await preferences.change(choose(("account", "email", False)), mira)
    kim = Caller("gateway", account_id=uuid4(), session_id=uuid4(), application="demo")
    assert (await shown(preferences, kim))[("account", "email")] == (True, False)


@pytest.mark.parametrize(
    ("items", "field", "code"),
    [
        ([("security", "email", False)], "/items/0/kind", "not_editable"),
        ([("requested", "voice", True)], "/items/0/kind", "not_editable"),
        ([("account", "voice", True)], "/items/0/channel", "not_an_option"),
        ([("account", "email", True), ("account", "email", False)], "/items/1", "not_an_option"),
    ],
)
async def test_what_cannot_be_chosen(preferences, mira, items: Any, field: str, code: str):
    """Security notices can't be switched off, and nothing is stored half."""
    with pytest.raises(ValidationFailed) as refused:
        await preferences.change(
            choose(("account", "email", False) if len(items) == 1 else items[0], *items[len(items) > 1 :]), mira
        )
    place = "/items/1" + field[len("/items/0") :] if len(items) == 1 else field
    assert [(one.field, one.code) for one in refused.value.errors] == [(place, code)]
    assert (await shown(preferences, mira))[("account", "email")] == (True, False)


async def test_switched_off_for_the_application(preferences, mira, notifier, monkeypatch):
    """R46."""
    app = notifier.configuration.application("demo")
    off = app.policy.model_copy(update={"notification_preferences": Switch(enabled=False)})
    monkeypatch.setattr(notifier.configuration, "application", lambda _slug: replace(app, policy=off))
    for refused in (preferences.read(mira), preferences.change(choose(), mira)):
        with pytest.raises(FeatureDisabled):
            await refused


async def test_of_an_application_that_is_gone(preferences, mira):
    with pytest.raises(SessionRequired):
        await preferences.read(Caller("gateway", account_id=mira.account_id, session_id=mira.session_id, application="gone"))
