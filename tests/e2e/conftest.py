"""One running product for all end-to-end tests of a worker: two gateways, two identities, everything else once."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
import yaml
from aiokafka import AIOKafkaConsumer
from devstack.infrastructure import Infrastructure
from latchkey_contracts.topics import PUBLISHERS, events_topic
from playwright.sync_api import Browser, sync_playwright
from testkit.records import alone
from testkit.stack import Person, Product, eventually, person, running

from .window import WIDE, Visitor

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all that share the product; the crash tests have their own and may go beside them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("crash" if item.path.name == "test_crashes.py" else "e2e"))


# The operator's list of breached passwords in these tests.
LEAKED = [f"leaked from somewhere {number}" for number in range(50)]


def write_breaches(path: Path, passwords: list[str]) -> None:
    """Replaces the list at once: processes that have the old one mapped go on with it."""
    lines = sorted(hashlib.sha1(one.encode(), usedforsecurity=False).hexdigest().upper() for one in passwords)
    part = path.with_suffix(".part")
    part.write_text("".join(f"{line}:1\n" for line in lines))
    part.replace(path)


def configuration(folder: Path) -> Path:
    """The default one, and beside it: `names` (usernames only), `open` (no activation), `lost` (total-loss recovery), `lostopen` (the same without activation), `lostcalls` (the same with phones), `brief` (sessions of a minute), `closed` (no recovery), `zinnia` (another brand and store), `calls` (all three identifiers, e-mail or phone)."""
    document = yaml.safe_load((ROOT / "config" / "latchkey.yaml").read_text())
    demo = document["applications"][0]
    document["identity_stores"] += [
        {"name": "Names", "identifiers": {"username": {"use": "required"}, "email": {"use": "hidden"}}},
        {"name": "Other"},
        {
            "name": "All three",
            "identifiers": {"username": {"use": "optional"}, "email": {"use": "optional"}, "phone": {"use": "required"}},
        },
    ]
    document["self_service_policies"] += [
        {"name": "Open", "registration": {"activation": False}},
        {"name": "Lost", "total_loss_recovery": {"enabled": True}},
        {"name": "Lost, open", "total_loss_recovery": {"enabled": True}, "registration": {"activation": False}},
        {"name": "Brief", "session": {"idle": "1 min"}},
        {"name": "Closed", "password_reset": {"enabled": False}, "username_reminder": {"enabled": False}},
    ]
    brand = {"name": "Zinnia", "brand": "#ffc43a", "accent": "#8c1763", "radii": "round"}
    for slug, store, policy in (
        ("names", "Names", "Default"),
        ("open", "Default", "Open"),
        ("lost", "Default", "Lost"),
        ("lostopen", "Default", "Lost, open"),
        ("lostcalls", "All three", "Lost"),
        ("brief", "Default", "Brief"),
        ("closed", "Default", "Closed"),
        ("zinnia", "Other", "Default"),
        ("calls", "All three", "Default"),
    ):
        other = {**demo, "slug": slug, "store": store, "self_service_policy": policy, "friendly_urls": [], "consents": []}
        document["applications"].append({**other, "brand": brand} if slug == "zinnia" else other)
    path = folder / "latchkey.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return path


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory, infrastructure: Infrastructure, run_prefix: str) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("stack")
    replicas = {"gateway": 2, "identity": 2}
    breaches = folder / "breaches.txt"
    write_breaches(breaches, LEAKED)
    with running(
        folder,
        infrastructure,
        f"{run_prefix}e2e-",
        configuration=configuration(folder),
        replicas=replicas,
        LATCHKEY_BREACH_FILE=str(breaches),
    ) as found:
        yield found
        found.wait_quiet()
        leaks = canaries(found, infrastructure.kafka_bootstrap)
        assert not leaks, f"secrets in clear (standards.md §0.2): {leaks}"
        assert not faults(found), "whatever was asked, nothing is our own fault"


@pytest.fixture
def http(product: Product) -> Iterator[httpx.Client]:
    eventually(product.all_ready, seconds=30)
    with product.client() as client:
        yield client


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return person(product, http)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_window(product: Product, browser: Browser, http: httpx.Client) -> Iterator:
    opened: list[Visitor] = []

    def make(size: tuple[int, int] = WIDE, *, script: bool = True, dark: bool = False, locale: str = "en-GB") -> Visitor:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
            locale=locale,
        )
        opened.append(Visitor(product, context))
        return opened[-1]

    yield make
    for one in opened:
        one.keep_cookies()
        one.context.close()
        assert not one.problems, one.problems
        assert one.origins <= {product.origin}, "WEB-13: nothing from anywhere else"


@pytest.fixture
def window(open_window) -> Visitor:
    return open_window()


async def records(bootstrap: str, prefix: str, publisher: str) -> list:
    """Every record of a topic from the first on, read by a plain consumer as anybody's service would."""
    topic = events_topic(publisher, prefix)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(batch)
        return found
    finally:
        await consumer.stop()


def read_records(bootstrap: str, prefix: str, publisher: str) -> list:
    return alone(lambda: records(bootstrap, prefix, publisher))


def spellings(secret: str) -> set[bytes]:
    raw = secret.encode()
    plain = {secret, secret.replace(" ", ""), quote(secret), raw.hex(), base64.b64encode(raw).decode().rstrip("="),
             base64.urlsafe_b64encode(raw).decode().rstrip("=")}  # fmt: skip
    return {one.encode() for one in plain}


def canaries(found: Product, bootstrap: str) -> list[str]:
    """The canary rule: no secret that anybody received stands in any database, topic or log, in any spelling.

    Six digits alone would be found by chance; a code is looked for as a word.
    """
    haystacks: dict[str, bytes] = {}
    for service, dsn in found.stack.postgres.items():
        haystacks[f"database {service}"] = dump(dsn)
    for publisher in PUBLISHERS:
        haystacks[f"topic {publisher}"] = b"\n".join(
            repr((record.key, record.value, record.headers)).encode()
            for record in read_records(bootstrap, found.stack.topic_prefix, publisher)
        )
    for child in found.stack.children.values():
        if child.name != "inbox":
            haystacks[f"log {child.name}"] = child.log.read_bytes()
    leaks = []
    for name, haystack in haystacks.items():
        for secret in found.secrets:
            is_code = re.fullmatch(r"[0-9]{3} ?[0-9]{3}", secret)
            for spelling in {secret.replace(" ", "").encode()} if is_code else spellings(secret):
                pattern = rb"(?<![0-9A-Za-z.])" + re.escape(spelling) + rb"(?![0-9A-Za-z])" if is_code else re.escape(spelling)
                if re.search(pattern, haystack) and not (is_code and b"." + spelling in haystack):
                    leaks.append(f"{name}: {'code' if is_code else 'secret'} of {len(secret)} characters")
    return leaks


def faults(found: Product) -> list[str]:
    """What our own code has logged as an error: a request that ended as 500, a sweep that fails again and again."""
    lines = [
        line for child in found.stack.children.values() if child.name != "inbox" for line in child.log.read_text().splitlines()
    ]
    logged = [json.loads(line) for line in lines if '"level":"error"' in line]
    return [
        f"{one['service']}: {one['event']} {one.get('exception')}" for one in logged if not one["module"].startswith("aiokafka")
    ]


def dump(dsn: str) -> bytes:
    """Every row of every table as text."""
    lines: list[str] = []
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            lines += [str(row[0]) for row in connection.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()]  # noqa: S608
    return "\n".join(lines).encode()
