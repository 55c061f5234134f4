"""REL-1's named places to die: in a process of its own, so that this one lives."""

import signal
import subprocess
import sys

import pytest
from servicekit import failpoints
from servicekit.failpoints import configure, failpoint

PROGRAM = """
import sys
from pathlib import Path
from servicekit.failpoints import configure, failpoint
configure("identity", Path(sys.argv[1]) if sys.argv[1] else None)
failpoint("before_commit")
print("alive")
"""


def run(directory: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, directory], capture_output=True, text=True, timeout=20, check=False)


class TestFailpoint:
    def test_kills_once_and_the_next_process_lives(self, tmp_path):
        (tmp_path / "identity.before_commit").touch()
        assert run(str(tmp_path)).returncode == -signal.SIGKILL
        assert list(tmp_path.iterdir()) == []
        assert run(str(tmp_path)).stdout == "alive\n"

    @pytest.mark.parametrize("name", ["identity.after_commit", "notifier.before_commit", "before_commit"])
    def test_only_its_own_name(self, tmp_path, name):
        (tmp_path / name).touch()
        assert run(str(tmp_path)).stdout == "alive\n"
        assert (tmp_path / name).exists()

    def test_without_configuration_nothing_happens(self):
        configure("identity", None)
        assert failpoints._armed is None
        failpoint("before_commit")
