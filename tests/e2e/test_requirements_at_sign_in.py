"""D32: what is newly required is asked for at the next sign-in, before the session: attributes, a username, a factor; by API and page."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from playwright.sync_api import expect
from servicekit.web.apply import apply_file
from testkit.stack import PASSWORD, Person, Product, eventually, person

from .factors import Member
from .window import NARROW, PHONE, at, heading, narrow_enough, shoot, violations

HOME = {"country_code": "DE", "street_address": "Karl-Heine-Str. 12", "postal_code": "04229", "city": "Leipzig"}
NAME = {"name": "given_name", "label": {"en": "First name"}, "at_registration": "shown"}
ABOUT = {"name": "about", "label": {"en": "About you"}}
BIRTHDAY = {"name": "birthday", "type": "date", "label": {"en": "Birthday", "ar": "تاريخ الميلاد"}, "required": True}
ADDRESS = {"name": "home", "type": "address", "label": {"en": "Postal address", "ar": "العنوان البريدي"}, "required": True}


class Store:
    """Of this test alone, with two applications; the second one requires a factor as well."""

    def __init__(self, product: Product, http: httpx.Client, folder: Path) -> None:
        self.product, self.http, self.path = product, http, folder / "store.yaml"
        self.name = f"asks-{uuid4().hex[:8]}".translate(str.maketrans("0123456789", "ghijklmnop"))
        self.applied = 0

    def apply(self, *attributes: dict[str, Any], username: str = "hidden") -> list[tuple[str, str]]:
        """The warnings; once every process has it."""
        self.applied += 1
        shown = {**NAME, "label": {"en": f"First name {self.applied}"}}
        brand = {"name": "Elmstead", "brand": "#0b3d45"}
        application = {"languages": ["en", "ar"], "brand": brand, "store": self.name, "timezone": "Europe/Berlin"}
        document = {
            "identity_stores": [
                {
                    "name": self.name,
                    "identifiers": {"email": {"use": "required"}, "username": {"use": username}},
                    "attributes": [shown, *attributes],
                }
            ],
            "applications": [
                {"slug": self.name, **application},
                {"slug": f"{self.name}-more", "access_policy": "Required", **application},
            ],
        }
        self.path.write_text(yaml.safe_dump(document, allow_unicode=True))
        with ThreadPoolExecutor(1) as pool:  # Playwright may hold a loop in this thread
            where = {"identity_url": self.product.stack.url("identity"), "keys_dir": self.product.stack.data / "keys"}
            report = pool.submit(apply_file, self.path, **where).result()
        assert not report.errors
        eventually(lambda: all(self._has_it() for _ in range(10)))
        return list(report.warnings)

    def _has_it(self) -> bool:
        """One of several replicas."""
        found = self.http.get(f"/v1/apps/{self.name}").json()
        label = f"First name {self.applied}"
        if [one["label"] for one in found.get("attributes", ())] != [label]:
            return False
        # Pages go by the gateway's own copy, which comes by Kafka (D31).
        copied = self.product.rows(
            "gateway", "SELECT content FROM configuration_copy WHERE kind = 'store' AND name = %s", self.name
        )
        with self.product.client() as visitor:  # its cookies are nobody's
            return label in str(copied) and visitor.get(f"/{self.name}/sign-in").status_code == 200

    def join(self, **profile: Any) -> Person:
        found = person(self.product, self.http)
        found.app = self.name
        assert found.register(profile=profile).status_code == 202
        assert found.confirm().status_code == 200
        return found


@pytest.fixture
def store(product: Product, http: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    # Other tests may have moved the time, and an operator's token is good for half a minute.
    monkeypatch.setenv("LATCHKEY_CLOCK_FILE", product.stack.extra["LATCHKEY_CLOCK_FILE"])
    return Store(product, http, tmp_path)


def act(one: Person, **what: Any) -> httpx.Response:
    answer = one.post(f"/sign-ins/{one.flow['id']}/action", what)
    if answer.status_code == 200:
        one.take(answer)
    return answer


def profile(one: Person) -> dict[str, Any]:
    found: dict[str, Any] = one.http.get("/v1/me", headers=one.bearer).json()["profile"]
    return found


class TestByApi:
    def test_one_after_the_other(self, store: Store) -> None:
        """A username, attributes, then a factor; no session before the last of them."""
        store.apply()
        mira = store.join()
        assert mira.sign_in().json()["status"] == "complete"
        store.apply(BIRTHDAY, ADDRESS, username="required")
        assert profile(mira) == {}  # a session that there is goes on
        mira.app = f"{store.name}-more"
        flow = mira.sign_in().json()
        assert (flow["status"], flow["actions"], flow["next"]) == (
            "needs_action",
            ["username", "profile", "factor"],
            ["action", "factors"],
        )
        assert [(one["name"], one["type"], one["required"]) for one in flow["attributes"]] == [
            ("birthday", "date", True),
            ("home", "address", True),
        ]
        assert act(mira, username=f"mira{uuid4().hex[:8]}").json()["actions"] == ["profile", "factor"]
        refused = act(mira, profile={"home": {**HOME, "postal_code": "1"}})
        assert [(one["field"], one["code"]) for one in refused.json()["errors"]] == [
            ("/profile/birthday", "required"),
            ("/profile/home/postal_code", "postal_code_not_valid"),
        ]
        assert act(mira, profile={"birthday": "1984-02-29", "home": HOME}).json()["actions"] == ["factor"]
        member = Member(mira)
        pending = mira.post(f"/sign-ins/{flow['id']}/factors", {"kind": "totp"}).json()
        member.secret = pending["totp"]["secret"]
        store.product.secrets.add(member.secret)
        done = mira.post(f"/sign-ins/{flow['id']}/factors/{pending['id']}/confirm", {"code": member.app()})
        assert done.json()["status"] == "complete", done.text
        mira.take(done)
        assert profile(mira) == {"birthday": "1984-02-29", "home": HOME}

    def test_of_another_type(self, store: Store) -> None:
        """E20: what fits the type of now stays of use, what doesn't is asked for anew; nothing breaks, and nothing is lost."""
        store.apply({**ABOUT, "type": "text"})
        fits, other = store.join(), store.join()
        for one, value in ((fits, "1984-02-29"), (other, "Likes bees")):
            assert one.sign_in().status_code == 200
            headers = {**one.bearer, "If-Match": "*"}
            assert one.http.patch("/v1/me", json={"profile": {"about": value}}, headers=headers).status_code == 200
        store.apply({**ABOUT, "type": "date", "required": True})
        assert (profile(fits), profile(other)) == ({"about": "1984-02-29"}, {})
        assert fits.sign_in().json()["status"] == "complete"
        assert other.sign_in().json()["actions"] == ["profile"]
        store.apply({**ABOUT, "type": "text", "required": True})
        assert other.sign_in().json()["status"] == "complete"
        assert profile(other) == {"about": "Likes bees"}

    def test_what_nobody_can_give(self, store: Store) -> None:
        """Asked of nobody; `apply` warns."""
        store.apply()
        mira = store.join()
        warnings = store.apply({**BIRTHDAY, "in_portal": "shown"})
        assert [place.split(".", 1)[1] for place, why in warnings if "nobody is asked" in why] == [
            "attributes[birthday].required"
        ]
        assert mira.sign_in().json()["status"] == "complete"


@pytest.mark.browser
class TestByPage:
    @pytest.mark.parametrize(
        ("script", "size", "dark"), [(False, PHONE, False), (True, NARROW, True)], ids=["no script", "320 px, dark"]
    )
    def test_several_at_once(self, store: Store, open_window, script: bool, size: tuple, dark: bool) -> None:
        """With a username before; nothing that was typed is lost, and the customer arrives where they wanted to go."""
        store.apply()
        mira = store.join()
        store.apply(BIRTHDAY, ADDRESS, username="required")
        window = open_window(size, script=script, dark=dark)
        page = window.open(f"/{store.name}/account/personal")
        page.get_by_label("E-mail").fill(mira.email)
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(heading(page)).to_have_text("Choose a username")
        page.get_by_label("Username").fill(f"mira{uuid4().hex[:8]}")
        page.get_by_role("button", name="Continue").click()
        at(page, "One more step and you’re in", script=script)
        shoot(page, "required")
        page.get_by_label("Birthday").fill("1984-02-29")
        page.get_by_label("Country or region").select_option("US")
        page.get_by_role("button", name="Show the fields").click()
        expect(page.get_by_label("State")).to_be_visible()
        assert page.get_by_label("Birthday").input_value() == "1984-02-29"
        page.get_by_label("Country or region").select_option("DE")
        page.get_by_label("Street and number").fill("Karl-Heine-Str. 12")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#home-postal_code-error")).to_have_text("Please fill this in.")
        at(page, "One more step and you’re in", script=script)
        shoot(page, "required-errors")
        page.reload()
        assert page.get_by_label("Street and number").input_value() == "Karl-Heine-Str. 12"
        page.get_by_label("Postcode").fill("04229")
        page.get_by_label("Town or city").fill("Leipzig")
        page.get_by_label("Town or city").press("Enter")
        expect(heading(page)).to_have_text("Personal information")
        expect(page.locator("main")).to_contain_text("04229 Leipzig")
        page.go_back()
        page.reload()
        expect(heading(page)).not_to_have_text("One more step and you’re in")
        assert mira.sign_in().json()["status"] == "complete"

    def test_right_to_left(self, store: Store, open_window) -> None:
        store.apply()
        mira = store.join()
        store.apply(BIRTHDAY, ADDRESS)
        window = open_window(NARROW)
        page = window.open(f"/{store.name}/sign-in")
        page.get_by_label("E-mail").fill(mira.email)
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(heading(page)).to_have_text("One more step and you’re in")
        page.goto(f"{page.url}{'&' if '?' in page.url else '?'}ui_locales=ar")
        expect(page.get_by_label("تاريخ الميلاد")).to_be_visible()
        assert narrow_enough(page)
        assert not violations(page)
        shoot(page, "required-arabic")
