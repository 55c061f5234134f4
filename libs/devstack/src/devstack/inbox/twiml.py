"""A call as Twilio conducts it: fetches TwiML, says, waits, listens for keys, goes on where it is told.

Time is counted, not spent: what would have taken 30 s is written down at once.
"""

import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin

SECONDS_PER_WORD = 0.4
MOST_DOCUMENTS = 30
SORRY = "[We are sorry, an application error has occurred. Goodbye.]"


@dataclass(frozen=True)
class Document:
    """An answer to a fetch. `status` 0: nobody answered."""

    status: int
    kind: str
    content: bytes


Fetch = Callable[[str, str, Mapping[str, str]], Awaitable[Document]]


class _Over(Exception):
    """The call ends here."""


@dataclass
class Conversation:
    """`keys`: what the person presses whenever a key is asked for; "" presses nothing."""

    fetch: Fetch
    keys: str = "1"
    most_seconds: float = 14_400.0
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0
    pressed: bool = False
    error: str | None = None

    async def hold(self, url: str, method: str = "POST") -> None:
        """From the answer to the end."""
        going: tuple[str, str, dict[str, str]] | None = (url, method, {})
        fetched = 0
        try:
            while going is not None:
                fetched += 1
                if fetched > MOST_DOCUMENTS:
                    raise self._broken("too many documents")
                at, how, more = going
                root = self._parsed(await self.fetch(at, how, more))
                going = self._document(root, at)
        except _Over:
            pass

    @property
    def transcript(self) -> str:
        return "\n".join(self.lines)

    def _broken(self, why: str) -> _Over:
        self.error = why
        self.lines.append(SORRY)
        return _Over()

    def _parsed(self, answer: Document) -> ET.Element:
        if answer.status == 0 or answer.status >= 300:
            raise self._broken(f"11200: the document's address answered {answer.status or 'nothing'}")
        if "xml" not in answer.kind:
            raise self._broken("12300: not XML by its content type")
        if b"<!DOCTYPE" in answer.content or len(answer.content) > 64 * 1024:
            raise self._broken("12100: the document can't be read")
        try:
            root = ET.fromstring(answer.content)  # noqa: S314 - no DOCTYPE, so no entities
        except ET.ParseError:
            raise self._broken("12100: the document can't be read") from None
        if root.tag != "Response":
            raise self._broken("12100: the document is no Response")
        return root

    def _document(self, root: ET.Element, url: str) -> tuple[str, str, dict[str, str]] | None:
        """Runs the verbs in order; where to go on, or None at the end, where Twilio hangs up."""
        for verb in root:
            if verb.tag == "Say":
                self._say(verb)
            elif verb.tag == "Pause":
                self._spend(float(verb.get("length", "1")), "[pause]")
            elif verb.tag == "Gather":
                if (found := self._gather(verb, url)) is not None:
                    return found
            elif verb.tag == "Redirect":
                return urljoin(url, (verb.text or "").strip()), verb.get("method", "POST"), {}
            elif verb.tag == "Hangup":
                return None
            else:
                self.lines.append(f"[{verb.tag} is not simulated]")
        return None

    def _gather(self, verb: ET.Element, url: str) -> tuple[str, str, dict[str, str]] | None:
        for inner in verb:
            if inner.tag == "Say":
                self._say(inner)
            elif inner.tag == "Pause":
                self._spend(float(inner.get("length", "1")), "[pause]")
        keys = self.keys if "dtmf" in verb.get("input", "dtmf") else ""
        wanted = int(verb.get("numDigits", "0"))
        digits = keys[:wanted] if wanted else keys
        action = urljoin(url, verb.get("action", ""))
        method = verb.get("method", "POST")
        wait = float(verb.get("timeout", "5"))
        if digits:
            # Without all digits that it waits for, it listens on for the time-out.
            self._spend(1 if len(digits) == wanted else wait, f"[{digits} pressed]")
            self.pressed = True
            return action, method, {"Digits": digits, "FinishedOnKey": ""}
        self._spend(wait, "[no key pressed]")
        if verb.get("actionOnEmptyResult") == "true":
            return action, method, {"Digits": ""}
        return None

    def _say(self, verb: ET.Element) -> None:
        text = _spoken(verb)
        times = int(verb.get("loop", "1")) or 1000  # 0: until the call ends
        for _ in range(times):
            self._spend(max(len(text.split()), 1) * SECONDS_PER_WORD, text)

    def _spend(self, seconds: float, line: str) -> None:
        if self.seconds + seconds > self.most_seconds:
            self.seconds = self.most_seconds
            self.lines.append(f"[cut off after {self.most_seconds:.0f} s]")
            raise _Over
        self.seconds += seconds
        self.lines.append(line)


def _spoken(verb: ET.Element) -> str:
    """The words of a Say, pauses of its SSML as notes."""
    parts = [verb.text or ""]
    for inner in verb:
        parts.append(" [pause] " if inner.tag == "break" else _spoken(inner))
        parts.append(inner.tail or "")
    return " ".join("".join(parts).split())
