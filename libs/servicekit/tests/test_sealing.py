"""Sealed envelopes (EVT-6, INV-7): only the notifier opens them, only in time, only unchanged."""

import base64
import json
from datetime import timedelta

import pytest
from latchkey_contracts.sealed import Sealed
from pydantic import BaseModel
from servicekit.clock import ManualClock
from servicekit.keys import Keys, init, rotate
from servicekit.sealing import Opener, SealBroken, Sealer, SealExpired

HOUR = timedelta(hours=1)


class Message(BaseModel):
    to: str
    code: str


class Other(BaseModel):
    to: str
    code: str


CONTENT = Message(to="bob@example.com", code="482913")


@pytest.fixture
def sealed(keys: Keys, clock: ManualClock) -> Sealed:
    return Sealer(keys).seal(CONTENT, expires_at=clock.now() + HOUR)


@pytest.fixture
def opener(keys: Keys, clock: ManualClock) -> Opener:
    return Opener(keys, clock)


class TestSeal:
    def test_opens_to_what_was_sealed(self, sealed, opener):
        assert opener.open(sealed, Message) == CONTENT
        assert opener.open(Sealed.model_validate_json(sealed.model_dump_json()), Message) == CONTENT

    def test_nothing_can_be_read_from_outside(self, sealed):
        parts = sealed.jwe.split(".")
        clear = b"".join(base64.urlsafe_b64decode(part + "==") for part in parts)
        for canary in (b"bob@example.com", b"482913", b"Message"):
            assert canary not in clear
        header = json.loads(base64.urlsafe_b64decode(parts[0] + "=="))
        assert (header["alg"], header["enc"], header["kid"]) == ("ECDH-ES+A256KW", "A256GCM", sealed.kid)

    def test_the_same_content_never_looks_the_same(self, keys, clock):
        sealer = Sealer(keys)
        assert len({sealer.seal(CONTENT, expires_at=clock.now() + HOUR).jwe for _ in range(10)}) == 10

    def test_a_publisher_needs_the_public_ring_alone(self, tmp_path, keys_dir, opener, clock):
        (tmp_path / "sealing").mkdir()
        (tmp_path / "sealing" / "public.jwks.json").write_bytes((keys_dir / "sealing" / "public.jwks.json").read_bytes())
        publisher = Keys(tmp_path)
        sealed = Sealer(publisher).seal(CONTENT, expires_at=clock.now() + HOUR)
        assert opener.open(sealed, Message) == CONTENT
        with pytest.raises(FileNotFoundError):
            Opener(publisher, clock).open(sealed, Message)


class TestOpen:
    def test_not_after_its_end(self, sealed, opener, clock):
        clock.move(3599)
        opener.open(sealed, Message)
        clock.move(1)
        with pytest.raises(SealExpired):
            opener.open(sealed, Message)

    def test_its_end_can_t_be_moved(self, sealed, opener):
        with pytest.raises(SealBroken):
            opener.open(sealed.model_copy(update={"expires_at": sealed.expires_at + HOUR}), Message)

    def test_not_as_something_else(self, sealed, opener):
        with pytest.raises(SealBroken):
            opener.open(sealed, Other)

    @pytest.mark.parametrize("part", range(5))
    def test_not_changed_in_any_part(self, sealed, opener, part):
        parts = sealed.jwe.split(".")
        parts[part] = ("A" if parts[part][0] != "A" else "B") + parts[part][1:]
        with pytest.raises(SealBroken):
            opener.open(sealed.model_copy(update={"jwe": ".".join(parts)}), Message)

    @pytest.mark.parametrize("jwe", ["", "....", "a.b.c.d.e", "x", "\u00e9.....", "a.b.c"])
    def test_not_nonsense(self, sealed, opener, jwe):
        with pytest.raises(SealBroken):
            opener.open(sealed.model_copy(update={"jwe": jwe}), Message)

    def test_not_with_an_unknown_key(self, sealed, tmp_path, clock):
        init(tmp_path)
        with pytest.raises(SealBroken, match="unknown key"):
            Opener(Keys(tmp_path), clock).open(sealed, Message)

    def test_not_sealed_by_a_stranger_s_key_under_our_id(self, sealed, tmp_path, clock, opener):
        init(tmp_path)
        forged = Sealer(Keys(tmp_path)).seal(CONTENT, expires_at=clock.now() + HOUR)
        with pytest.raises(SealBroken):
            opener.open(forged.model_copy(update={"kid": sealed.kid}), Message)

    def test_across_a_rotation(self, tmp_path, clock):
        init(tmp_path, clock)
        keys = Keys(tmp_path)
        sealed = Sealer(keys).seal(CONTENT, expires_at=clock.now() + HOUR)
        rotate(tmp_path, clock)
        assert Opener(keys, clock).open(sealed, Message) == CONTENT
        assert Sealer(keys).seal(CONTENT, expires_at=clock.now() + HOUR).kid != sealed.kid
