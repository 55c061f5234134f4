"""Where the password is enough for a while, because its owner said so: by the API and by the pages, and what ends it (E5, MFA-7, STP-1)."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from testkit.stack import Person, Product, eventually

from .factors import Member
from .test_password_change import NEW, change
from .test_password_reset import forgetful
from .test_second_step_pages import Owner
from .test_secured import freeze
from .window import heading


@pytest.fixture
def member(mira: Person) -> Member:
    """With an app."""
    mira.activate()
    mira.sign_in()
    found = Member(mira)
    found.add_app()
    return found


def test_the_password_is_enough_there_until_it_is_forgotten(product: Product, member: Member) -> None:
    """The device's token and the password, for as long as the policy says; a step-up asks all the same."""
    device = member.trust_here()
    product.wait_mails(member.one.email, subject="only your password")
    assert member.sign_in_at(device) == "complete"
    asked = member.call("POST", "step-ups", {"action": "factor.add", "payload": {"kind": "totp"}}, **device).json()
    assert asked["status"] == "needs_factor"
    assert member.sign_in_at({}) == "needs_factor"
    listed = member.call("GET", "trusted-devices", **device).json()["items"]
    assert [one["current"] for one in listed] == [True]
    assert member.call("DELETE", f"trusted-devices/{listed[0]['id']}").status_code == 204
    assert member.sign_in_at(device) == "needs_factor"


def reset(member: Member) -> None:
    """E5, E6: the new password is not enough either."""
    asked = forgetful(member.one)
    asked.ask()
    assert asked.confirm().status_code == 200
    assert asked.choose().status_code == 200
    member.one.password = NEW


def changed(member: Member) -> None:
    """By the factor: the current password alone is too little (STP-1)."""
    assert change(member.one).json()["code"] == "step_up_required"
    grant = member.grant("password.change", {}, member.app())
    assert change(member.one, {"Latchkey-Step-Up": grant}, current_password=None).status_code == 204
    member.one.password = NEW


def frozen(member: Member) -> None:
    """By the notice of an older change; open again by a reset, which leaves factors alone (REC-3)."""
    product, mine = member.one.product, "SELECT FROM trusted_device WHERE account_id = %s"
    account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", member.one.email)[0][0]
    assert product.rows("mfa", mine, account)
    freeze(member.one, "was changed")
    eventually(lambda: not product.rows("mfa", mine, account))
    product.move_clock(3601)
    reset(member)


def factor_removed(member: Member) -> None:
    first = member.call("GET", "factors").json()["items"][0]["id"]
    other = member.add("totp", member.app())
    member.secret = other["totp"]["secret"]
    member.one.product.secrets.add(member.secret)
    member.one.product.move_clock(31)
    assert member.call("POST", f"factors/{other['id']}/confirm", {"code": member.app()}).json()["status"] == "active"
    member.one.product.move_clock(31)
    grant = member.grant("factor.remove", {"factor_id": first}, member.app())
    assert member.call("DELETE", f"factors/{first}", grant=grant).status_code == 204


@pytest.mark.parametrize("ended", [reset, changed, frozen, factor_removed])
def test_ended_by(product: Product, member: Member, ended: Callable[[Member], None]) -> None:
    """E5, E6."""
    if ended is frozen:
        changed(member)
    device = member.trust_here()
    assert member.sign_in_at(device) == "complete"
    ended(member)
    eventually(lambda: member.sign_in_at(device) == "needs_factor")


@pytest.mark.browser
def test_by_the_pages(product: Product, member: Member, window) -> None:
    """Ticked beside the code; listed as this device; asked again after "Trust no more"."""
    owner = Owner(window, member.one)
    owner.secret, page = member.secret, window.page
    window.sign_in(member.one.email)
    page.get_by_label(re.compile("^Trust this device")).check()
    owner.type_code(owner.app())
    expect(heading(page)).to_have_text(re.compile("^Hello"))
    owner.sign_out()
    window.sign_in(member.one.email)
    expect(heading(page)).to_have_text(re.compile("^Hello"))
    owner.security()
    expect(page.locator("li", has=page.get_by_role("heading", name="Devices you trust"))).to_contain_text("This device")
    owner.press("Trust no more")
    expect(page.get_by_role("heading", name="Devices you trust")).to_have_count(0)
    owner.sign_out()
    window.sign_in(member.one.email)
    owner.at("Enter the code")
