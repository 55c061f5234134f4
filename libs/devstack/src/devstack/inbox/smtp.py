"""An SMTP server that keeps what it accepts, and fails on demand (`POST /inbox/faults`)."""

import asyncio
import base64
import email
import email.policy
import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from .faults import Faults
from .store import Message, Store

NAME = "smtp"
_OURS = re.compile(r"<([0-9a-f-]{36})@")
_SAID = {
    "temporary": "451 try again later", "permanent": "550 5.1.1 no such mailbox", "server_error": "421 4.3.2 closing for all",
    "quota": "550 5.4.5 sending limit exceeded"}  # fmt: skip
Bounce = Callable[[str], None]


class Handler:
    def __init__(self, store: Store, faults: Faults, delay_seconds: float = 0.0, bounce: Bounce | None = None) -> None:
        """`bounce` is told the id of a message that can't be delivered after all."""
        self._store = store
        self._faults = faults
        self._bounce = bounce
        self.delay_seconds = delay_seconds

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._faults.next("email", NAME) == "refuse" and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()  # it came over a connection from before; the new one will be refused
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._faults.next("email", NAME) == "blocked":
            self._faults.take("email", NAME)
            return "554 5.7.1 client host blocked"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        fault = self._faults.take("email", NAME)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if fault in _SAID:
            return _SAID[fault]
        if fault == "time_out":
            await asyncio.sleep(3600)
        kept = self._keep(envelope)
        if fault == "cut":
            if server.transport is not None:
                server.transport.close()
            return "250 never said"
        if fault == "accepted_500":
            return "451 it was accepted all the same"
        if fault == "undelivered":
            self._undelivered(kept)
        return "250 accepted"

    def _keep(self, envelope: Envelope) -> list[Message]:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        message: EmailMessage = email.message_from_bytes(content, policy=email.policy.default)
        text, html = _part(message, "plain"), _with_pictures(_part(message, "html"), message)
        return [
            self._store.add(
                channel="email",
                to=recipient,
                subject=str(message["Subject"] or ""),
                text=text or "",
                html=html,
                headers={name: str(value) for name, value in message.items()},
                message_id=str(message["Message-ID"] or "") or None,
                state="accepted",
            )
            for recipient in envelope.rcpt_tos
        ]

    def _undelivered(self, kept: list[Message]) -> None:
        for one in kept:
            self._store.became(one.id, "undelivered")
            if self._bounce is not None and (found := _OURS.match(one.message_id or "")):
                self._bounce(found[1])


def _with_pictures(html: str | None, message: EmailMessage) -> str | None:
    """What came along stands where it is shown, as a mail program does it."""
    for part in message.walk():
        name = str(part["Content-ID"] or "").strip("<>")
        if html is not None and name and part.get_content_maintype() == "image":
            data = base64.b64encode(part.get_payload(decode=True) or b"").decode()  # type: ignore[arg-type]
            html = html.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{data}")
    return html


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else None


class _Server(SMTP):
    def __init__(self, handler: Handler, faults: Faults) -> None:
        super().__init__(handler, enable_SMTPUTF8=True, ident="latchkey-inbox", hostname="localhost")
        self._faults = faults

    def connection_made(self, transport: Any) -> None:
        if self._faults.next("email", NAME) == "refuse":
            self._faults.take("email", NAME)
            transport.abort()
            return
        super().connection_made(transport)


async def serve(
    store: Store, faults: Faults, port: int, *, delay_seconds: float = 0.0, bounce: Bounce | None = None
) -> asyncio.Server:
    handler = Handler(store, faults, delay_seconds, bounce)
    return await asyncio.get_running_loop().create_server(lambda: _Server(handler, faults), "127.0.0.1", port)
