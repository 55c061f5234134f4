"""`latchkey dev up` as a new user has it: one product, started, killed, restarted, stopped (README.md)."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from devstack.processes import free_port

pytestmark = pytest.mark.xdist_group("devstack")
ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse staple battery"


def eventually(look: Callable[[], object], seconds: float) -> object:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"did not come true in {seconds} s"
        time.sleep(0.1)
    return found


class Dev:
    """The command, as it is typed."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.log = data.parent / "dev.log"
        self.process: subprocess.Popen | None = None

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        return {**kept, "LATCHKEY_DATA_DIR": str(self.data), "LATCHKEY_PORT": str(self.port), **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "latchkey_cli", "dev", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(**more), capture_output=True, text=True, timeout=60, check=False
        )

    def up(self) -> None:
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "latchkey_cli", "dev", "up"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment(), stdout=log, stderr=log)
        eventually(lambda: "Portal" in self.log.read_text() or self.process.poll() is not None, 90)
        assert self.process.poll() is None, self.log.read_text()

    def tree(self) -> list[psutil.Process]:
        assert self.process is not None
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def status(self) -> dict:
        return json.loads(self.run("status", "--json").stdout)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"


def gone(processes: list[psutil.Process]) -> bool:
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # the database's own user must get there
    found = Dev(folder / "data")
    found.up()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.send_signal(signal.SIGTERM)
        found.process.wait(40)


class TestUp:
    def test_prints_where_to_go(self, dev: Dev) -> None:
        assert f"{dev.origin}/go/demo" in dev.log.read_text()
        assert f"{dev.origin}/inbox" in dev.log.read_text()
        assert httpx.get(f"{dev.origin}/go/demo", follow_redirects=True, trust_env=False).status_code == 200

    def test_status_as_promised(self, dev: Dev) -> None:
        """README.md."""
        found = dev.status()
        assert set(found) == {"origin", "inbox", "postgres", "kafka", "services", "processes"}
        assert set(found["processes"]) == {"postgres", "kafka", "inbox", "provider"}
        for service in ("identity", "recovery", "mfa", "notifier", "privacy", "gateway"):
            one = found["services"][service]
            assert psutil.pid_exists(one["pid"])
            assert Path(one["log"]).exists()
            assert one["url"].startswith("http://")
        assert set(found["postgres"]) >= {"identity", "notifier"}

    def test_a_killed_service_is_back(self, dev: Dev) -> None:
        """Within 10 s."""
        before = dev.status()["services"]["identity"]["pid"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: dev.status()["services"]["identity"]["pid"] != before, 10)
        eventually(lambda: httpx.get(f"{dev.origin}/v1/apps/demo", trust_env=False).status_code == 200, 10)

    def test_twice_on_one_folder(self, dev: Dev) -> None:
        again = dev.run("up")
        assert again.returncode == 1
        assert "runs already" in again.stderr

    def test_a_taken_port(self, dev: Dev, tmp_path: Path) -> None:
        """A clear sentence, and nothing is left running."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            found = dev.run("up", LATCHKEY_PORT=port, LATCHKEY_DATA_DIR=str(tmp_path / "other"))
        assert found.returncode == 1
        assert port in found.stderr
        assert "Traceback" not in found.stderr


class TestDown:
    """In this order: what stops the shared product comes last."""

    def test_data_survive_a_restart_and_ctrl_c_leaves_nothing(self, dev: Dev) -> None:
        body = {"identifiers": {"email": "kept@posteo.example"}, "password": PASSWORD, "client": "api"}
        with httpx.Client(base_url=dev.origin, trust_env=False, timeout=20) as http:
            flow = http.post("/v1/apps/demo/registrations", json=body).json()
            inbox = lambda: http.get("/inbox/messages", params={"to": "kept@posteo.example"}).json()["items"]  # noqa: E731
            text = eventually(inbox, 10)[0]["text"]
            token = re.search(r"/l/(\S+)", text)[1]
            headers = {"Latchkey-Flow": flow["flow_token"]}
            assert http.post("/v1/apps/demo/links/confirm", json={"token": token}, headers=headers).status_code == 200
        processes = dev.tree()
        assert len(processes) > 8
        dev.process.send_signal(signal.SIGINT)
        assert dev.process.wait(40) == 0
        eventually(lambda: gone(processes), 5)
        assert dev.run("status").returncode == 1
        dev.up()
        with httpx.Client(base_url=dev.origin, trust_env=False, timeout=20) as http:
            flow = http.post("/v1/apps/demo/sign-ins", json={"identifier": "kept@posteo.example", "client": "api"}).json()
            path, headers = f"/v1/apps/demo/sign-ins/{flow['id']}/password", {"Latchkey-Flow": flow["flow_token"]}
            assert http.post(path, json={"password": PASSWORD}, headers=headers).json()["status"] == "complete"

    def test_killed_it_leaves_nothing_either(self, dev: Dev) -> None:
        processes = dev.tree()
        dev.process.kill()
        dev.process.wait(10)
        eventually(lambda: gone(processes), 15)
