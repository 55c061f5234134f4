"""`latchkey apply FILE`: a configuration file to identity, all or nothing, with every error at once."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import yaml

from servicekit.errors import Overloaded, ServiceError

from . import operators


def named(document: object, pointer: str) -> str:
    """A place as an operator finds it in the file: applications[demo].brand.accent. `pointer`: /applications/0/brand/accent."""
    said, here = "", document
    for part in pointer.strip("/").split("/"):
        if isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
            names = [here.get(name) for name in ("name", "slug", "id")] if isinstance(here, dict) else []
            part = next((str(name) for name in names if isinstance(name, str | int)), part)  # noqa: PLW2901
            said += f"[{part}]"
            continue
        said += f"[{part}]" if isinstance(here, list) else f".{part}"
        here = here.get(part) if isinstance(here, dict) else None
    return said.strip(".")


@dataclass
class Report:
    """`errors`, `warnings`: (place, reason)."""

    applied: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        said = [f"  {path or 'the file'}: {reason}" for path, reason in self.errors]
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
        self.flatten_mapping(node)
        # A name is what is written, whatever YAML takes it for: +1 and NO are countries, not 1 and false.
        return {key_node.value: self.construct_object(value_node, deep=deep) for key_node, value_node in node.value}


# In values neither: of the words for yes and no only true and false are left, and no number here has a plus. Switches understand
# the other words all the same.
_Strict.yaml_implicit_resolvers = {
    first: [one for one in found if first not in set("+yYnNoO") or one[0] == "tag:yaml.org,2002:null"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
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
        found = [(named(document, one["field"]), one["message"]) for one in error.extra.get("errors", [])]
        return Report(errors=found or [("", f"identity answered {error.code}")])
    except FileNotFoundError as error:
        return Report(errors=[(str(error.filename), "there is no operator's key; `latchkey keys init` makes it")])
    return Report(
        answer["applied"], answer["unchanged"], [(named(document, one["path"]), one["reason"]) for one in answer["warnings"]]
    )


def print_report(report: Report) -> int:
    for line in report.lines():
        print(line)  # noqa: T201 - a command's answer
    return 1 if report.errors else 0
