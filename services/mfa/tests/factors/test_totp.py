"""MFA-4: RFC 6238 with its own test values; one step either way; no step twice."""

from datetime import UTC, datetime

import pytest
from mfa.factors import totp

SECRET = b"12345678901234567890"  # of RFC 6238, appendix B


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_values_of_the_rfc(seconds, code):
    assert totp.accepted(SECRET, code, at(seconds), None) == seconds // 30


@pytest.mark.parametrize(("late", "right"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_one_step_either_way(late, right):
    assert (totp.accepted(SECRET, "005924", at(1234567890 + late), None) is not None) == right


def test_no_step_twice_and_none_before_it():
    step = 1234567890 // 30
    assert totp.accepted(SECRET, "005924", at(1234567890), step - 1) == step
    assert totp.accepted(SECRET, "005924", at(1234567890), step) is None
    assert totp.accepted(SECRET, "005924", at(1234567890), step + 1) is None


@pytest.mark.parametrize("typed", ["", "00592", "0059240", "00592a", "٠٠٥٩٢٤", "-05924"])
def test_what_is_no_code(typed):
    assert totp.accepted(SECRET, typed, at(1234567890), None) is None


def test_secrets_are_random_and_long_enough():
    found = {totp.new_secret() for _ in range(100)}
    assert len(found) == 100
    assert {len(one) for one in found} == {20}


def test_setup_says_the_same_three_times():
    found = totp.setup(SECRET, "Elmstead Energy", "Mira's phone")
    assert found.secret == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert found.uri == (
        "otpauth://totp/Elmstead%20Energy%3AMira%27s%20phone?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Elmstead%20Energy"
    )
    assert found.qr_svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"'), "a browser shows no other as a picture"
    assert "<script" not in found.qr_svg
