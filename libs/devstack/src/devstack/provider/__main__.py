"""python -m devstack.provider: the provider as a process of its own, on loopback alone."""

import argparse
import os
from pathlib import Path

import uvicorn
from servicekit.clock import make_clock

from .web import Provider


def main() -> None:
    parser = argparse.ArgumentParser(prog="devstack.provider")
    parser.add_argument("--http", type=int, required=True, help="port on loopback")
    parser.add_argument("--origin", required=True, help="of the product that may be sent back to")
    parser.add_argument("--secret", type=Path, required=True, help="file with the product's secret")
    arguments = parser.parse_args()
    # Tokens live by the clock of whoever reads them: a test that moves the product's moves this one's, too.
    clock = make_clock(Path(moved) if (moved := os.environ.get("LATCHKEY_CLOCK_FILE")) else None)
    # Another host's name than the product's, so that browsers take it for another site, as any provider is.
    issuer = f"http://127.0.0.1:{arguments.http}"
    provider = Provider(issuer, arguments.secret.read_text().strip(), arguments.origin, clock)
    config = uvicorn.Config(
        provider.app(),
        host="127.0.0.1",
        port=arguments.http,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run()


main()
