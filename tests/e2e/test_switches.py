"""R46: what a self-service policy switches off is shown by no page, refused by the API, and whoever asks all the same is told where to get help."""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from latchkey_cli.cli import main
from latchkey_contracts.configuration import SelfServicePolicy
from testkit.stack import PASSWORD, Person, Product, new_email, person

from .tab import Tab

NEW = "a wholly new password for it"


@dataclass(frozen=True)
class Switched:
    """`page`: its address below the application; `link`: how other pages would lead there. `signed_in`: one of the account's."""

    method: str
    path: str
    body: dict[str, Any]
    page: str
    link: str
    signed_in: bool = True


SWITCHES = {
    "registration": Switched(
        "POST",
        "/v1/apps/off/registrations",
        {"identifiers": {"email": new_email()}, "password": PASSWORD, "client": "api"},
        "/sign-up",
        "/off/sign-up",
        signed_in=False,
    ),
    "username_reminder": Switched(
        "POST",
        "/v1/apps/off/username-reminders",
        {"email": new_email(), "client": "api"},
        "/help/username",
        "/off/help/username",
        signed_in=False,
    ),
    "password_reset": Switched(
        "POST",
        "/v1/apps/off/password-resets",
        {"identifier": new_email(), "client": "api"},
        "/reset",
        "/off/reset",
        signed_in=False,
    ),
    "password_change": Switched(
        "PUT",
        "/v1/me/password",
        {"current_password": PASSWORD, "password": NEW},
        "/account/security/password",
        "/off/account/security/password",
    ),
    "personal_information": Switched("PATCH", "/v1/me", {"profile": {}}, "/account/personal", "/off/account/personal"),
    "notification_preferences": Switched(
        "PATCH", "/v1/me/notification-preferences", {"items": []}, "/account/notifications", "/off/account/notifications"
    ),
}
# What there is nothing of yet, so nothing to switch off.
NOT_YET = {"consents", "data_copy", "account_deletion", "invitation"}


@pytest.fixture(scope="module")
def mira(product: Product) -> Any:
    with product.client() as http:
        found = person(product, http).activate()
        found.app = "off"
        found.sign_in()
        yield found


@pytest.fixture
def tab(product: Product, mira: Person) -> Tab:
    """Signed in."""
    found = Tab(product)
    found.open("/off/sign-in")
    found.set("latchkey_session", mira.session_token)
    return found


@pytest.mark.parametrize("name", SWITCHES)
def test_refused_by_the_api(mira: Person, http: httpx.Client, name: str) -> None:
    one = SWITCHES[name]
    headers = {**mira.bearer, "If-Match": "*"} if one.signed_in else {}
    answer = http.request(one.method, one.path, json=one.body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "feature_disabled"), answer.text


@pytest.mark.parametrize("name", SWITCHES)
def test_its_page_says_where_there_is_help(tab: Tab, name: str) -> None:
    one = SWITCHES[name]
    if not one.signed_in:
        tab.drop("latchkey_session")
    page = tab.open(f"/off{one.page}")
    assert page.status == (200 if name == "registration" else 403), page.title
    assert "form" not in page.main or f'action="/off{one.page}"' not in page.main
    assert "/off/help/people" in page.main


@pytest.mark.parametrize("where", ["/account", "/account/security", "/sign-in", "/help"])
def test_no_page_leads_there(tab: Tab, where: str) -> None:
    if not where.startswith("/account"):
        tab.drop("latchkey_session")
    page = tab.open(f"/off{where}")
    assert page.status == 200
    assert not [one.link for one in SWITCHES.values() if f'"{one.link}"' in page.html]


def test_short_addresses(product: Product, tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    """R31, E31: as somebody hears it; one that was given up says so; each is counted, and spelt out for helpers."""
    for said in ("demo", "DEMO", "shopper-club", "ShopperClub"):
        assert tab.open(f"/go/{said}").url.endswith("/account") or "/sign-in" in tab.open(f"/go/{said}").url
    page = tab.open("/go/former-club")
    assert (page.status, page.title) == (403, "This isn’t offered here")
    assert tab.open("/go/nobody").status == 404
    metrics = [
        httpx.get(f"http://127.0.0.1:{product.stack.ports[f'gateway.{replica}.management']}/metrics").text for replica in (0, 1)
    ]
    assert any('latchkey_friendly_urls_followed_total{enabled="false",url="former-club"}' in one for one in metrics)
    out = io.StringIO()
    monkeypatch.setenv("LATCHKEY_CLOCK_FILE", product.stack.extra["LATCHKEY_CLOCK_FILE"])
    where = ["--identity-url", product.stack.url("identity"), "--keys-dir", str(product.stack.data / "keys")]
    with redirect_stdout(out), pytest.raises(SystemExit, match=r"^0$"):
        main(["friendly-urls", *where])
    assert "/go/demo                     demo                 Delta, Echo, Mike, Oscar" in out.getvalue().splitlines()


def test_every_switch_is_here() -> None:
    """Of the policy as the contract has it."""
    there = {
        name
        for name, field in SelfServicePolicy.model_fields.items()
        if "enabled" in getattr(field.annotation, "model_fields", {})
    }
    assert there - {"total_loss_recovery"} == set(SWITCHES) | NOT_YET, "off by itself: total-loss recovery has tests of its own"
