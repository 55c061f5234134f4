"""Every press is answered with a redirect (WEB-5): what came of it waits in a sealed cookie for the page after it.

So back, reload and stop work everywhere. The address names it by a random word: opened plainly, the page is as new. A password
or a code is never kept.
"""

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from servicekit.errors import ServiceError
from servicekit.web.problems import from_problem, problem

from gateway.web.sealed import seal, unseal

LIFETIME = timedelta(minutes=10)
_NEVER_KEPT = frozenset({"password", "password_again", "current_password", "code", "match", "csrf", "link", "credential"})
_MOST = 2500  # characters; browsers drop cookies above 4096 bytes


@dataclass(frozen=True)
class Again:
    """`values`: what was typed. `problem`: why it went no further. `done`: the word of what was done, where no flow says it."""

    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    problem: ServiceError | None = None
    done: str | None = None


def new_name() -> str:
    return secrets.token_urlsafe(6)


def write(key: bytes, path: str, name: str, again: Again, now: datetime) -> str:
    """The cookie's value. What is longer than a cookie may be is left out, the longest first."""
    values = {field: value for field, value in again.values.items() if field not in _NEVER_KEPT and value}
    why = orjson.loads(orjson.dumps(problem(again.problem, ""), default=str)) if again.problem is not None else None
    while True:
        content = {"name": name, "at": now.timestamp(), "values": values, "problem": why, "done": again.done}
        sealed = seal(key, f"again {path}", content)
        if len(sealed) <= _MOST or not values:
            return sealed
        del values[max(values, key=lambda field: len(values[field]))]


def read(key: bytes, path: str, name: str | None, cookie: str | None, now: datetime) -> Again:
    """Nothing, where it is of another press, of another page, or too old."""
    kept = unseal(key, f"again {path}", cookie) if name else None
    if kept is None or kept["name"] != name:
        return Again()
    passed = now.timestamp() - kept["at"]
    if not 0 <= passed <= LIFETIME.total_seconds():
        return Again()
    return Again(kept["values"], _remaining(kept["problem"], passed), kept["done"])


def _remaining(why: dict[str, object] | None, passed: float) -> ServiceError | None:
    """A wait that is over is no problem any more."""
    if why is None:
        return None
    wait = why.get("retry_after_seconds")
    if isinstance(wait, int | float):
        if wait <= passed:
            return None
        why["retry_after_seconds"] = wait - passed
    status = why["status"]
    return from_problem(why, status if isinstance(status, int) else 500)
