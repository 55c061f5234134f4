"""`latchkey apply FILE`: a configuration file to identity, all or nothing, with every error at once."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .caller import Caller, Signer
from .client import InternalClient
from .clock import Clock
from .errors import ServiceError
from .keys import Keys


@dataclass
class Report:
    """`errors`, `warnings`: (path, reason)."""

    applied: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        said = [f"  {path or '/'}: {reason}" for path, reason in self.errors]
        said += [f"  note  {path}: {reason}" for path, reason in self.warnings]
        if self.errors:
            return [*said, "nothing was applied"]
        said += [f"  applied {name}" for name in self.applied]
        return [*said, f"{len(self.applied)} applied, {len(self.unchanged)} unchanged"]


class _NoDuplicates(yaml.SafeLoader):
    """A key that stands twice is a mistake that YAML would hide."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)  # type: ignore[no-untyped-call]
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands here twice", key_node.start_mark)
            seen.add(key)
        return dict(super().construct_mapping(node, deep=deep))


def read(path: Path) -> tuple[object, list[tuple[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.load(text, _NoDuplicates) or {}, []  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        return None, [(str(path), f"can't be read: {error}")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return None, [(where, str(getattr(error, "problem", None) or "is not YAML"))]


def apply_file(path: Path, *, identity_url: str, keys_dir: Path) -> Report:
    document, problems = read(path)
    if problems:
        return Report(errors=problems)
    return asyncio.run(_apply(document, identity_url, keys_dir))


async def _apply(document: object, identity_url: str, keys_dir: Path) -> Report:
    clock = Clock()
    client = InternalClient("identity", identity_url, Signer("operator", Keys(keys_dir), clock), clock, timeout=30)
    try:
        answer = await client.request("POST", "/internal/configuration", caller=Caller("operator"), json=document)
    except ServiceError as error:
        found = [(one["field"], one["message"]) for one in error.extra.get("errors", [])]
        return Report(errors=found or [("", f"identity answered {error.code}")])
    finally:
        await client.close()
    return Report(answer["applied"], answer["unchanged"], [(one["path"], one["reason"]) for one in answer["warnings"]])


def print_report(report: Report) -> int:
    for line in report.lines():
        print(line)  # noqa: T201 - a command's answer
    return 1 if report.errors else 0
