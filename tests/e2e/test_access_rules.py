"""Rules of the access policy by the API and the pages: network, country, travel, device and time; and what an operator is told of it."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import httpx
import pytest
from latchkey_cli.cli import main
from playwright.sync_api import Browser, expect
from testkit.stack import PASSWORD, Person, Product, eventually, person

from .factors import Member
from .policies import LEIPZIG, PRAGUE, SYDNEY, policed
from .window import PHONE, WIDE, Visitor, narrow_enough, violations

__all__ = ["policed"]
SHOTS = os.environ.get("LATCHKEY_SCREENSHOTS")  # a folder, to look at them
OFFICE, CELLAR = "192.0.2.3", "192.0.2.200"


@pytest.fixture
def client(policed: Product) -> Iterator[httpx.Client]:
    eventually(policed.all_ready, seconds=30)
    with policed.client() as found:
        yield found


@pytest.fixture
def mira(policed: Product, client: httpx.Client) -> Person:
    """Of the application `ruled`; she has no factor."""
    found = person(policed, client).activate()
    found.app = "ruled"
    return found


def sign_in(one: Person, address: str, **headers: str) -> httpx.Response:
    one.http.headers["X-Forwarded-For"] = address
    one.begin_sign_in()
    answer = one.post(f"/sign-ins/{one.flow['id']}/password", {"password": one.password}, **headers)
    if answer.status_code == 200:
        one.take(answer)
    return answer


def explained(product: Product, flow_id: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What `latchkey access explain` prints."""
    monkeypatch.setenv("LATCHKEY_CLOCK_FILE", product.stack.extra["LATCHKEY_CLOCK_FILE"])
    where = ["--mfa-url", product.stack.url("mfa"), "--keys-dir", str(product.stack.data / "keys")]
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit, match=r"^0$"):
        main(["access", "explain", flow_id, "--json", *where])
    return dict(json.loads(out.getvalue()))


class TestRules:
    def test_network_skips_country_requires(self, mira: Person) -> None:
        """A factor that is enrolled, at the office and elsewhere; skip at the office, and abroad on a trusted device, too."""
        assert sign_in(mira, LEIPZIG).json()["status"] == "complete"
        Member(mira).add_app()
        assert sign_in(mira, OFFICE).json()["status"] == "complete"
        assert sign_in(mira, LEIPZIG).json()["status"] == "needs_factor"

    def test_require_asks_who_has_none_to_add_one(self, policed: Product, mira: Person, monkeypatch) -> None:
        flow = sign_in(mira, PRAGUE).json()
        assert (flow["status"], flow["actions"], flow["next"]) == ("needs_action", ["factor"], ["factors"])
        found = explained(policed, flow["id"], monkeypatch)
        assert (found["decision"], found["reasons"]) == ("allow", ["rule:abroad", "no_factor", "enrolment_required"])

    def test_improbable_travel_is_denied_until_one_can_have_flown(self, policed: Product, mira: Person, monkeypatch) -> None:
        assert sign_in(mira, LEIPZIG).json()["status"] == "complete"
        policed.move_clock(3600)
        refused = sign_in(mira, SYDNEY)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (403, "not_allowed_by_policy")
        assert problem["detail"] == "We can't let you sign in from here"
        assert "rule" not in refused.text
        assert "travel" not in refused.text
        found = explained(policed, mira.flow["id"], monkeypatch)
        assert (found["decision"], found["reasons"], found["policy"]) == ("deny", ["rule:travel"], "ruled")
        held = {one["name"]: one["lacked"] for one in found["rules"]}
        assert held == {"office": ["networks"], "abroad": [], "travel": [], "cellar": ["networks"]}
        assert SYDNEY not in json.dumps(found)
        again = mira.post(f"/sign-ins/{mira.flow['id']}/password", {"password": mira.password})
        assert again.json()["code"] == "flow_ended"
        policed.move_clock(19 * 3600)
        assert sign_in(mira, SYDNEY).json()["status"] == "needs_action"  # a factor, abroad

    def test_a_new_device_there_and_a_known_one(self, policed: Product, mira: Person) -> None:
        assert sign_in(mira, CELLAR).status_code == 403
        device = sign_in(mira, LEIPZIG).json()["device"]["token"]
        policed.secrets.add(device)
        assert sign_in(mira, CELLAR, **{"Latchkey-Device": device}).json()["status"] == "complete"

    def test_a_wrong_password_is_told_as_ever(self, mira: Person) -> None:
        mira.http.headers["X-Forwarded-For"] = CELLAR
        for name in (mira.email, "nobody@posteo.example"):
            assert mira.sign_in("not the password at all", name).json()["code"] == "credentials_wrong"

    def test_time_of_day(self, policed: Product, mira: Person) -> None:
        mira.app = "night"
        now = policed.now()
        policed.move_clock(((30 - now.hour) % 24) * 3600)  # six in the morning
        assert sign_in(mira, LEIPZIG).status_code == 403
        policed.move_clock(6 * 3600)
        assert sign_in(mira, LEIPZIG).json()["status"] == "complete"


class TestAway:
    def test_who_has_no_factor_waits_too_and_only_there(self, policed: Product, mira: Person) -> None:
        """Decision 12: right and wrong password alike."""
        policed.kill("mfa")
        found = [sign_in(mira, LEIPZIG).status_code, mira.sign_in("not the password at all").status_code]
        mira.app = "demo"
        plain = sign_in(mira, LEIPZIG).json()["status"]
        eventually(policed.all_ready, seconds=30, every=0.2)
        assert (found, plain) == ([503, 503], "complete")


class TestRequired:
    def test_added_before_the_session(self, policed: Product, mira: Person) -> None:
        """D32, MFA-9."""
        mira.app = "must"
        flow = sign_in(mira, LEIPZIG).json()
        assert (flow["status"], flow["actions"], flow.get("session")) == ("needs_action", ["factor"], None)
        assert flow["enrol"][0] == "passkey"
        member = Member(mira)
        pending = mira.post(f"/sign-ins/{flow['id']}/factors", {"kind": "totp"}).json()
        member.secret = pending["totp"]["secret"]
        policed.secrets.add(member.secret)
        path = f"/sign-ins/{flow['id']}/factors/{pending['id']}/confirm"
        assert mira.post(path, {"code": "000000"}).json()["code"] == "code_wrong"
        done = mira.post(path, {"code": member.app()})
        assert done.json()["status"] == "complete", done.text
        mira.take(done)
        policed.move_clock(31)
        policed.wait_mails(mira.email, subject="added")
        kept = member.call("DELETE", f"factors/{pending['id']}")
        assert (kept.status_code, kept.json()["code"]) == (403, "not_allowed_by_policy")
        assert sign_in(mira, LEIPZIG).json()["status"] == "needs_factor"

    def test_mfa_dies_between_the_proof_and_the_session(self, policed: Product, mira: Person) -> None:
        mira.app = "mandatory"
        flow = sign_in(mira, LEIPZIG).json()
        assert flow["enrol"] == ["totp"]
        member = Member(mira)
        pending = mira.post(f"/sign-ins/{flow['id']}/factors", {"kind": "totp"}).json()
        member.secret = pending["totp"]["secret"]
        policed.secrets.add(member.secret)
        policed.arm("mfa", "required_added")
        path = f"/sign-ins/{flow['id']}/factors/{pending['id']}/confirm"
        assert mira.post(path, {"code": member.app()}).status_code == 503
        eventually(policed.all_ready, seconds=30, every=0.2)
        found = mira.http.get(mira.url(f"/sign-ins/{flow['id']}"), headers=mira.headers).json()
        assert (found["status"], "session" in found) == ("complete", True)


@pytest.mark.browser
@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["390", "1280"])
def test_refused_by_the_pages(policed: Product, mira: Person, browser: Browser, size: tuple[int, int]) -> None:
    """In plain words, where a sign-in begins, and nothing of what was typed."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, extra_http_headers={"X-Forwarded-For": CELLAR})
    window = Visitor(policed, context)
    page = window.open("/ruled/sign-in")
    page.get_by_label("E-mail or username").fill(mira.email)
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("We can’t let you sign in from here")
    assert page.get_by_label("E-mail or username").input_value() == ""
    assert narrow_enough(page)
    assert not violations(page)
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"denied-{size[0]}.png", full_page=True)
    assert not window.problems
    context.close()
