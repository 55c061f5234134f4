"""Saved recovery codes, from the portal's API to the sign-in where everything else is lost (MFA-5, MFA-6, REC-4)."""

import pytest
from testkit.stack import Person, Product

from .factors import Member


@pytest.fixture
def member(mira: Person) -> Member:
    """With an app, and codes beside it."""
    mira.activate()
    mira.sign_in()
    found = Member(mira)
    found.add_app()
    found.add_recovery_codes()
    return found


def left(member: Member) -> list[int]:
    items = member.call("GET", "factors").json()["items"]
    return [one["codes_left"] for one in items if one["kind"] == "recovery_codes"]


def test_once(product: Product, member: Member) -> None:
    """MFA-5: as people type it; told to the owner; what is shown of them afterwards is a number."""
    member.one.sign_in()
    spent = member.codes[0]
    assert member.enter(f"{spent[:4]} {spent[4:8]}-{spent[8:]}".lower()).json()["status"] == "complete"
    member.one.sign_in()
    assert member.enter(spent).json()["code"] == "code_wrong"
    product.wait_mails(member.one.email, subject="recovery code")
    assert left(member) == [9]
    shown = member.call("GET", "factors").text
    assert not [code for code in member.codes if code in shown]


def test_one_a_sign_in(member: Member) -> None:
    """MFA-6: whatever is typed after it is no second session and costs nothing; none stands in for the password."""
    before = member.one.begin_sign_in().json()["id"]
    assert member.one.post(f"/sign-ins/{before}/password", {"password": member.codes[0]}).json()["code"] == "credentials_wrong"
    assert member.enter(member.codes[0]).json()["code"] == "not_found"
    member.one.sign_in()
    assert "session" in member.enter(member.codes[0]).json()
    assert "session" not in member.enter(member.codes[1]).json()
    assert left(member) == [9]


def test_a_new_set_takes_the_old_one_s_place(product: Product, member: Member) -> None:
    """MFA-5: from its confirmation on, not before; told like the first."""
    old = member.codes
    begun = member.add("recovery_codes", member.app())
    product.secrets.update(begun["codes"])
    product.move_clock(31)
    member.one.sign_in()
    assert member.enter(old[0]).json()["status"] == "complete"
    assert member.call("POST", f"factors/{begun['id']}/confirm", {}).json()["codes_left"] == 10
    member.one.sign_in()
    assert member.enter(old[1]).json()["code"] == "code_wrong"
    assert member.enter(begun["codes"][0]).json()["status"] == "complete"
    assert left(member) == [9]
    product.wait_mails(member.one.email, 3, subject="was added")


def test_they_go_with_the_last_factor(member: Member) -> None:
    """MFA-9: codes stand in for a factor, and for nothing where there is none."""
    app = next(one["id"] for one in member.call("GET", "factors").json()["items"] if one["kind"] == "totp")
    grant = member.grant("factor.remove", {"factor_id": app}, member.codes[0])
    assert member.call("DELETE", f"factors/{app}", grant=grant).status_code == 204
    assert member.call("GET", "factors").json()["items"] == []
