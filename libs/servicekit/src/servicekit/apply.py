"""`latchkey apply FILE`: a configuration file to identity, all or nothing, with every error at once."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import yaml

from . import operators
from .errors import Overloaded, ServiceError


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


class _Strict(yaml.SafeLoader):
    """A name that stands twice is a mistake that YAML would hide."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a name must be a plain text", key_node.start_mark)
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key_node.value} stands here twice", key_node.start_mark)
            seen.add(key_node.value)
        return {str(name): value for name, value in super().construct_mapping(node, deep=deep).items()}


# What looks like a date is a text: JSON knows no dates.
_Strict.add_constructor("tag:yaml.org,2002:timestamp", _Strict.construct_yaml_str)  # type: ignore[type-var]  # the stubs' own slip


def read(path: Path) -> tuple[object, list[tuple[str, str]]]:
    """The document, or where and why it can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.load(text, _Strict) or {}  # noqa: S506 - a SafeLoader
        orjson.dumps(document)
        return document, []
    except (OSError, UnicodeDecodeError) as error:
        return None, [(str(path), f"can't be read: {error}")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return None, [(where, str(getattr(error, "problem", None) or "is not YAML"))]
    except (RecursionError, orjson.JSONEncodeError) as error:
        return None, [(str(path), f"holds what JSON can't: {error}")]


def apply_file(path: Path, *, identity_url: str, keys_dir: Path) -> Report:
    document, problems = read(path)
    if problems:
        return Report(errors=problems)
    return asyncio.run(apply_document(document, identity_url, keys_dir))


async def apply_document(document: object, identity_url: str, keys_dir: Path) -> Report:
    try:
        answer = await operators.call("identity", identity_url, keys_dir, "POST", "/internal/configuration", json=document)
    except Overloaded:
        return Report(errors=[(identity_url, "identity does not answer")])
    except ServiceError as error:
        found = [(one["field"], one["message"]) for one in error.extra.get("errors", [])]
        return Report(errors=found or [("", f"identity answered {error.code}")])
    except FileNotFoundError as error:
        return Report(errors=[(str(error.filename), "there is no operator's key; `latchkey keys init` makes it")])
    return Report(answer["applied"], answer["unchanged"], [(one["path"], one["reason"]) for one in answer["warnings"]])


def print_report(report: Report) -> int:
    for line in report.lines():
        print(line)  # noqa: T201 - a command's answer
    return 1 if report.errors else 0
