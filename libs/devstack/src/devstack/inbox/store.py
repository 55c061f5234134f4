"""What was accepted, on disk, so that it is still there after a restart or a kill -9."""

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Message:
    id: str
    channel: str
    to: str
    subject: str | None
    text: str
    html: str | None
    headers: dict[str, str]
    received_at: str
    message_id: str | None
    state: str | None = None  # what became of it, in words for the page

    @property
    def received(self) -> datetime:
        return datetime.fromisoformat(self.received_at)


@dataclass
class Store:
    """Append-only; the file is the order of acceptance. A line is a message, or a later word about one."""

    path: Path
    messages: list[Message] = field(default_factory=list)
    _keys: dict[tuple[str, str], Message] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    self._read(json.loads(line))
                except (ValueError, TypeError, KeyError):  # half a line: the process was killed while it wrote
                    continue

    def _read(self, line: dict[str, Any]) -> None:
        if "became" in line:
            self._become(line["id"], line["became"])
        else:
            self._keep(Message(**line))

    def _keep(self, message: Message) -> None:
        self.messages.append(message)
        if (key := message.headers.get("idempotency_key")) is not None:
            self._keys[message.headers.get("provider", ""), key] = message

    def _become(self, message_id: str, state: str) -> None:
        for place in range(len(self.messages) - 1, -1, -1):
            if self.messages[place].id == message_id:
                self.messages[place] = replace(self.messages[place], state=state)
                return

    def add(self, **values: Any) -> Message:
        message = Message(id=str(uuid4()), received_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"), **values)
        with self._lock:
            self._write(asdict(message))
            self._keep(message)
        return message

    def became(self, message_id: str, state: str) -> None:
        with self._lock:
            self._write({"id": message_id, "became": state})
            self._become(message_id, state)

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("ab+") as file:
            # After a kill in the middle of a line, the next one must not become its end.
            if file.seek(0, 2) > 0 and (file.seek(-1, 2), file.read(1))[1] != b"\n":
                file.write(b"\n")
            file.write(json.dumps(line).encode() + b"\n")

    def keyed(self, provider: str, key: str) -> Message | None:
        """The message that a provider took under this idempotency key."""
        return self._keys.get((provider, key))

    def find(self, *, to: str | None = None, channel: str | None = None, since: datetime | None = None) -> list[Message]:
        return [
            one
            for one in list(self.messages)
            if (to is None or one.to.lower() == to.lower())
            and (channel is None or one.channel == channel)
            and (since is None or one.received >= since)
        ]

    def get(self, message_id: str) -> Message | None:
        return next((one for one in list(self.messages) if one.id == message_id), None)

    def clear(self) -> None:
        with self._lock:
            self.path.write_text("")
            self.messages.clear()
            self._keys.clear()
