"""Whether the portal's port is one, and free. Needs Python and nothing else: `make run` asks before it installs anything."""

import os
import socket
import sys


def problem(text: str) -> str | None:
    """What is wrong with the port in LATCHKEY_PORT."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        return f"LATCHKEY_PORT is {text!r}; a port is a whole number between 1 and 65535"
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", int(text)))
        except OSError as error:
            return f"port {text} can't be had ({error.strerror}). Choose another: LATCHKEY_PORT=8081 make run"
    return None


if __name__ == "__main__":
    if (found := problem(os.environ.get("LATCHKEY_PORT") or "8080")) is not None:
        sys.exit(f"latchkey: {found}")
