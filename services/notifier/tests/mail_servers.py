"""Real mail servers that say what a test wants them to say."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session


class Server:
    """Keeps what it takes; `answer` is what it says to the recipient or to the content."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.tls: list[bool] = []
        self.sender, self.rcpt, self.data = "250 ok", "250 ok", "250 ok"
        self.ehlo: str | None = None  # what it answers to EHLO, if not yes
        self.named: list[str] = []  # what clients call themselves
        self.slow = 0.0  # seconds before each answer to MAIL and RCPT

    async def handle_EHLO(self, _server, session: Session, _envelope, hostname: str, responses: list[str]) -> list[str]:  # noqa: N802
        self.named.append(hostname)
        session.host_name = hostname
        return [self.ehlo] if self.ehlo else responses

    async def handle_MAIL(self, _server, _session, envelope: Envelope, address: str, _options) -> str:  # noqa: N802
        envelope.mail_from = address
        await asyncio.sleep(self.slow)
        return self.sender

    async def handle_RCPT(self, _server, _session, envelope: Envelope, address: str, _options) -> str:  # noqa: N802
        await asyncio.sleep(self.slow)
        if self.rcpt.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data == "silence":
            await asyncio.sleep(3)
        if self.data == "cut":
            server.transport.abort()
            return "250 never heard"
        if self.data.startswith("2"):
            self.taken.append(envelope)
            self.tls.append(session.ssl is not None)
        return self.data


@pytest.fixture
def start() -> Iterator:
    running: list[Controller] = []

    def make(server: Server, **options: object) -> int:
        controller = Controller(server, hostname="127.0.0.1", port=0, **options)
        # With port 0 the controller can't ask itself whether it is up, so the thread is started by hand.
        ready = threading.Event()
        controller._thread = threading.Thread(target=controller._run, args=(ready,), daemon=True)
        controller.loop = asyncio.new_event_loop()
        controller._thread.start()
        ready.wait(5)
        running.append(controller)
        return int(controller.server.sockets[0].getsockname()[1])

    yield make
    for controller in running:
        controller.stop()
