"""STP-3, STP-4, E8: another e-mail address over all services: asked for, confirmed, allowed, told, undone."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, eventually, new_email, person

from .window import NARROW, SHAPES, at, heading, narrow_enough, violations

CONFIRM, ALLOW = "Confirm this address", "Do you allow"


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return signed_in(person(product, http))


def signed_in(one: Person) -> Person:
    one.activate()
    assert one.sign_in().status_code == 200
    return one


def granted(one: Person, action: str, payload: dict[str, Any]) -> dict[str, str]:
    flow = one.http.post("/v1/me/step-ups", json={"action": action, "payload": payload}, headers=one.bearer).json()
    done = one.http.post(f"/v1/me/step-ups/{flow['id']}/password", json={"password": PASSWORD}, headers=one.bearer).json()
    one.product.secrets.add(done["grant"])
    return {**one.bearer, **one.headers, "Latchkey-Step-Up": done["grant"]}


def begin(one: Person, value: str, kind: str = "email") -> dict[str, Any]:
    headers = granted(one, "contact.change", {"kind": kind, "target": value})
    answer = one.http.post("/v1/me/contact-changes", json={"kind": kind, "value": value, "client": "api"}, headers=headers)
    assert answer.status_code == 202, answer.text
    return one.take(answer)


def enter(one: Person, flow: dict[str, Any], code: str, source: str = "new") -> httpx.Response:
    body = {"code": code, "source": source}
    return one.http.post(f"/v1/me/contact-changes/{flow['id']}/code", json=body, headers={**one.bearer, **one.headers})


def code_in(product: Product, to: str, subject: str) -> str:
    return str(CODE.findall(product.wait_mails(to, subject=subject)[-1]["text"])[0])


def links_in(product: Product, to: str, subject: str) -> list[str]:
    return [str(one) for one in LINK.findall(product.wait_mails(to, subject=subject)[-1]["text"])]


def addresses(one: Person) -> list[tuple[str, bool]]:
    items = one.http.get("/v1/me/identifiers", headers=one.bearer).json()["items"]
    return [(item["value"], item["primary"]) for item in items if item["kind"] == "email"]


def test_another_address_and_back(product: Product, mira: Person) -> None:
    """An attacker who has session and password gets no further than the old mailbox lets him; what it has let pass, it undoes."""
    thief = new_email()
    flow = begin(mira, thief)
    assert (flow["status"], flow["approval"]["given"], flow["value"]) == ("check_your_messages", False, thief)
    assert enter(mira, flow, code_in(product, thief, CONFIRM)).json()["status"] == "check_your_messages"
    assert addresses(mira) == [(mira.email, True)]
    allow, stop = links_in(product, mira.email, ALLOW)
    assert mira.post("/links/inspect", {"token": stop}).json()["purpose"] == "contact_revert"
    assert mira.post("/links/confirm", {"token": allow}).json()["status"] == "complete"
    assert addresses(mira) == [(thief, True)]
    (undo,) = links_in(product, mira.email, "reached in another way")
    product.wait_mails(thief, subject="reached in another way")
    owner = Person(product, mira.http, mira.email)  # from anywhere, with nothing but the mailbox
    assert owner.post("/links/inspect", {"token": undo}).json()["state"] == "valid"
    assert owner.post("/links/confirm", {"token": undo}).json() == {"state": "reverted", "locked": True}
    eventually(lambda: mira.http.get("/v1/session", headers=mira.bearer).status_code == 401, seconds=5)
    assert mira.sign_in(identifier=thief).status_code == 403
    assert mira.sign_in().status_code == 403, "locked until there is a new password"
    for to in (mira.email, thief):
        product.wait_mails(to, subject="was undone")
    assert owner.post("/links/confirm", {"token": stop}).json()["code"] == "link_ended"
    reset = owner.post("/password-resets", {"identifier": owner.email, "client": "api"})
    owner.take(reset)
    code = code_in(product, owner.email, "password")
    assert owner.post(f"/password-resets/{owner.flow['id']}/code", {"code": code}).status_code == 200
    fresh = "another set of quiet words here"
    product.secrets.add(fresh)
    assert owner.post(f"/password-resets/{owner.flow['id']}/password", {"password": fresh}).status_code == 200
    assert owner.sign_in(fresh).status_code == 200
    assert addresses(owner) == [(mira.email, True)]


class TestCrashes:
    @pytest.mark.parametrize("point", ["before_commit", "after_commit"])
    def test_identity_dies_with_the_last_yes(self, product: Product, mira: Person, point: str) -> None:
        """REL-1: counted and told, or nothing was; the same press again makes it so."""
        value = new_email()
        flow = begin(mira, value)
        enter(mira, flow, code_in(product, value, CONFIRM))
        code = code_in(product, mira.email, ALLOW)
        product.arm("identity", point)
        body, key = {"code": code, "source": "old"}, {"Idempotency-Key": flow["id"]}
        path, told = f"/v1/me/contact-changes/{flow['id']}/code", {**mira.bearer, **mira.headers, **key}

        def again() -> bool:
            product.watch()
            try:
                return mira.http.post(path, json=body, headers=told).status_code == 200
            except httpx.TransportError:
                return False

        eventually(again, seconds=60)
        eventually(product.all_ready, seconds=60)
        assert addresses(mira) == [(value, True)]
        product.wait_quiet()
        for to in (mira.email, value):
            found = [one for one in product.messages(to) if "reached in another way" in one["subject"]]
            assert len(found) == 1, found


@pytest.mark.browser
@SHAPES
def test_by_its_pages(product: Product, http: httpx.Client, open_window, script: bool, size: tuple, dark: bool) -> None:
    """Another e-mail address, from asking to undoing it; what waits is on the page of personal information."""
    mira, value = person(product, http).activate(), new_email()
    window = open_window(size, script=script, dark=dark)
    window.sign_in(mira.email)
    page = window.open("/demo/account/personal")
    page.get_by_role("link", name="Change", exact=True).first.click()
    at(page, "Change your e-mail address", script=script)
    page.get_by_label("New e-mail address").fill("no address")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#value-error")).to_be_visible()
    page.get_by_label("New e-mail address").fill(value)
    page.get_by_role("button", name="Continue").click()
    at(page, "Confirm it’s you", script=script)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue with password").click()
    at(page, "Confirm your new address", script=script)
    expect(page.locator("main")).to_contain_text(value)
    page.get_by_role("link", name="Personal information").first.click()
    expect(page.get_by_text("Waiting for your confirmation")).to_be_visible()
    at(page, "Personal information", script=script)
    page.get_by_role("link", name="Go on").click()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator("#code-error")).to_be_visible()
    page.get_by_label("Code").fill(code_in(product, value, CONFIRM))
    page.get_by_role("button", name="Confirm", exact=True).click()
    at(page, "Allow it at the address you have", script=script)
    allow, _ = links_in(product, mira.email, ALLOW)
    elsewhere = open_window(size, script=script, dark=dark)
    other = elsewhere.open(f"/demo/l/{allow}")
    at(other, "Which number does your other window show?", script=script)
    other.get_by_label("Two digits").fill(page.locator(".number strong").inner_text())
    other.get_by_role("button", name="Confirm").click()
    at(other, "Done. Your other window goes on by itself.", script=script)
    if not script:
        page.get_by_role("link", name="I’ve pressed it, go on").click()
    expect(page.get_by_text("Your change counts from now on")).to_be_visible()
    at(page, "Personal information", script=script)
    expect(page.locator("main")).to_contain_text(value)
    (undo,) = links_in(product, mira.email, "reached in another way")
    elsewhere.open(f"/demo/l/{undo}")
    at(other, "Undo this change?", script=script)
    other.get_by_role("button", name="Undo it").click()
    at(other, "It is undone", script=script)
    other.get_by_role("link", name="Set a new password").click()
    expect(heading(other)).to_have_text("Set a new password")
    elsewhere.open(f"/demo/l/{undo}")
    at(other, "This link has done its work", script=script)


@pytest.mark.browser
def test_username_and_a_further_address(product: Product, http: httpx.Client, open_window) -> None:
    """STP-4, in Arabic from the start: what was chosen counts at once; what was begun is cancelled."""
    mira, name = person(product, http).activate(), f"okafor{new_email()[7:13]}"
    window = open_window(NARROW)
    window.sign_in(mira.email)
    page = window.open("/demo/account/personal?ui_locales=ar")
    assert page.locator("html").get_attribute("dir") == "rtl"
    page.locator('a[href$="contacts/username?more=1"]').click()
    assert narrow_enough(page)
    assert not violations(page)
    page.locator("#value").fill(name)
    page.locator("main form button").first.click()
    page.locator("#password").fill(PASSWORD)
    page.locator("main form button.button").first.click()
    expect(page.locator("main")).to_contain_text(name)
    assert narrow_enough(page)
    page.locator('a[href$="contacts/email?more=1"]').click()
    page.locator("#value").fill(new_email())
    page.locator("main form button").first.click()
    page.locator("#password").fill(PASSWORD)
    page.locator("main form button.button").first.click()
    expect(page.locator("#code")).to_be_visible()
    assert narrow_enough(page)
    assert not violations(page)
    page.locator('button[name="cancel"]').click()
    expect(page.locator(".notice.good")).to_be_visible()
    assert mira.sign_in(identifier=name).status_code == 200
