"""Passkeys over all services: made, proven beside the password, instead of it, and for a step-up (MFA-1 to MFA-3)."""

from typing import Any

import pytest
from testkit.authenticator import Authenticator, b64
from testkit.stack import Person, Product, eventually, person

from .factors import Member
from .test_secured import freeze

NEW = "seven copper lanterns drifting north"


@pytest.fixture
def member(mira: Person) -> Member:
    mira.activate()
    mira.sign_in()
    member = Member(mira)
    member.add_passkey()
    return member


def methods(member: Member) -> Any:
    return member.one.http.get("/v1/session", headers=member.one.bearer).json()["methods"]


class TestSecondFactor:
    def test_after_the_password(self, product: Product, member: Member) -> None:
        """MFA-1, MFA-8: asked for at the very next sign-in; told to the owner."""
        answer = member.one.sign_in().json()
        assert (answer["status"], answer["next"]) == ("needs_factor", ["passkey"])
        wrong = member.prove(verified=False)
        assert (wrong.status_code, wrong.json()["code"]) == (403, "more_proof_required")
        wrong = member.prove(origin="https://evil.example")
        assert (wrong.status_code, wrong.json()["code"], wrong.json()["tries_left"]) == (403, "passkey_wrong", 3)
        assert member.prove().json()["status"] == "complete"
        assert methods(member) == ["pwd", "hwk", "mfa"]
        product.wait_mails(member.one.email, subject="added")

    def test_for_a_step_up(self, member: Member) -> None:
        """STP-1: and not by the password any more."""
        flow = member.call("POST", "step-ups", {"action": "factor.add", "payload": {"kind": "passkey"}}).json()
        assert flow["next"] == ["passkey"]
        options = member.call("GET", f"step-ups/{flow['id']}/passkey").json()["public_key"]
        done = member.call("POST", f"step-ups/{flow['id']}/passkey", {"credential": member.device.get(options)}).json()
        member.one.product.secrets.add(done["grant"])
        first, member.device = member.device, Authenticator(member.one.product.origin, synced=True)
        assert member.add_passkey(done["grant"])["status"] == "active"
        assert {member.device.held[0].user_handle} == {first.held[0].user_handle}
        assert len(member.call("GET", "factors").json()["items"]) == 2


class TestAlone:
    def test_instead_of_name_and_password(self, product: Product, member: Member) -> None:
        """MFA-3, ENU-1: the same options for everybody; the session says that it is two factors."""
        member.one.begin_sign_in("nobody@posteo.example")
        assert member.one.flow["next"] == ["password", "passkey", "social"]
        done = member.prove()
        assert (done.json()["status"], "token" in done.json()["session"]) == ("complete", True)
        assert methods(member) == ["hwk", "mfa"]
        again = member.one.http.get(member.one.url(f"/sign-ins/{done.json()['id']}"), headers=member.one.headers).json()
        assert (again["status"], again.get("session")) == ("complete", None)

    def test_in_another_store(self, member: Member) -> None:
        """As one that nobody has."""
        theirs = Member(Person(member.one.product, member.one.http, member.one.email, app="zinnia"), device=member.device)
        theirs.one.begin_sign_in()
        refused = theirs.prove()
        assert (refused.status_code, refused.json()["code"]) == (403, "passkey_wrong")

    def test_with_somebody_s_password(self, product: Product, member: Member, http) -> None:
        """Two people's proofs in one flow are nobody's sign-in."""
        other = person(product, http).activate()
        other.sign_in()
        kim = Member(other)
        kim.add_passkey()
        kim.one.begin_sign_in(member.one.email)
        product.arm("mfa", "challenge_proven")
        assert kim.prove().status_code == 503
        eventually(product.all_ready, seconds=30, every=0.2)
        answer = kim.one.post(f"/sign-ins/{kim.one.flow['id']}/password", {"password": member.one.password})
        assert (answer.status_code, answer.json()["code"]) == (410, "flow_ended")

    def test_of_a_locked_account(self, product: Product, member: Member) -> None:
        """LNK-7: nobody comes in, and the flow is over."""
        member.one.begin_sign_in()
        told = len(product.mails(member.one.email))
        step_up = member.call("POST", "step-ups", {"action": "password.change"}).json()["id"]
        options = member.call("GET", f"step-ups/{step_up}/passkey").json()["public_key"]
        done = member.call("POST", f"step-ups/{step_up}/passkey", {"credential": member.device.get(options)}).json()
        product.secrets.add(done["grant"])
        changed = {"password": NEW, "end_other_sessions": False}
        assert member.call("PUT", "password", changed, done["grant"]).status_code == 204
        eventually(lambda: len(product.mails(member.one.email)) > told, seconds=15)
        freeze(member.one, "was changed")
        assert member.prove().json()["code"] == "passkey_wrong"

    def test_mfa_dies_after_the_proof(self, product: Product, member: Member) -> None:
        """INV-3: the same again goes on."""
        member.one.begin_sign_in()
        product.arm("mfa", "challenge_proven")
        assert member.prove().status_code == 503
        eventually(product.all_ready, seconds=30, every=0.2)
        assert member.prove().json()["status"] == "complete"

    def test_malformed(self, member: Member) -> None:
        """API-1: 4xx, whatever comes."""
        member.one.begin_sign_in()
        path = f"/sign-ins/{member.one.flow['id']}/passkey"
        for body in (
            {},
            {"credential": 1},
            {"credential": {"id": "A"}},
            {"credential": {**junk(), "type": "x"}},
            {"credential": []},
        ):
            assert member.one.post(path, body).status_code == 422, body
        assert member.one.post(path, {"credential": junk()}).status_code == 403


def junk() -> dict[str, Any]:
    response = {"clientDataJSON": b64(b"{"), "authenticatorData": "AAAA", "signature": "AAAA", "userHandle": "AA"}
    return {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response}
