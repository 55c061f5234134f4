"""What README.md tells people to do works as it stands, and a second time in the same stack."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from devstack.infrastructure import Infrastructure
from latchkey_contracts.topics import events_topic
from testkit.stack import CODE, LINK, Product

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ORIGIN = "http://localhost:8080"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def walked(product: Product) -> str:
    script = "\n".join(blocks("sh")).replace(ORIGIN, product.origin)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    product.secrets |= {
        *re.findall(r'"(?:flow_)?token":"([\w-]+)"', done.stdout),
        *LINK.findall(done.stdout),
        *CODE.findall(done.stdout),
    }
    product.secrets |= {"four unrelated words here", "seven copper lanterns drifting north"}
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_walk_through(product: Product, http: httpx.Client, time: str) -> None:
    """Registers, activates, signs in and out, sets a new password; again in the same stack, with another address."""
    assert ORIGIN in README
    said = walked(product)
    steps = re.findall(r'"status":"?(\w+)"?', said)
    assert steps == ["check_your_messages", "activated", "410", "complete", "401", "new_password", "complete"], (time, said)
    assert '"display_name":"Grace"' in said
    assert "\n204\n" in said.replace("}204", "}\n204")


@contextmanager
def following(command: list[str]) -> Iterator[list[str]]:
    """The lines that it has written; ended at the end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(10)


def one_registration(product: Product, http: httpx.Client, mira, command: list[str]) -> None:
    from testkit.stack import eventually

    with following(command) as lines:
        assert mira.register().status_code == 202
        whose = "SELECT account_id FROM registration_attempt WHERE id = %s"
        account = eventually(
            lambda: product.rows("identity", whose, mira.flow["id"])[0][0]
        )  # there is none until the mail leaves
        eventually(lambda: any(str(account) in line and " demo " in line for line in lines), seconds=60)


def test_the_subscriber_in_python(
    product: Product, http: httpx.Client, mira, tmp_path: Path, infrastructure: Infrastructure
) -> None:
    (source,) = [one for one in blocks("python") if "AIOKafkaConsumer" in one]
    topic = events_topic("identity")
    path = tmp_path / "subscriber.py"
    path.write_text(source.replace('events_topic("identity")', repr(product.stack.topic_prefix + topic)))
    one_registration(product, http, mira, [sys.executable, str(path), infrastructure.kafka_bootstrap])


def test_the_subscriber_in_javascript(
    product: Product, http: httpx.Client, mira, tmp_path: Path, infrastructure: Infrastructure
) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("the subscriber in JavaScript needs node and npm, which aren't installed here")
    (source,) = blocks("js")
    topic = events_topic("identity")
    assert topic in source
    path = tmp_path / "subscriber.mjs"
    path.write_text(source.replace(topic, product.stack.topic_prefix + topic))
    try:
        installed = subprocess.run(
            [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(tmp_path), "kafkajs@2.2.4"],
            capture_output=True,
            timeout=90,
            check=False,
        )
    except subprocess.TimeoutExpired:
        installed = None
    if installed is None or installed.returncode != 0:
        pytest.skip("kafkajs can't be installed here: npm reaches no registry in time")
    one_registration(product, http, mira, [node, str(path), infrastructure.kafka_bootstrap])
