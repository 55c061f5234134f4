"""Kill -9 two hundred times, just after the provider has taken a message and before that is written down (REL-7, INV-12, INV-17)."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from devstack import providers
from latchkey_contracts.templates import TEMPLATES
from servicekit.clock import Clock
from testkit.inboxes import LocalInbox

from ..conftest import APPLICATION, POLICY, Notifier, number

pytestmark = [pytest.mark.crash]
PROGRAM = Path(__file__).with_name("crashing.py")


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInbox]:
    found = LocalInbox(tmp_path_factory.mktemp("inbox"))
    yield found
    found.kill()


@pytest.fixture
def without_twilio(inbox: LocalInbox, tmp_path: Path) -> Path:
    """The mail server, and for texts the provider that knows an idempotency key."""
    path = tmp_path / "providers.toml"
    path.write_text(inbox.providers_file.read_text())
    kept = [one for one in providers.read(path) if one["name"] != "twilio"]
    lines = [line for one in kept for line in ("[[provider]]", *(f"{key} = {json.dumps(value)}" for key, value in one.items()))]
    path.write_text("\n".join(lines) + "\n")
    return path


async def crash(dsn: str, notifier: Notifier, tmp_path: Path, file: Path, *, point: str, times: int) -> int:
    failpoints = tmp_path / "failpoints"
    failpoints.mkdir()
    clock = tmp_path / "clock"
    clock.write_text(str((notifier.clock.now() - Clock().now()).total_seconds()))
    policy = {**POLICY, "spending": {"per_hour": 100_000, "per_day": 100_000}}
    command = [
        sys.executable, str(PROGRAM), "--dsn", dsn, "--application", json.dumps(APPLICATION), "--policy", json.dumps(policy),
        "--point", point, "--clock", str(clock), "--keys", str(notifier.keys._directory), "--providers", str(file),
        "--failpoints", str(failpoints), "--times", str(times),
    ]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.strip().splitlines()[-1])


def copies(inbox: LocalInbox, wanted: set[str]) -> Counter[str]:
    ids = [(one["message_id"] or "").strip("<>").partition("@")[0] for one in inbox.items()]
    return Counter(one for one in ids if one in wanted)


class TestKilledAfterTheProviderHasIt:
    async def test_two_hundred_mails(self, dsn, notifier: Notifier, inbox: LocalInbox, tmp_path: Path, without_twilio: Path):
        """INV-17, docs/decisions/0004: none lost; the one in the window twice at most, under one Message-ID."""
        messages = {str(await notifier.queue(lifetime=timedelta(days=2))) for _ in range(200)}
        deaths = await crash(dsn, notifier, tmp_path, without_twilio, point="after_provider_accept", times=200)
        assert deaths >= 190
        found = copies(inbox, messages)
        assert set(found) == messages
        assert max(found.values()) == 2
        for row in await notifier.rows():  # who was killed in it twice can't be known to have it, and is told so
            assert row["state"] == "handed_over" or (row["state"], found[str(row["id"])]) == ("failed", 2)

    async def test_texts_by_a_provider_with_a_key(
        self, dsn, notifier: Notifier, inbox: LocalInbox, tmp_path: Path, without_twilio
    ):
        """REL-7: exactly once; and what it cost is counted for each time that it may have been sent (INV-12)."""
        assert "sms" in TEMPLATES["password_reset"].channels
        more: dict[str, Any] = {"channel": "sms", "template": "password_reset", "code": "482193", "lifetime": timedelta(days=2)}
        messages = {str(await notifier.queue(**more, to=number(one))) for one in range(40)}
        deaths = await crash(dsn, notifier, tmp_path, without_twilio, point="after_provider_accept", times=40)
        assert deaths >= 35
        assert copies(inbox, messages) == Counter(dict.fromkeys(messages, 1))
        rows = await notifier.rows()
        async with notifier.db.read() as conn:
            spent = await conn.fetchval("SELECT sum(amount) FROM budget WHERE period = 'day'")
        assert spent == sum(row["cost"] for row in rows) == 800 * sum(row["attempts"] for row in rows)

    async def test_before_the_provider_has_it(self, dsn, notifier: Notifier, inbox: LocalInbox, tmp_path: Path, without_twilio):
        """Nothing was sent, so each is sent once. Who is killed there twice can't be known to have had none: it is told as failed."""
        messages = {str(await notifier.queue(lifetime=timedelta(days=2))) for _ in range(40)}
        assert await crash(dsn, notifier, tmp_path, without_twilio, point="before_provider", times=20) >= 18
        found = copies(inbox, messages)
        for row in await notifier.rows():
            outcome = (row["state"], row["attempts"], found[str(row["id"])])
            assert outcome in {("handed_over", 1, 1), ("handed_over", 2, 1), ("failed", 2, 0)}
        assert len(found) >= 28
