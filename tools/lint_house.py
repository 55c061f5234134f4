"""House rules that no general linter knows, each with its reason. Exit code 1 and a line for each breach."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [
    *ROOT.glob("services/*/src/**/*.py"),
    *ROOT.glob("libs/servicekit/src/**/*.py"),
    *ROOT.glob("libs/contracts/src/**/*.py"),
]
_SQL = re.compile(r"^\s*(WITH|SELECT|INSERT INTO|UPDATE|DELETE FROM)\b[\s\S]*\b(FROM|INTO|SET|VALUES|AS)\b")
# servicekit's own stores, each its own feature.
_SQL_ALLOWED = re.compile(
    r"store\.py$|/servicekit/(outbox|inbox|parked|work|onetime|guessing|throttle|idempotency|configuration|health|migrations|wakeups|db)\.py$"
)
# Not our peers: the world's providers, each with outcomes of its own.
PROVIDERS = ("notifier/channels/http.py", "notifier/channels/https.py", "notifier/channels/twilio.py")
_LOGGED = re.compile(r"^(email|phone|password|token|code|username|identifier|name|address|to|link)$")
_REGISTRY_HOSTS = re.compile(
    r"py[p]i[.]org|python[h]osted|npm[j]s[.](org|com)|deb[.]debian|repo1[.]maven|proxy[.]golang|static[.]crates"
)


def breaches(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    place = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _SQL.match(node.value)
            and not _SQL_ALLOWED.search(place)
        ):
            yield node.lineno, "SQL belongs into the feature's store.py, where all of it can be read in one place"
        if isinstance(node, ast.Call):
            yield from _call(node, place)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import(node, place)


def _call(node: ast.Call, place: str) -> Iterator[tuple[int, str]]:
    said = ast.unparse(node.func)
    if (
        said in {"datetime.now", "datetime.utcnow", "time.time"}
        and not place.endswith(("clock.py", "ids.py"))
        and not place.endswith("smtp.py")
    ):
        yield node.lineno, "time comes from the injected clock, so that tests can move it"
    if said.startswith(("log.", "security_event")):
        for keyword in node.keywords:
            if keyword.arg and _LOGGED.match(keyword.arg):
                yield node.lineno, f"{keyword.arg} is personal or secret and is never logged; log ids"
    if said.endswith(".subscriber") and not place.endswith("servicekit/broker.py"):
        yield node.lineno, "consume with servicekit.broker.subscribe(): anything else loses or doubles records (stack.md §5)"


def _import(node: ast.Import | ast.ImportFrom, place: str) -> Iterator[tuple[int, str]]:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
    for name in names:
        if name.split(".")[0] == "asyncpg" and not place.endswith("servicekit/db.py"):
            yield node.lineno, "only servicekit.db imports asyncpg"
        if name in {"httpx", "aiohttp"} and not place.endswith(
            ("client.py", "servicekit/transport.py", "gateway/app.py", *PROVIDERS)
        ):
            yield node.lineno, "calls to peers go through servicekit.client, with caller, deadline and circuit breaker"
        if (
            name == "aiokafka"
            and any(one.name == "AIOKafkaProducer" for one in node.names)
            and not place.endswith(("outbox.py", "kafka.py"))
        ):
            yield node.lineno, "only the relay produces: whoever publishes calls tx.emit (REL-1)"


def main() -> int:
    found = [f"{path.relative_to(ROOT)}:{line}: {reason}" for path in SOURCES for line, reason in breaches(path)]
    kinds = {".md", ".txt", ".toml", ".yaml", ".yml", ".lock", ".in", ".py"}
    texts = [
        path
        for path in [*ROOT.glob("*.*"), *ROOT.glob("docs/**/*"), *ROOT.glob("tools/*")]
        if path.is_file() and path.suffix in kinds
    ]
    found += [
        f"{path.relative_to(ROOT)}: names a package registry's host"
        for path in texts
        if path.name != "lint_house.py" and _REGISTRY_HOSTS.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    print("\n".join(found) or "house rules: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
