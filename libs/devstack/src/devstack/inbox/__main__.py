"""`python -m devstack.inbox`: one process; SMTP and the providers' HTTP in, page and JSON out."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import uvicorn
from servicekit.clock import Clock
from starlette.types import ASGIApp

from devstack import providers

from .callbacks import Callbacks
from .faults import Faults
from .https import HttpsStandIn
from .smtp import Bounce, serve
from .store import Store
from .twilio import TwilioStandIn
from .web import create_app

STAND_INS: dict[str, type[TwilioStandIn | HttpsStandIn]] = {"twilio": TwilioStandIn, "https": HttpsStandIn}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="devstack.inbox")
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("--smtp", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--providers", type=Path, help="the notifier's providers file: who is simulated, and where")
    parser.add_argument("--origin", help="where bounces of mail are told")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that the mail server takes for each message")
    return parser.parse_args()


def _bounce(smtp: dict[str, Any] | None, origin: str | None, callbacks: Callbacks) -> Bounce | None:
    if smtp is None or origin is None or "secret" not in smtp:
        return None
    url, key = f"{origin}/v1/callbacks/{smtp['name']}", providers.key_of(smtp)

    def bounce(message_id: str) -> None:
        told = {"message_id": message_id, "state": "bounced", "reason": "550 no such mailbox"}
        callbacks.later(callbacks.document(f"{url}?message={message_id}", key, told))

    return bounce


async def _serve_page(app: ASGIApp, port: int) -> None:
    """Until the process is told to end."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    await uvicorn.Server(config).serve()


async def main() -> None:
    arguments = _arguments()
    found = providers.read(arguments.providers) if arguments.providers else []
    clock = Clock()  # others' servers: a test that moves our clock doesn't move theirs
    store = Store(arguments.data / "messages.jsonl")
    store.load()
    faults = Faults({one["name"]: providers.channels(one) for one in found} or None)
    callbacks = Callbacks(clock)
    smtp = next((one for one in found if one["kind"] == "smtp"), None)
    mail = await serve(
        store, faults, arguments.smtp, delay_seconds=arguments.delay, bounce=_bounce(smtp, arguments.origin, callbacks)
    )
    ports = {
        one["name"]: STAND_INS[one["kind"]](one, store, faults, callbacks, clock, providers.port(one)).port
        for one in found
        if one["kind"] in STAND_INS
    }
    for port in ports.values():
        await port.open()

    async def follow() -> None:
        """Shuts the ports of those who refuse, and opens them again."""
        for name, port in ports.items():
            if faults.closed(name):
                port.shut()
            else:
                await port.open()

    await _serve_page(create_app(store, faults, follow), arguments.http)
    mail.close()
    for port in ports.values():
        port.shut()


asyncio.run(main())
