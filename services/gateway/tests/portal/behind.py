"""The services behind the pages, played by what a test says that they answer; and a browser that signs nobody in by itself."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from servicekit.clock import ManualClock
from servicekit.errors import ServiceError
from servicekit.keys import Keys
from servicekit.proof import hash_token
from servicekit.web.caller import HEADER, Caller, verify
from servicekit.web.problems import problem_response
from servicekit.web.transport import Answer, Unanswered

from ..conftest import PEERS

TOKEN = "a" * 43
OURS = {"origin": "https://id.example", "sec-fetch-site": "same-origin"}


# What pages show beside their own matter, where a test says nothing of it.
BESIDE = {"GET /v1/me/activity": {"items": [], "sign_in_days": 90, "security_days": 365}}


@dataclass(frozen=True)
class Asked:
    peer: str
    method: str
    path: str
    body: Any
    caller: Caller


@dataclass
class Behind:
    """`answers`: by "METHOD /path", each the body, or the error; where there are several, one after the other, the last for ever."""

    clock: ManualClock
    keys: Keys
    answers: dict[str, list[Any]] = field(default_factory=lambda: {call: [answer] for call, answer in BESIDE.items()})
    asked: list[Asked] = field(default_factory=list)
    params: list[Mapping[str, str] | None] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    sessions: dict[str, UUID] = field(default_factory=lambda: {TOKEN: uuid4()})
    account_id: UUID = field(default_factory=uuid4)

    def says(self, call: str, *answers: Any) -> None:
        self.answers[call] = list(answers)

    def calls(self, method: str = "POST") -> list[tuple[str, str, Any]]:
        """What was changed or tried, without looks."""
        return [(one.peer, one.path, one.body) for one in self.asked if one.method == method]

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        parts = httpx.URL(url)
        peer = PEERS[int(parts.host.rsplit(".", 1)[1]) - 1]
        body = orjson.loads(content) if content else None
        if parts.path == "/internal/sessions/lookup":
            return self._session(body["token_hash"])
        if parts.path == "/internal/channels":
            return Answer(200, orjson.dumps({"email": "ok", "sms": "ok", "voice": "ok"}))
        if peer in self.away:
            raise Unanswered
        self.params.append(params)
        self.asked.append(Asked(peer, method, parts.path, body, verify(headers[HEADER], peer, self.keys, self.clock)))
        return self._answer(f"{method} {parts.path}")

    def _answer(self, call: str) -> Answer:
        found = self.answers.get(call)
        if found is None:
            return Answer(404, orjson.dumps({"code": "not_found"}))
        one = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(one, ServiceError):
            return Answer(one.status, bytes(problem_response(one, "r" * 32).body))
        return Answer(200, orjson.dumps(one))

    def _session(self, token_hash: str) -> Answer:
        found = next((id_ for token, id_ in self.sessions.items() if hash_token(token).hex() == token_hash), None)
        if found is None:
            return Answer(401, orjson.dumps({"code": "session_required"}))
        now = self.clock.now()
        session = {
            "id": found, "account_id": self.account_id, "application": "demo", "created_at": now, "authenticated_at": now,
            "expires_at": now + timedelta(hours=12), "idle_expires_at": now + timedelta(minutes=30), "idle_seconds": 1800,
            "methods": ["pwd"],
        }  # fmt: skip
        return Answer(200, orjson.dumps(session))


class Browser:
    """Follows what a page says; `page` is the last one."""

    def __init__(self, portal: httpx.AsyncClient) -> None:
        self.portal = portal
        self.page = httpx.Response(200)

    def sign_in(self, token: str = TOKEN) -> None:
        self.portal.cookies.set("__Host-latchkey_session", token, domain="id.example")

    async def open(self, path: str) -> str:
        """Through all redirects; answers the page's text."""
        self.page = await self.portal.get(path, follow_redirects=True)
        return self.text

    async def press(self, path: str | None = None, *, place: int = 0, **fields: str) -> str:
        """Posts a form of the page, with what it carries hidden; `path`: where several lead elsewhere; `place`: of several that lead there."""
        form = [one for one in self.forms() if path is None or one.action == path][place]
        answer = await self.portal.post(form.action, data=form.hidden | fields, headers=OURS)
        assert answer.status_code == 303, "every press is answered with a redirect (WEB-5)"
        return await self.open(answer.headers["location"])

    def forms(self) -> list["Form"]:
        """Those of the page itself, not of its bar."""
        main = self.page.text.split("<main", 1)[1].split("</main", 1)[0]
        return [Form.read(one) for one in re.findall(r"<form .*?</form>", main, re.DOTALL)]

    @property
    def at(self) -> str:
        return self.page.url.path

    @property
    def text(self) -> str:
        """Of the page's main part, as it is read."""
        main = self.page.text.split("<main", 1)[1].split("</main", 1)[0]
        apart = re.sub(r"</?(?:p|li|d[tdl]|h\d|div|span|br)\b[^>]*>", " ", main.partition(">")[2])
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", apart))).strip()

    @property
    def ways(self) -> list[str]:
        return re.findall(r'<a [^>]*href="(/[^"#]*)"', self.page.text.split("<main", 1)[1].split("</main", 1)[0])

    def presses(self, name: str) -> list[str]:
        """Values of the buttons of this name."""
        return re.findall(rf'<button[^>]* name="{name}" value="([^"]+)"', self.page.text)


@dataclass(frozen=True)
class Form:
    action: str
    hidden: dict[str, str]
    fields: list[str]

    @classmethod
    def read(cls, form: str) -> "Form":
        inputs = re.findall(r"<input ([^>]*)>", form)
        named = [(re.search(r'name="([^"]+)"', one), one) for one in inputs]
        hidden = {
            name[1]: (re.search(r'value="([^"]*)"', one) or ["", ""])[1] for name, one in named if name and 'type="hidden"' in one
        }
        action = (re.search(r'action="([^"]+)"', form) or ["", ""])[1].replace("&amp;", "&")
        return cls(action, hidden, [name[1] for name, one in named if name and name[1] not in hidden])
