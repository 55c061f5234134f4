"""An authenticator app, from the portal's API to the next sign-in, with mfa dying in between (MFA-4 to 10, INV-3, 13)."""

from uuid import uuid4

import pytest
from testkit.stack import Person, Product, eventually

from .factors import Member


@pytest.fixture
def member(mira: Person) -> Member:
    mira.activate()
    mira.sign_in()
    return Member(mira)


@pytest.fixture
def with_app(member: Member) -> Member:
    member.add_app()
    return member


class TestEnrolment:
    def test_protects_the_very_next_sign_in(self, product: Product, member: Member) -> None:
        """R22, MFA-4, MFA-8: by fresh authentication, told to the owner; no session by the password alone any more."""
        refused = member.call("POST", "factors", {"kind": "totp"})
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
        assert (refused.json()["action"], refused.json()["payload"]) == ("factor.add", {"kind": "totp"})
        assert refused.json()["methods"] == ["password"]
        member.add_app()
        assert member.call("POST", "factors", {"kind": "totp"}).json()["methods"] == ["totp"]
        assert member.call("DELETE", "sessions").json()["methods"] == ["totp"], "identity says the same"
        answer = member.one.sign_in()
        assert (answer.json()["status"], answer.json().get("session")) == ("needs_factor", None)
        assert [one["kind"] for one in answer.json()["factors"]] == ["totp"]
        assert member.enter(member.app()).json()["status"] == "complete"
        who = member.one.http.get("/v1/session", headers=member.one.bearer).json()
        assert who["methods"] == ["pwd", "otp", "mfa"]
        product.wait_mails(member.one.email, subject="added")

    def test_repeated_with_its_key(self, member: Member) -> None:
        """API-4: the lost answer comes again, though its grant is spent."""
        grant, key = member.grant("factor.add", {"kind": "totp"}), {"Idempotency-Key": uuid4().hex}
        first, second = (member.call("POST", "factors", {"kind": "totp"}, grant, **key) for _ in range(2))
        assert (first.status_code, first.json()) == (201, second.json())


class TestSignIn:
    def test_wrong_codes_end_the_attempt(self, product: Product, with_app: Member) -> None:
        """OTP-5, MFA-10: the owner is told that somebody has the password."""
        with_app.one.sign_in()
        for left in (4, 3, 2, 1):
            assert with_app.enter("000000").json()["tries_left"] == left
        assert with_app.enter("000000").json()["code"] == "code_burned"
        assert with_app.enter(with_app.app()).status_code == 410
        product.wait_mails(with_app.one.email, subject="got no further")

    def test_repeated_with_its_key(self, with_app: Member) -> None:
        """API-4: whoever lost the answer has the session all the same."""
        with_app.one.sign_in()
        key, code = {"Idempotency-Key": uuid4().hex}, with_app.app()
        first, second = (with_app.enter(code, **key) for _ in range(2))
        assert first.json()["session"] == second.json()["session"]

    def test_somebody_elses_browser_sees_no_flow(self, product: Product, with_app: Member) -> None:
        """OTP-4."""
        with_app.one.sign_in()
        with product.client() as elsewhere:
            stranger = Person(product, elsewhere, with_app.one.email, flow=with_app.one.flow)
            stranger.begin_sign_in()
            stranger.flow = with_app.one.flow
            assert Member(stranger).enter(with_app.app()).status_code == 404


class TestCrash:
    """Kill -9 of mfa: nothing counts that wasn't, nothing is lost that was."""

    def test_between_proof_and_answer(self, product: Product, with_app: Member) -> None:
        """INV-3, INV-13: the code is spent, the flow proven; the asking window goes on."""
        with_app.one.sign_in()
        code = with_app.app()
        product.arm("mfa", "challenge_proven")
        assert with_app.enter(code).status_code == 503
        eventually(product.all_ready, seconds=30, every=0.2)
        found = with_app.one.http.get(
            with_app.one.url(f"/sign-ins/{with_app.one.flow['id']}"), headers=with_app.one.headers
        ).json()
        assert (found["status"], "session" in found) == ("complete", True)

    def test_between_the_app_s_proof_and_identity(self, product: Product, member: Member) -> None:
        """An enrolment that nobody acknowledged finishes by itself, or not at all; and never half."""
        pending = member.add("totp")
        member.secret = pending["totp"]["secret"]
        product.arm("mfa", "factor_proven")
        assert member.call("POST", f"factors/{pending['id']}/confirm", {"code": member.app()}).status_code == 503
        eventually(product.all_ready, seconds=30, every=0.2)
        product.move_clock(31)
        eventually(lambda: member.call("GET", f"factors/{pending['id']}").json()["status"] == "active", seconds=15)
        assert member.one.sign_in().json()["status"] == "needs_factor"
        assert member.enter(member.app()).json()["status"] == "complete"

    def test_tries_are_kept(self, product: Product, with_app: Member) -> None:
        """INV-3: a restart gives nobody new guesses."""
        with_app.one.sign_in()
        assert with_app.enter("000000").json()["tries_left"] == 4
        product.kill("mfa")
        eventually(product.all_ready, seconds=30, every=0.2)
        assert with_app.enter("000000").json()["tries_left"] == 3

    def test_away(self, product: Product, with_app: Member, http) -> None:
        """Never a bypass, and nobody's password is told right or wrong by it; who has no factor signs in."""
        other = Person(product, http, f"no-factor-{uuid4().hex[:8]}@posteo.example").activate()
        product.kill("mfa")
        answers = [with_app.one.sign_in().status_code, with_app.one.sign_in("not the password at all").status_code]
        plain = other.sign_in()
        eventually(product.all_ready, seconds=30, every=0.2)
        assert answers == [503, 503]
        assert plain.json()["status"] == "complete"
        with_app.one.sign_in()
        assert with_app.enter(with_app.app()).json()["status"] == "complete"
