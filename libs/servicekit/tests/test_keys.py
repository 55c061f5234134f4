"""Key files: made once, readable by their owner alone, rotated, noticed when they change."""

import json
import stat
from pathlib import Path

import pytest
from servicekit.clock import ManualClock
from servicekit.keys import CALLERS, SECRETS, Keys, init, rotate

DAY = 86400


def contents(directory: Path) -> dict[str, bytes]:
    return {str(one.relative_to(directory)): one.read_bytes() for one in directory.rglob("*") if one.is_file()}


def ring(directory: Path, name: str) -> list[dict[str, str]]:
    return json.loads((directory / "sealing" / f"{name}.jwks.json").read_text())["keys"]


class TestInit:
    def test_makes_everything_for_development(self, tmp_path):
        init(tmp_path / "keys")
        keys = Keys(tmp_path / "keys")
        assert {len(keys.secret(name)) for name in SECRETS} == {32}
        assert len({keys.secret(name) for name in SECRETS}) == len(SECRETS)
        for name in CALLERS:
            assert keys.caller_public(name, str(keys.caller_private(name).kid)) is not None
        assert keys.sealing_private(keys.sealing_current().kid or "") is not None

    def test_every_service_has_a_key_of_its_own(self, keys):
        """API-3."""
        assert len({keys.caller_private(name).kid for name in CALLERS}) == len(CALLERS)
        assert keys.caller_public("gateway", str(keys.caller_private("mfa").kid)) is None

    def test_again_changes_nothing(self, tmp_path):
        init(tmp_path)
        before = contents(tmp_path)
        init(tmp_path)
        assert contents(tmp_path) == before

    def test_completes_what_a_crash_left(self, tmp_path):
        init(tmp_path)
        before = contents(tmp_path)
        for name in ("sealing/public.jwks.json", "callers/gateway.public.pem"):
            (tmp_path / name).unlink()
        init(tmp_path)
        assert contents(tmp_path) == before

    def test_private_files_are_for_their_owner(self, tmp_path):
        init(tmp_path / "keys")
        for one in (tmp_path / "keys").rglob("*"):
            mode = stat.S_IMODE(one.stat().st_mode)
            if one.is_dir():
                assert mode == 0o700, one
            else:
                assert mode == (0o644 if "public" in one.name else 0o600), one
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700

    def test_the_public_ring_holds_no_private_part(self, keys_dir):
        assert all("d" not in one for one in ring(keys_dir, "public"))
        assert all("d" in one for one in ring(keys_dir, "private"))


class TestRotate:
    def test_the_newest_seals_the_older_still_open(self, tmp_path):
        clock = ManualClock()
        init(tmp_path, clock)
        keys = Keys(tmp_path)
        first = keys.sealing_current().kid
        clock.move(DAY)
        second = rotate(tmp_path, clock)
        assert keys.sealing_current().kid == second != first
        assert keys.sealing_private(first or "") is not None
        assert [one["kid"] for one in ring(tmp_path, "public")] == [first, second]

    def test_a_private_key_is_destroyed_when_no_topic_can_need_it(self, tmp_path):
        """decision 3: seven days of retention and a day of slack after it was replaced."""
        clock = ManualClock()
        init(tmp_path, clock)
        keys = Keys(tmp_path)
        first = keys.sealing_current().kid or ""
        clock.move(30 * DAY)
        second = rotate(tmp_path, clock)
        clock.move(8 * DAY - 1)
        third = rotate(tmp_path, clock)
        assert keys.sealing_private(first) is not None
        clock.move(1)
        rotate(tmp_path, clock)
        assert keys.sealing_private(first) is None
        assert first not in {one["kid"] for one in ring(tmp_path, "public")}
        assert keys.sealing_private(second) is not None
        assert keys.sealing_private(third) is not None


class TestCallers:
    """API-3: each service has a ring of two: what signs, and what signed before."""

    def test_the_one_before_is_kept_for_one_more_rotation(self, tmp_path):
        init(tmp_path)
        keys = Keys(tmp_path)
        kids = [keys.caller_private("gateway").kid]
        for _ in range(2):
            rotate(tmp_path, ManualClock())
            kids.append(keys.caller_private("gateway").kid)
            assert [one.kid for one in keys.caller_ring("gateway")] == [kids[-1], kids[-2]]
        assert keys.caller_public("gateway", str(kids[0])) is None

    def test_public_files_hold_no_private_part(self, tmp_path):
        init(tmp_path)
        rotate(tmp_path, ManualClock())
        for one in (tmp_path / "callers").glob("*.public.pem"):
            assert b"PRIVATE" not in one.read_bytes()
            assert one.read_bytes().count(b"BEGIN PUBLIC KEY") == 2

    def test_a_crash_between_the_two_files(self, tmp_path):
        """What signs goes on verifying, and the next rotation keeps it, not the key that never signed."""
        init(tmp_path)
        keys = Keys(tmp_path)
        private = tmp_path / "callers" / "gateway.private.pem"
        before, signs = private.read_bytes(), keys.caller_private("gateway").kid
        rotate(tmp_path, ManualClock())
        private.write_bytes(before)
        assert keys.caller_public("gateway", str(signs)) is not None
        rotate(tmp_path, ManualClock())
        assert keys.caller_public("gateway", str(signs)) is not None

    def test_made_anew_where_only_the_public_one_is_left(self, tmp_path):
        """Everybody else may still hear from who has the lost one."""
        init(tmp_path)
        keys = Keys(tmp_path)
        lost = keys.caller_private("gateway").kid
        (tmp_path / "callers" / "gateway.private.pem").unlink()
        init(tmp_path)
        assert [one.kid for one in keys.caller_ring("gateway")] == [keys.caller_private("gateway").kid, lost]


class TestKeys:
    def test_a_changed_file_is_read_again(self, tmp_path):
        init(tmp_path)
        keys = Keys(tmp_path)
        before = keys.secret("csrf")
        part = tmp_path / "secrets" / "csrf.key.part"
        part.write_bytes(b"n" * 32)
        part.replace(tmp_path / "secrets" / "csrf.key")
        assert keys.secret("csrf") == b"n" * 32 != before

    def test_a_missing_one_says_which(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"lookup\.key"):
            Keys(tmp_path).secret("lookup")


class TestNoKeys:
    def test_a_rotation_in_the_wrong_place_writes_nothing(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            rotate(tmp_path, ManualClock())
        assert list(tmp_path.iterdir()) == []
