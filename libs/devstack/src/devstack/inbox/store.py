"""What was accepted, on disk, so that it is still there after a restart or a kill -9."""

import json
import threading
from dataclasses import asdict, dataclass, field
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

    @property
    def received(self) -> datetime:
        return datetime.fromisoformat(self.received_at)


@dataclass
class Store:
    """Append-only; the file is the order of acceptance."""

    path: Path
    messages: list[Message] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    self.messages.append(Message(**json.loads(line)))
                except (ValueError, TypeError):  # half a line: the process was killed while it wrote
                    continue

    def add(self, **values: Any) -> Message:
        message = Message(id=str(uuid4()), received_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"), **values)
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(asdict(message)) + "\n")
            file.flush()
            self.messages.append(message)
        return message

    def find(self, *, to: str | None = None, channel: str | None = None, since: datetime | None = None) -> list[Message]:
        return [
            one
            for one in self.messages
            if (to is None or one.to.lower() == to.lower())
            and (channel is None or one.channel == channel)
            and (since is None or one.received >= since)
        ]

    def get(self, message_id: str) -> Message | None:
        return next((one for one in self.messages if one.id == message_id), None)

    def clear(self) -> None:
        with self._lock:
            self.path.write_text("")
            self.messages.clear()
