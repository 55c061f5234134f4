"""What one simulated person does, through the public API alone: as the pages offer it, and as long as people wait."""

import time
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import httpx

from devstack.inbox import finder
from devstack.inbox.store import Message

from .people import Try

PATIENCE, FIRST_LOOK, LONGEST_PAUSE = 60.0, 0.2, 1.5  # seconds that really pass
PASSWORD = "correct horse staple battery"  # noqa: S105 - of invented people
LEFT = frozenset({"handed_over", "accepted", "delivered"})
T = TypeVar("T")


class Inbox:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def messages(self, **query: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._http.get("/inbox/messages", params=query).json()["items"]
        return items

    def more_than(self, count: int, to: str) -> list[dict[str, Any]] | None:
        """What came to this address, once there is more of it; None, if a person would not wait for longer."""

        def look() -> list[dict[str, Any]] | None:
            found = self.messages(to=to)
            return found if len(found) > count else None

        return _until(look)


class Acting:
    """`go` and `enroll` answer whether the person got what she came for."""

    def __init__(self, url: str, inbox: Inbox) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._inbox = inbox
        self._random = Random(7)  # noqa: S311 - a simulation

    def go(self, one: Try) -> bool:
        if one.customer:
            return self._sets_a_password(one.number)
        if one.again:
            return self._post("/password-resets", {"identifier": one.number, "client": "api"}, self._network()) is not None
        return self._registers(one.number, types=one.types, by_email=one.honest)

    def enroll(self, number: str) -> bool:
        return self._registers(number, types=True, by_email=False)

    # --- whom nobody knows ---------------------------------------------------------------------------------------------------

    def _registers(self, number: str, *, types: bool, by_email: bool) -> bool:
        """`by_email`: where no text comes, goes on by e-mail, as the waiting page offers it to everybody."""
        network = self._network()
        body = {"identifiers": {"phone": number}, "password": PASSWORD, "client": "api"}
        flow = self._post("/registrations", body, network)
        if flow is None:
            return False
        mine = {**network, "Latchkey-Flow": flow["flow_token"]}
        if self._finishes(flow["id"], mine, number, types=types):
            return True
        address = f"{number.removeprefix('+')}@posteo.example"
        going = self._post(f"/registrations/{flow['id']}/email", {"email": address}, mine) if by_email else None
        return going is not None and self._finishes(going["id"], mine, address, types=types)

    def _finishes(self, flow: str, headers: dict[str, str], to: str, *, types: bool) -> bool:
        """Has the code and, if she is one of those who do, types it. False: she waited for nothing, or it was refused."""
        path = f"/registrations/{flow}"
        if self._became(path, headers) not in LEFT or (code := _code(self._inbox.more_than(0, to))) is None:
            return False
        answer = self._post(f"{path}/code", {"code": code}, headers) if types else {"status": "activated"}
        return answer is not None and answer["status"] == "activated"

    def _became(self, path: str, headers: dict[str, str]) -> str:
        """What became of the message, in the words of the page that waits."""

        def look() -> str | None:
            answer = self._http.get(path, headers=headers)
            state: str = answer.json()["delivery"]["state"] if answer.status_code == 200 else "queued"
            return state if state != "queued" else None

        return _until(look) or "queued"

    # --- a customer ----------------------------------------------------------------------------------------------------------

    def _sets_a_password(self, number: str) -> bool:
        """By a code in a text message; and is told of it by another one, since a stranger might have done it."""
        network, before = self._network(), len(self._inbox.messages(to=number))
        flow = self._post("/password-resets", {"identifier": number, "client": "api"}, network)
        if flow is None or (code := _code(self._inbox.more_than(before, number))) is None:
            return False
        path, mine = f"/password-resets/{flow['id']}", {**network, "Latchkey-Flow": flow["flow_token"]}
        if self._post(f"{path}/code", {"code": code}, mine) is None:
            return False
        new = f"seven copper lanterns {self._random.randrange(10**9)}"
        done = self._post(f"{path}/password", {"password": new}, mine)
        return done is not None and done["status"] == "complete" and self._inbox.more_than(before + 1, number) is not None

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any] | None:
        answer = self._http.post(path, json=body, headers=headers)
        found: dict[str, Any] | None = answer.json() if answer.is_success else None
        return found

    def _network(self) -> dict[str, str]:
        """Each from an address of her own."""
        return {"X-Forwarded-For": ".".join(str(self._random.randrange(1, 255)) for _ in range(4))}


def _code(found: list[dict[str, Any]] | None) -> str | None:
    return (finder.code_in(Message(**found[-1])) or "").replace(" ", "") or None if found else None


def _until(look: Callable[[], T | None]) -> T | None:
    """Looking costs more of a small machine than sending does, so ever more seldom."""
    end, pause = time.monotonic() + PATIENCE, FIRST_LOOK
    while (found := look()) is None and time.monotonic() < end:
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return found
