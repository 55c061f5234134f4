"""API-3: who calls is signed, for one audience, for half a minute."""

import base64
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import OctKey
from servicekit.clock import ManualClock
from servicekit.errors import CallerNotAllowed, SessionRequired
from servicekit.keys import Keys, init, rotate
from servicekit.web.caller import REUSE_SECONDS, Caller, Signer, Verifier, verify

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
    authenticated_at=datetime(2026, 11, 30, 9, 30, 0, 250000, UTC),
    methods=("pwd", "otp"),
)


@pytest.fixture
def signer(keys: Keys, clock: ManualClock) -> Signer:
    return Signer("gateway", keys, clock)


def good(clock: ManualClock) -> dict[str, object]:
    now = int(clock.now().timestamp())
    return {"iss": "gateway", "aud": "identity", "iat": now, "exp": now + 30, "jti": "1", "caller": {}}


def forge(signer: Signer, claims: object, **header: object) -> str:
    """A payload signed with the gateway's own key."""
    key = signer._keys.caller_private(signer.service)
    whole = {"alg": "Ed25519", "typ": "caller+jwt", "kid": key.kid, **header}
    return jws.serialize_compact(whole, orjson.dumps(claims), key, algorithms=["Ed25519", "EdDSA"])


def refused(token: str, keys: Keys, clock: ManualClock) -> None:
    with pytest.raises(CallerNotAllowed):
        verify(token, "identity", keys, clock)


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
        """30 s, and 30 s of difference between clocks (REL-15), either way; in whole seconds."""
        token = signer.sign(FULL, "identity")
        clock.move(59)
        verify(token, "identity", keys, clock)
        clock.move(2)
        refused(token, keys, clock)
        clock.move(-90)
        verify(token, "identity", keys, clock)
        clock.move(-3)
        refused(token, keys, clock)

    def test_each_is_another(self, signer):
        assert signer.sign(FULL, "identity") != signer.sign(FULL, "identity")

    def test_unknown_claims_of_a_newer_release_are_passed_over(self, signer, keys, clock):
        """REL-14."""
        token = forge(signer, {**good(clock), "sub": "x", "caller": {"shoe_size": 43, "language": "en", "service": "mfa"}})
        assert verify(token, "identity", keys, clock) == Caller("gateway", language="en")

    def test_nothing_of_it_stands_in_clear_claims_of_others(self, signer, clock):
        """Our own claims are below one name, so that none is ever taken for a registered one."""
        claims = orjson.loads(jws.extract_compact(signer.sign(FULL, "identity").encode()).payload)
        assert set(claims) == {"iss", "aud", "iat", "exp", "jti", "caller"}
        assert claims["iss"] == "gateway"

    @pytest.mark.parametrize(
        "token",
        ["", ".", "x.y", "7b7d.00", "7b7d", "a.b.c", "..", "e30.e30.", "e30..e30", "\u00e9.\u00e9", "\u00e9.\u00e9.\u00e9", "5b5d." + "00" * 64,
         "7b7d." + "00" * 64, "6e756c6c.00", "a.b.c.d.e"],
    )  # fmt: skip
    def test_nonsense(self, keys, clock, token):
        refused(token, keys, clock)

    def test_one_changed_letter(self, signer, keys, clock):
        token = signer.sign(FULL, "identity")
        head, body, signature = (len(one) for one in token.split("."))
        for place in (5, head - 5, head + 5, head + body - 5, head + body + 5, head + body + signature - 5):
            refused(token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :], keys, clock)

    def test_another_payload_under_its_signature(self, signer, keys, clock):
        """A customer's token made another customer's."""
        own, other = signer.sign(FULL, "identity"), signer.sign(replace(FULL, account_id=uuid4()), "identity")
        head, _, signature = own.split(".")
        refused(".".join((head, other.split(".")[1], signature)), keys, clock)

    def test_another_installation_s_key(self, tmp_path, keys, clock):
        """A `kid` that nobody knows."""
        init(tmp_path)
        refused(Signer("gateway", Keys(tmp_path), clock).sign(FULL, "identity"), keys, clock)

    def test_another_service_s_key(self, keys, clock):
        """API-3: its own name with another's `kid`, and another's name with its own."""
        mfa = Signer("mfa", keys, clock)
        refused(forge(mfa, good(clock)), keys, clock)
        refused(forge(mfa, good(clock), kid=keys.caller_private("gateway").kid), keys, clock)

    @pytest.mark.parametrize(
        "claims",
        [{"iss": "postgres"}, {"iss": "../secrets/lookup"}, {"iss": None}, {"iss": ["gateway"]}, {"aud": None}, {"aud": "mfa"},
         {"aud": ["mfa", "recovery"]}, {"exp": None}, {"exp": "soon"}, {"exp": 1}, {"exp": float("nan")}, {"iat": None}, {"iat": 10**12},
         {"jti": None}, {"caller": None}, {"caller": "x"}, {"caller": {"account_id": "not-an-id"}}, {"caller": {"session_id": 1}}],
        ids=str,
    )  # fmt: skip
    def test_claims_that_make_no_sense(self, signer, keys, clock, claims):
        refused(forge(signer, good(clock) | claims), keys, clock)

    @pytest.mark.parametrize("claims", [[], None, "x", {}])
    def test_no_claims(self, signer, keys, clock, claims):
        refused(forge(signer, claims), keys, clock)


class TestAlgorithms:
    """RFC 8725 §3.1: the header never chooses how it is checked."""

    def test_the_forger_s_own_is_fine(self, signer, keys, clock):
        """So that what follows is refused for its algorithm alone."""
        assert verify(forge(signer, good(clock)), "identity", keys, clock) == Caller("gateway")

    @pytest.mark.filterwarnings("ignore:JWS algorithm")
    def test_none(self, keys, clock):
        kid = keys.caller_private("gateway").kid
        header = {"alg": "none", "typ": "caller+jwt", "kid": kid}
        token = jws.serialize_compact(header, orjson.dumps(good(clock)), OctKey.generate_key(), algorithms=["none"])
        refused(token, keys, clock)

    def test_the_public_key_as_a_secret(self, keys, keys_dir, clock):
        ring = (keys_dir / "callers" / "gateway.public.pem").read_bytes()
        public = keys.caller_ring("gateway")[0]
        for secret in (ring, public.as_pem(private=False), public.raw_value.public_bytes_raw()):
            header = {"alg": "HS256", "typ": "caller+jwt", "kid": public.kid}
            key = OctKey.import_key(secret.hex())  # joserfc itself takes no PEM for a secret
            refused(jws.serialize_compact(header, orjson.dumps(good(clock)), key, algorithms=["HS256"]), keys, clock)

    @pytest.mark.filterwarnings("ignore:EdDSA")
    @pytest.mark.parametrize(
        "header", [{"alg": "EdDSA"}, {"typ": "JWT"}, {"kid": "unknown"}, {"crit": ["b64"], "b64": False}], ids=str
    )
    def test_other_headers(self, signer, keys, clock, header):
        if "crit" in header:
            token = forge(signer, good(clock))
            head = orjson.dumps({"alg": "Ed25519", "typ": "caller+jwt", "kid": keys.caller_private("gateway").kid, **header})
            token = ".".join((base64.urlsafe_b64encode(head).decode().rstrip("="), *token.split(".")[1:]))
        else:
            token = forge(signer, good(clock), **header)
        refused(token, keys, clock)


class TestRotation:
    """API-3: keys are replaced without a call refused."""

    def test_the_newest_signs_and_the_one_before_verifies(self, tmp_path, clock):
        init(tmp_path, clock)
        keys = Keys(tmp_path)
        signer = Signer("gateway", keys, clock)
        before = signer.sign(FULL, "identity")
        rotate(tmp_path, clock)
        after = signer.sign(FULL, "identity")
        for token in (before, after):
            assert verify(token, "identity", keys, clock) == FULL
        heads = {token.split(".")[0] for token in (before, after)}
        assert len(heads) == 2
        rotate(tmp_path, clock)
        refused(before, keys, clock)
        assert verify(after, "identity", keys, clock) == FULL

    def test_a_service_that_has_its_new_key_later(self, tmp_path, clock):
        """The others know the new public keys; this one signs with its old key until it gets the new one."""
        for one in ("here", "there"):
            init(tmp_path / one, clock)
        shutil.copytree(tmp_path / "here", tmp_path / "there", dirs_exist_ok=True)
        rotate(tmp_path / "there", clock)
        late = Signer("gateway", Keys(tmp_path / "here"), clock)
        assert verify(late.sign(FULL, "identity"), "identity", Keys(tmp_path / "there"), clock) == FULL


class TestFormer:
    """REL-14: what processes of the release before sign, while they are replaced one by one."""

    def former(self, keys: Keys, clock: ManualClock, service: str = "gateway", by: str = "gateway", **claims: object) -> str:
        said = {"service": service, "aud": "identity", "exp": clock.now().timestamp() + 30, **claims}
        payload = orjson.dumps(said)
        return f"{payload.hex()}.{keys.caller_private(by).raw_value.sign(payload).hex()}"

    def test_accepted(self, keys, clock):
        account = uuid4()
        token = self.former(keys, clock, account_id=str(account), language="en", shoe_size=43)
        assert verify(token, "identity", keys, clock) == Caller("gateway", account_id=account, language="en")

    def test_refused(self, keys, clock):
        token = self.former(keys, clock)
        refused(token[:-1] + ("0" if token[-1] != "0" else "1"), keys, clock)
        refused(self.former(keys, clock, by="mfa"), keys, clock)
        for wrong in (
            {"aud": "mfa"},
            {"exp": clock.now().timestamp() - 31},
            {"exp": "soon"},
            {"service": "../x"},
            {"account_id": "x"},
        ):
            refused(self.former(keys, clock, **wrong), keys, clock)


class TestCaller:
    def test_the_browser_that_asked(self):
        assert FULL.browser == bytes.fromhex("ab" * 32)
        assert Caller("gateway").browser is None

    def test_account_or_401(self):
        assert FULL.account() == (FULL.account_id, FULL.session_id)
        for one in (replace(FULL, account_id=None), replace(FULL, session_id=None)):
            with pytest.raises(SessionRequired):
                one.account()


class TestReads:
    """What changes nothing may be asked under one token for some seconds; what else is asked never."""

    @pytest.fixture
    def verifier(self, keys: Keys, clock: ManualClock) -> Verifier:
        return Verifier("identity", keys, clock)

    def test_one_token_says_the_same_of_the_same_caller(self, signer, clock):
        first = signer.sign_read(FULL, "identity")
        clock.move(REUSE_SECONDS - 1)
        assert signer.sign_read(FULL, "identity") == first
        clock.move(1)
        assert signer.sign_read(FULL, "identity") != first

    def test_whatever_differs_is_another(self, signer):
        first = signer.sign_read(FULL, "identity")
        assert signer.sign_read(replace(FULL, session_id=uuid4()), "identity") != first
        assert signer.sign_read(replace(FULL, methods=("pwd",)), "identity") != first
        assert signer.sign_read(FULL, "mfa") != first
        assert signer.sign(FULL, "identity") != first

    def test_a_clock_that_went_back_makes_a_new_one(self, signer, clock):
        first = signer.sign_read(FULL, "identity")
        clock.move(-5)
        assert signer.sign_read(FULL, "identity") != first

    def test_a_rotated_key_signs_at_once(self, tmp_path, clock):
        init(tmp_path)
        signer = Signer("gateway", Keys(tmp_path), clock)
        first = signer.sign_read(FULL, "identity")
        rotate(tmp_path, clock)
        assert signer.sign_read(FULL, "identity") != first

    def test_is_checked_once_and_means_the_same(self, signer, verifier, monkeypatch):
        token = signer.sign_read(FULL, "identity")
        assert verifier(token, reads=True) == FULL
        monkeypatch.setattr("servicekit.web.caller.verify", None)  # nobody asks it again
        assert verifier(token, reads=True) == FULL

    def test_its_life_ends_all_the_same(self, signer, verifier, clock):
        token = signer.sign_read(FULL, "identity")
        verifier(token, reads=True)
        clock.move(59)
        assert verifier(token, reads=True) == FULL
        clock.move(2)
        with pytest.raises(CallerNotAllowed):
            verifier(token, reads=True)
        clock.move(-95)
        with pytest.raises(CallerNotAllowed):
            verifier(token, reads=True)

    def test_its_key_is_still_held_against_the_ring(self, tmp_path, clock):
        init(tmp_path)
        signer, verifier = Signer("gateway", Keys(tmp_path), clock), Verifier("identity", Keys(tmp_path), clock)
        token = signer.sign_read(FULL, "identity")
        verifier(token, reads=True)
        rotate(tmp_path, clock)
        assert verifier(token, reads=True) == FULL  # the one before verifies until the next
        rotate(tmp_path, clock)
        with pytest.raises(CallerNotAllowed):
            verifier(token, reads=True)

    def test_a_write_is_looked_at_in_full(self, signer, verifier, monkeypatch):
        token = signer.sign_read(FULL, "identity")
        verifier(token, reads=True)
        asked = []
        monkeypatch.setattr("servicekit.web.caller.verify", lambda *_: asked.append(1) or FULL)
        verifier(token, reads=False)
        assert asked == [1]

    @pytest.mark.parametrize("token", ["", "a.b.c", "7b7d.00", "e30.e30.e30"])
    def test_nonsense_is_never_kept(self, verifier, token):
        for _ in range(2):
            with pytest.raises(CallerNotAllowed):
                verifier(token, reads=True)
