"""An SMTP server that keeps what it accepts, and fails on demand (`POST /inbox/faults`)."""

import asyncio
import email
import email.policy
from collections import deque
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from .store import Store

# refuse: no greeting; time_out: no answer to DATA; temporary: 451; permanent: 550; cut: accepts, then drops the line unsaid.
Fault = Literal["refuse", "time_out", "temporary", "permanent", "cut"]


class Faults:
    """The next messages fail as told, in that order."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()

    def add(self, fault: Fault, count: int) -> None:
        self._queue.extend([fault] * count)

    def clear(self) -> None:
        self._queue.clear()

    def peek(self) -> Fault | None:
        return self._queue[0] if self._queue else None

    def take(self) -> Fault | None:
        return self._queue.popleft() if self._queue else None

    def __len__(self) -> int:
        return len(self._queue)


class Handler:
    def __init__(self, store: Store, faults: Faults, delay_seconds: float = 0.0) -> None:
        self._store = store
        self._faults = faults
        self.delay_seconds = delay_seconds

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        fault = self._faults.take()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if fault == "temporary":
            return "451 try again later"
        if fault == "permanent":
            return "550 no such mailbox"
        if fault == "time_out":
            await asyncio.sleep(3600)
        self._keep(envelope)
        if fault == "cut":
            if server.transport is not None:
                server.transport.close()
            return "250 never said"
        return "250 accepted"

    def _keep(self, envelope: Envelope) -> None:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        message: EmailMessage = email.message_from_bytes(content, policy=email.policy.default)
        text, html = _part(message, "plain"), _part(message, "html")
        for recipient in envelope.rcpt_tos:
            self._store.add(
                channel="email",
                to=recipient,
                subject=str(message["Subject"] or ""),
                text=text or "",
                html=html,
                headers={name: str(value) for name, value in message.items()},
                message_id=str(message["Message-ID"] or "") or None,
            )


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else None


class _Server(SMTP):
    def __init__(self, handler: Handler, faults: Faults) -> None:
        super().__init__(handler, enable_SMTPUTF8=True, ident="latchkey-inbox", hostname="localhost")
        self._faults = faults

    def connection_made(self, transport: Any) -> None:
        if self._faults.peek() == "refuse":
            self._faults.take()
            transport.abort()
            return
        super().connection_made(transport)


async def serve(store: Store, faults: Faults, port: int, *, delay_seconds: float = 0.0) -> asyncio.Server:
    handler = Handler(store, faults, delay_seconds)
    return await asyncio.get_running_loop().create_server(lambda: _Server(handler, faults), "127.0.0.1", port)
