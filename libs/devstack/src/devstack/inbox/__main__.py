"""`python -m devstack.inbox`: one process, SMTP in, HTTP out."""

import argparse
import asyncio
from pathlib import Path

import uvicorn

from .smtp import Faults, serve
from .store import Store
from .web import create_app


async def main() -> None:
    parser = argparse.ArgumentParser(prog="devstack.inbox")
    parser.add_argument("--http", type=int, required=True)
    parser.add_argument("--smtp", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that the mail server takes for each message")
    arguments = parser.parse_args()
    store, faults = Store(arguments.data / "messages.jsonl"), Faults()
    store.load()
    smtp = await serve(store, faults, arguments.smtp, delay_seconds=arguments.delay)
    config = uvicorn.Config(
        create_app(store, faults), host="127.0.0.1", port=arguments.http, log_level="warning", lifespan="off", access_log=False
    )
    await uvicorn.Server(config).serve()
    smtp.close()


asyncio.run(main())
