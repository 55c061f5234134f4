"""Numbers of requirements and names of documents, wherever they are named: each leads somewhere in this repository."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "docs" / "requirements.md"
_KINDS = {".py", ".md", ".sql", ".html", ".css", ".js", ".toml", ".yaml", ".yml", ".in", ".po"}
_FAMILIES = "API|BRF|ENU|EVT|FRD|INV|LNK|LOG|NOT|OTP|PRV|PST|PWD|REC|REG|REL|SES|STP|THR|WEB"
_ID = re.compile(rf"(?<![\w#&/.+-])(?:(?:{_FAMILIES})-\d{{1,2}}|[RDE]\d{{1,2}})(?![\w.]*\w)")
_DEFINED = re.compile(r"^- ([A-Z]+-?\d+): ", re.MULTILINE)
_DOCUMENT = re.compile(r"(?<![\w*])([\w./-]*\w\.md)\b")
# Written by people for people, and true when it was written; or data of others.
_LEFT_ALONE = re.compile(r"^CHANGELOG\.md$|/locale/|\.lock$|/samples/|/tests/twilio/|tools/lint_references\.py$")


def sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.splitlines() if not _LEFT_ALONE.search(name)]
    return [path for path in paths if path.suffix in _KINDS and path.is_file()]


def defined() -> set[str]:
    return set(_DEFINED.findall(REQUIREMENTS.read_text(encoding="utf-8")))


def breaches(path: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) for each number that isn't in docs/requirements.md and each document that there isn't."""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if path != REQUIREMENTS:
            yield from ((number, f"{one} isn't in docs/requirements.md") for one in _ID.findall(line) if one not in known)
        for name in _DOCUMENT.findall(line):
            if not any((folder / name).is_file() for folder in (path.parent, ROOT, ROOT / "docs", ROOT / "docs" / "flows")):
                yield number, f"there is no document {name} in this repository"


def found() -> list[str]:
    known = defined()
    return [f"{path.relative_to(ROOT)}:{line}: {reason}" for path in sources() for line, reason in breaches(path, known)]
