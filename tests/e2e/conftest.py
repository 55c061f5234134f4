"""One running product for all end-to-end tests of a worker: two gateways, two identities, everything else once."""

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import quote

import httpx
import psycopg
import pytest
import yaml
from aiokafka import AIOKafkaConsumer
from devstack.infrastructure import Infrastructure
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.topics import PUBLISHERS, events_topic
from playwright.sync_api import Browser
from testkit.records import alone, faults_of
from testkit.running import running
from testkit.stack import Person, Product, eventually, person

from .window import WIDE, Visitor

ROOT = Path(__file__).parents[2]


# The operator's list of breached passwords in these tests.
LEAKED = [f"leaked from somewhere {number}" for number in range(50)]


def write_breaches(path: Path, passwords: list[str]) -> None:
    """Replaces the list at once: processes that have the old one mapped go on with it."""
    lines = sorted(hashlib.sha1(one.encode(), usedforsecurity=False).hexdigest().upper() for one in passwords)
    part = path.with_suffix(".part")
    part.write_text("".join(f"{line}:1\n" for line in lines))
    part.replace(path)


def configuration(folder: Path, *return_urls: str) -> Path:
    """The default one, and beside it: `names` (usernames only), `open` (no activation), `lost` (total-loss recovery), `lostopen` (the same without activation), `lostcalls` (the same with phones), `brief` (sessions of a minute), `later` (the password last), `off` (whatever a policy can switch off), `closed` (no recovery), `zinnia` (another brand and store), `calls` (all three identifiers, e-mail or phone), `required` (a second factor is required), `wary` (no provider's word about an address counts)."""
    document = yaml.safe_load((ROOT / "config" / "latchkey.yaml").read_text())
    demo = document["applications"][0]
    demo["return_urls"] += return_urls
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
        {"name": "Later", "password_input": {"defer": True}},
        {"name": "Brief", "session": {"idle": "1 min"}},
        {
            "name": "Off",
            **{
                name: {"enabled": False}
                for name in (
                    "registration",
                    "username_reminder",
                    "password_reset",
                    "password_change",
                    "personal_information",
                    "notification_preferences",
                )
            },
        },
        {"name": "Closed", "password_reset": {"enabled": False}, "username_reminder": {"enabled": False}},
    ]
    document["access_policies"].append({"name": "Required", "second_factor": {"required": True}})
    brand = {"name": "Zinnia", "brand": "#ffc43a", "accent": "#8c1763", "radii": "round"}
    for slug, store, policy in (
        ("names", "Names", "Default"),
        ("open", "Default", "Open"),
        ("lost", "Default", "Lost"),
        ("lostopen", "Default", "Lost, open"),
        ("lostcalls", "All three", "Lost"),
        ("brief", "Default", "Brief"),
        ("later", "Default", "Later"),
        ("off", "Default", "Off"),
        ("closed", "Default", "Closed"),
        ("zinnia", "Other", "Default"),
        ("calls", "All three", "Default"),
        ("required", "Default", "Default"),
        ("wary", "Default", "Default"),
    ):
        other = {**demo, "slug": slug, "store": store, "self_service_policy": policy, "friendly_urls": [], "consents": []}
        if store == "All three":  # an account may begin with a phone
            other["notification_policy"] = "Phone first"
        if slug == "off":
            other |= {"friendly_urls": ["shopper-club"], "disabled_urls": ["former-club"]}
        if slug == "wary":
            other["social"] = [{**demo["social"][0], "authoritative": False}]
        if slug == "required":
            other["access_policy"] = "Required"
        document["applications"].append({**other, "brand": brand} if slug == "zinnia" else other)
    path = folder / "latchkey.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return path


class Shop(BaseHTTPRequestHandler):
    """Somebody's site on another origin, to which customers go back."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>Shop</title><h1>Welcome to the shop</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def shop() -> Iterator[str]:
    """The registered address of it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/welcome"
        server.shutdown()


@pytest.fixture(scope="package")
def product(
    tmp_path_factory: pytest.TempPathFactory, infrastructure: Infrastructure, run_prefix: str, shop: str
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("stack")
    replicas = {"gateway": 2, "identity": 2}
    breaches = folder / "breaches.txt"
    write_breaches(breaches, LEAKED)
    with running(
        folder,
        infrastructure,
        f"{run_prefix}e2e-",
        configuration=configuration(folder, shop),
        replicas=replicas,
        LATCHKEY_BREACH_FILE=str(breaches),
    ) as found:
        yield found
        found.wait_quiet()
        leaks = canaries(found, infrastructure.kafka_bootstrap)
        assert not leaks, f"secrets in clear (INV-7): {leaks}"
        wrong = misattributed(found, infrastructure.kafka_bootstrap)
        assert not wrong, f"whose events they are, and who did it (EVT-5): {wrong}"
        assert not faults(found), "whatever was asked, nothing is our own fault"


@pytest.fixture
def http(product: Product) -> Iterator[httpx.Client]:
    eventually(product.all_ready, seconds=30)
    with product.client() as client:
        yield client


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return person(product, http)


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
        assert one.origins <= {product.origin, *one.expected}, "WEB-13: nothing from anywhere else"


@pytest.fixture
def window(open_window) -> Visitor:
    return open_window()


async def records(bootstrap: str, prefix: str, publisher: str) -> list:
    """Every record of a topic from the first on, read by a plain consumer as anybody's service would."""
    topic = events_topic(publisher, prefix)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
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
    codes = {secret.replace(" ", "").encode() for secret in found.secrets if _CODE.fullmatch(secret)}
    others = {spelling for secret in found.secrets if not _CODE.fullmatch(secret) for spelling in spellings(secret)}
    leaks = []
    for name, haystack in haystacks.items():
        words = set(re.findall(rb"[0-9A-Za-z]+", haystack))
        leaks += [f"{name}: a code" for code in codes & words if stands_alone(code, haystack)]
        leaks += [f"{name}: a secret of {len(secret)} bytes" for secret in contained(others, haystack)]
    return leaks


_CODE = re.compile(r"[0-9]{3} ?[0-9]{3}")


def stands_alone(code: bytes, haystack: bytes) -> bool:
    """Not as a part of a number, or as its decimals."""
    return b"." + code not in haystack and re.search(rb"(?<![0-9A-Za-z.])" + code + rb"(?![0-9A-Za-z])", haystack) is not None


def contained(needles: set[bytes], haystack: bytes) -> set[bytes]:
    """By grep: it looks for thousands at once, in one pass."""
    with TemporaryDirectory() as folder:
        listed, text = Path(folder) / "needles", Path(folder) / "text"
        listed.write_bytes(b"\n".join(needles) + b"\n")
        text.write_bytes(haystack)
        asked = ["grep", "--text", "--only-matching", "--fixed-strings", "--file", str(listed), str(text)]
        found = subprocess.run(asked, capture_output=True, check=False, env={"LC_ALL": "C"})
    assert found.returncode in {0, 1}, found.stderr
    return set(found.stdout.split(b"\n")) - {b""}


def misattributed(found: Product, bootstrap: str) -> set[str]:
    """Of every event that any journey has published; those that a test has put there itself have another source."""
    wrong: set[str] = set()
    for publisher in PUBLISHERS:
        for record in read_records(bootstrap, found.stack.topic_prefix, publisher):
            attributes = wire.peek(record.headers)
            if attributes.get("source", "").startswith(found.origin) and attributes.get("type") in Event.registry:
                wrong.update(faults_of(wire.decode(record.value, record.headers), attributes))
    return wrong


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
