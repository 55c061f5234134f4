"""The help desk helps somebody who has lost the second factor: by the services' own calls, each told to the customer (R23, E23, E24)."""

from typing import Any

import httpx
import pytest
from servicekit.clock import FileClock
from servicekit.keys import Keys
from servicekit.web.caller import HEADER, Caller, Signer
from testkit.stack import CODE, Person, Product, eventually

from .factors import Member

WHY = "lost the phone, called twice"


class Desk:
    """Of one customer; `who`: which helper."""

    def __init__(self, product: Product, account: object) -> None:
        self.url = f"{product.stack.url('mfa')}/internal/assistance/{account}"
        self.signer = Signer("operator", Keys(product.stack.data / "keys"), FileClock(product.stack.data / "clock"))

    def call(self, method: str, path: str = "", who: str = "rep-1", caller: str = "operator", **more: Any) -> httpx.Response:
        headers = {HEADER: self.signer.sign(Caller(caller), "mfa")}
        if method == "GET":
            return httpx.get(self.url, params={"application": "demo"}, headers=headers, trust_env=False)
        body = {"application": "demo", "actor": who, "reason": WHY, **more}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, trust_env=False)


@pytest.fixture
def member(mira: Person) -> Member:
    mira.activate()
    mira.sign_in()
    found = Member(mira)
    found.add_app()
    return found


def test_back_in_without_the_lost_app(product: Product, member: Member) -> None:
    """By two people once, then without it; each act is told by mail, and the factor's secret to nobody."""
    account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", member.one.email)[0][0]
    desk = Desk(product, account)
    (app,) = desk.call("GET").json()["factors"]
    assert (app["kind"], app["totp"]) == ("totp", None)
    bypass = desk.call("POST", "/bypasses").json()["id"]
    refused = desk.call("POST", f"/bypasses/{bypass}/approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed_by_policy")
    assert member.one.sign_in().json()["status"] == "needs_factor"
    assert desk.call("POST", f"/bypasses/{bypass}/approve", who="rep-2").status_code == 204
    assert member.one.sign_in().json()["status"] == "complete"
    assert member.one.sign_in().json()["status"] == "needs_factor", "once"
    product.wait_mails(member.one.email, subject="Our help desk")
    assert desk.call("POST", f"/factors/{app['id']}/remove").status_code == 204
    eventually(lambda: member.one.sign_in().json()["status"] == "complete")
    product.wait_mails(member.one.email, 2, subject="Our help desk")
    acts = [(one["act"], one["actor"]) for one in desk.call("GET").json()["acts"]]
    assert acts == [("factor_removed", "rep-1"), ("bypass_granted", "rep-2"), ("bypass_requested", "rep-1")]


def test_who_calls_is_checked(product: Product, member: Member) -> None:
    """By a code in the account's own mailbox, which the caller reads out; then the last notice once more (E24)."""
    account = product.rows("identity", "SELECT account_id FROM identifier WHERE canonical = %s", member.one.email)[0][0]
    desk = Desk(product, account)
    check = desk.call("POST", "/caller-checks").json()
    assert (check["state"], check["channel"]) == ("waiting", "email")
    mail = product.wait_mails(member.one.email, subject="code for the call")[0]["text"]
    assert "You didn’t call us?" in mail
    wrong = desk.call("POST", f"/caller-checks/{check['id']}/code", code="000000x")
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["tries_left"]) == (403, "code_wrong", 4)
    done = desk.call("POST", f"/caller-checks/{check['id']}/code", who="rep-2", code=CODE.findall(mail)[0]).json()
    assert (done["state"], done["verified_by"]) == ("verified", "rep-2")
    eventually(lambda: desk.call("GET").json()["caller_checks"][0]["delivery"]["state"] == "handed_over")
    product.wait_mails(member.one.email, subject="Our help desk")
    assert desk.call("POST", "/notices/resend").status_code == 204
    product.wait_mails(member.one.email, 2, subject="was added")


def test_nobody_else_may(product: Product, member: Member) -> None:
    """API-3: neither the gateway nor a service, whose customers would get at it."""
    desk = Desk(product, "3f1f9a34-9f8e-4a53-8a2f-0a6c9b1d2e3f")
    desk.signer = Signer("gateway", Keys(product.stack.data / "keys"), FileClock(product.stack.data / "clock"))
    assert desk.call("GET").status_code == 403
    assert desk.call("POST", "/limits/lift").status_code == 403
