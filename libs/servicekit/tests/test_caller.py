"""API-3: who calls is signed, for one audience, for half a minute."""

from dataclasses import replace
from uuid import uuid4

import orjson
import pytest
from servicekit.caller import Caller, Signer, verify
from servicekit.clock import ManualClock
from servicekit.errors import CallerNotAllowed, SessionRequired
from servicekit.keys import Keys, init

FULL = Caller(
    "gateway",
    ip="2001:db8::",
    user_agent="Mozilla/5.0 \u00e9\u2028",
    flow="ab" * 32,
    session_id=uuid4(),
    account_id=uuid4(),
    language="ar",
    api_client=True,
    idempotency_key="k",
    fingerprint="f",
)


@pytest.fixture
def signer(keys: Keys, clock: ManualClock) -> Signer:
    return Signer("gateway", keys, clock)


def forge(signer: Signer, **claims: object) -> str:
    """A payload signed with the gateway's own key."""
    payload = orjson.dumps(claims)
    return f"{payload.hex()}.{signer._keys.caller_private(signer.service).sign(payload).hex()}"


class TestToken:
    @pytest.mark.parametrize("caller", [FULL, Caller("gateway")], ids=["full", "bare"])
    def test_comes_back_as_it_was(self, signer, keys, clock, caller):
        assert verify(signer.sign(caller, "identity"), "identity", keys, clock) == caller

    def test_nobody_speaks_in_another_s_name(self, keys, clock):
        token = Signer("mfa", keys, clock).sign(FULL, "identity")
        assert verify(token, "identity", keys, clock).service == "mfa"

    def test_only_for_its_audience(self, signer, keys, clock):
        with pytest.raises(CallerNotAllowed):
            verify(signer.sign(FULL, "identity"), "mfa", keys, clock)

    def test_life_and_skew(self, signer, keys, clock):
        """30 s, and 30 s of difference between clocks (REL-15)."""
        token = signer.sign(FULL, "identity")
        clock.move(60)
        verify(token, "identity", keys, clock)
        clock.move(0.1)
        with pytest.raises(CallerNotAllowed):
            verify(token, "identity", keys, clock)

    def test_unknown_claims_of_a_newer_release_are_passed_over(self, signer, keys, clock):
        """REL-14."""
        token = forge(signer, service="gateway", aud="identity", exp=clock.now().timestamp() + 30, shoe_size=43, language="en")
        assert verify(token, "identity", keys, clock) == Caller("gateway", language="en")

    @pytest.mark.parametrize(
        "token",
        ["", ".", "x.y", "7b7d.00", "7b7d", "a.b.c", "\u00e9.\u00e9", "5b5d." + "00" * 64, "7b7d." + "00" * 64, "6e756c6c.00"],
    )
    def test_nonsense(self, keys, clock, token):
        with pytest.raises(CallerNotAllowed):
            verify(token, "identity", keys, clock)

    def test_one_changed_letter(self, signer, keys, clock):
        token = signer.sign(FULL, "identity")
        for place in (0, 20, len(token) - 1):
            changed = token[:place] + ("0" if token[place] != "0" else "1") + token[place + 1 :]
            with pytest.raises(CallerNotAllowed):
                verify(changed, "identity", keys, clock)

    def test_another_installation_s_key(self, tmp_path, keys, clock):
        init(tmp_path)
        with pytest.raises(CallerNotAllowed):
            verify(Signer("gateway", Keys(tmp_path), clock).sign(FULL, "identity"), "identity", keys, clock)

    @pytest.mark.parametrize(
        "claims",
        [{"service": "postgres"}, {"service": "../secrets/lookup"}, {"service": None}, {"aud": None}, {"exp": None}, {"exp": "soon"},
         {"account_id": "not-an-id"}],
        ids=str,
    )  # fmt: skip
    def test_claims_that_make_no_sense(self, signer, keys, clock, claims):
        good = {"service": "gateway", "aud": "identity", "exp": clock.now().timestamp() + 30}
        with pytest.raises(CallerNotAllowed):
            verify(forge(signer, **good | claims), "identity", keys, clock)


class TestCaller:
    def test_the_browser_that_asked(self):
        assert FULL.browser == bytes.fromhex("ab" * 32)
        assert Caller("gateway").browser is None

    def test_account_or_401(self):
        assert FULL.account() == (FULL.account_id, FULL.session_id)
        for one in (replace(FULL, account_id=None), replace(FULL, session_id=None)):
            with pytest.raises(SessionRequired):
                one.account()
