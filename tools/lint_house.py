"""House rules that no general linter knows, each with its reason. Exit code 1 and a line for each breach."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import lint_references

ROOT = Path(__file__).parents[1]
SOURCES = [
    *ROOT.glob("services/*/src/**/*.py"),
    *ROOT.glob("libs/servicekit/src/**/*.py"),
    *ROOT.glob("libs/cli/src/**/*.py"),
    *ROOT.glob("libs/contracts/src/**/*.py"),
]
SIZED = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/*/src/**/*.py")]
MOST_LINES, MOST_LINES_OF_FUNCTION = 300, 40
_SQL = re.compile(r"^\s*(WITH|SELECT|INSERT INTO|UPDATE|DELETE FROM)\b[\s\S]*\b(FROM|INTO|SET|VALUES|AS)\b")
# A feature's store, or several of one feature, each for a use (`showing_store.py`); and servicekit's own, each its own feature.
_SQL_ALLOWED = re.compile(
    r"/([a-z]+_)?store\.py$|/servicekit/(throttle|db|events/(outbox|inbox|parked|work|wakeups|messages)|proof/guessing|web/(idempotency|step_up)"
    r"|process/(configuration|health|migrations))\.py$"
)
_NO_TRANSACTION = re.compile(r"^services/.*/(\w*routes|consumers|rules|\w*store)\.py$")
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
            yield (
                node.lineno,
                "SQL belongs into the feature's store.py or <use>_store.py, where all of it can be read in one place",
            )
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
    if said.endswith(".transaction") and _NO_TRANSACTION.search(place):
        yield node.lineno, "a transaction is opened by the use case; a FastAPI dependency would commit after the answer"
    if said.endswith(".subscriber") and not place.endswith("servicekit/events/broker.py"):
        yield node.lineno, "consume with servicekit.events.broker.subscribe(): anything else loses or doubles records (REL-4)"


def _import(node: ast.Import | ast.ImportFrom, place: str) -> Iterator[tuple[int, str]]:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    for name in names:
        if name.split(".")[0] == "asyncpg" and not place.endswith(("servicekit/db.py", "servicekit/connection.py")):
            yield node.lineno, "only servicekit.db and servicekit.connection import asyncpg"
        if name == "servicekit.db" and any(alias.name == "Record" for alias in node.names) and not _SQL_ALLOWED.search(place):
            yield node.lineno, "a store answers dataclasses: whoever takes a Record misspells a column and no tool says so"
        if name.split(".")[0] in {"httpx", "aiohttp"} and not place.endswith("servicekit/web/transport.py"):
            yield (
                node.lineno,
                "one HTTP client: servicekit.web.client to our peers, servicekit.web.transport to the rest of the world",
            )
        if (
            name == "aiokafka"
            and any(alias.name == "AIOKafkaProducer" for alias in node.names)
            and not place.endswith(("outbox.py", "kafka.py"))
        ):
            yield node.lineno, "only the relay produces: whoever publishes calls tx.emit (REL-1)"


def too_long(path: Path) -> Iterator[tuple[int, str]]:
    """A function counts from its `def` to its end, with the functions in it."""
    text = path.read_text(encoding="utf-8")
    if (lines := len(text.splitlines())) > MOST_LINES:
        yield (
            1,
            f"the file has {lines} lines, {MOST_LINES} are the most: split it by what its parts are for, so that a name finds them",
        )
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_OF_FUNCTION:
                most = f"{lines} lines, {MOST_LINES_OF_FUNCTION} are the most"
                yield node.lineno, f"{node.name} has {most}: a reader sees it at a glance, or its parts have names"


def main() -> int:
    found = [f"{path.relative_to(ROOT)}:{line}: {reason}" for path in SOURCES for line, reason in breaches(path)]
    found += [f"{path.relative_to(ROOT)}:{line}: {reason}" for path in SIZED for line, reason in too_long(path)]
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
    found += lint_references.found()
    print("\n".join(found) or "house rules: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
