"""Fresh authentication across the services: identity asks, mfa proves and executes (STP-1, STP-2, MFA-8, OTP-4)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from testkit.stack import CODE, Person, Product, eventually, person

from .factors import Member

APP = {"kind": "totp"}


@pytest.fixture
def member(mira: Person) -> Member:
    """Whose password is all."""
    mira.activate()
    mira.sign_in()
    return Member(mira)


@pytest.fixture
def with_app(member: Member) -> Member:
    member.add_app()
    return member


def refused(member: Member, grant: str | None, **body: str) -> bool:
    answer = member.call("POST", "factors", body or APP, grant)
    return (answer.status_code, answer.json().get("code")) == (403, "step_up_required")


class TestGrant:
    def test_for_one_thing_once(self, member: Member) -> None:
        """STP-2."""
        grant = member.grant("factor.add", APP)
        assert refused(member, grant, kind="email", target=member.one.email), "another payload"
        assert refused(member, member.grant("factor.remove", APP)), "another action"
        assert member.call("POST", "factors", APP, grant).status_code == 201
        assert refused(member, grant)

    def test_five_minutes(self, product: Product, member: Member) -> None:
        """STP-1: whatever the session's own age."""
        grant = member.grant("factor.add", APP)
        product.move_clock(301)
        assert refused(member, grant)

    def test_of_another_session_or_person(self, product: Product, member: Member) -> None:
        grant = member.grant("factor.add", APP)
        first = member.one.session_token
        member.one.sign_in()
        assert refused(member, grant)
        other = person(product, member.one.http).activate()
        other.sign_in()
        assert refused(Member(other), grant)
        member.one.session_token = first
        assert member.call("POST", "factors", APP, grant).status_code == 201

    def test_twenty_at_once_over_both_gateways(self, product: Product, member: Member) -> None:
        """INV-3."""
        grant = member.grant("factor.add", APP)
        headers = {**member.one.bearer, "Latchkey-Step-Up": grant}

        def add(number: int) -> int:
            with product.client(number % 2) as client:
                return client.post("/v1/me/factors", json=APP, headers=headers).status_code

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(add, range(20)))
        assert sorted(answers) == [201] + [403] * 19


class TestByFactor:
    def test_the_password_is_too_little(self, with_app: Member) -> None:
        """MFA-8, STP-1: to remove it needs the factor itself; then the password is enough to sign in again."""
        factor = with_app.call("GET", "factors").json()["items"][0]["id"]
        payload = {"factor_id": factor}
        flow = with_app.call("POST", "step-ups", {"action": "factor.remove", "payload": payload}).json()
        by_password = with_app.call("POST", f"step-ups/{flow['id']}/password", {"password": with_app.one.password})
        assert by_password.json()["code"] == "step_missing"
        grant = with_app.grant("factor.remove", payload, with_app.app())
        assert with_app.call("DELETE", f"factors/{factor}", grant=grant).status_code == 204
        eventually(lambda: with_app.one.sign_in().json()["status"] == "complete", seconds=10)

    def test_a_code_is_for_its_own_flow(self, product: Product, member: Member) -> None:
        """OTP-4: a sign-in's code proves no step-up, a step-up's no sign-in, and both are counted as wrong."""
        member.add_address()
        member.one.sign_in()
        member.one.post(f"/sign-ins/{member.one.flow['id']}/challenges", {"form": "code"})
        signing_in = code_of(product, member, "sign in")
        member.enter(signing_in)
        flow = member.call("POST", "step-ups", {"action": "factor.add", "payload": APP}).json()
        product.move_clock(21)
        member.call("POST", f"step-ups/{flow['id']}/challenges", {})
        confirming = code_of(product, member, "confirm")
        wrong = member.call("POST", f"step-ups/{flow['id']}/code", {"code": signing_in}).json()
        assert (wrong["code"], wrong["tries_left"]) == ("code_wrong", 4)
        session = member.one.session_token
        member.one.sign_in()
        assert member.enter(confirming).json()["tries_left"] == 4
        member.one.session_token = session
        done = member.call("POST", f"step-ups/{flow['id']}/code", {"code": confirming}).json()
        assert done["status"] == "complete"
        product.secrets.add(done["grant"])


def code_of(product: Product, member: Member, words: str) -> str:
    """Of the newest mail that says it is for that."""
    return str(CODE.findall(product.wait_mails(member.one.email, subject=f"Your code to {words}")[-1]["text"])[0])
