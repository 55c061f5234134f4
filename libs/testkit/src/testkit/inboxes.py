"""The local inbox by itself, without the product, and somebody who hears what its stand-ins tell."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import httpx
from devstack import providers
from devstack.processes import accepts, free_port


class LocalInbox:
    """A process of its own, as `make run` starts it, with stand-ins for all providers."""

    def __init__(self, folder: Path, *, origin: str = "http://127.0.0.1:9") -> None:
        self.http, self.folder, self.origin = free_port(), folder, origin
        self.ports = {name: free_port() for name in ("smtp", "twilio", "backup")}
        self.url = f"http://127.0.0.1:{self.http}"
        self.providers_file = folder / "providers.toml"
        providers.write(self.providers_file, self.ports)
        self.start()

    @property
    def smtp(self) -> int:
        return self.ports["smtp"]

    def provider(self, name: str) -> dict[str, Any]:
        return next(one for one in providers.read(self.providers_file) if one["name"] == name)

    def start(self) -> None:
        command = [sys.executable, "-m", "devstack.inbox", "--http", str(self.http), "--smtp", str(self.smtp)]
        command += ["--data", str(self.folder), "--providers", str(self.providers_file), "--origin", self.origin]
        self.process = subprocess.Popen(command)
        end = time.monotonic() + 20
        while not all(accepts(port) for port in (self.http, *self.ports.values())):
            assert time.monotonic() < end, "the inbox did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)

    def get(self, path: str, **query: str) -> httpx.Response:
        return httpx.get(self.url + path, params=query, trust_env=False)

    def items(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/inbox/messages", **query).json()["items"]
        return found

    def fail(self, fault: str, count: int | str = 1, **more: str) -> httpx.Response:
        return httpx.post(f"{self.url}/inbox/faults", json={"fault": fault, "count": count, **more}, trust_env=False)


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


Answer = tuple[int, str, str]  # status, content type, body
NOTHING: Answer = (204, "text/plain", "")


@dataclass
class Listener:
    """Takes callbacks at a loopback address, and answers as it is told."""

    answer: Callable[[Heard], Answer] = lambda _heard: NOTHING
    heard: list[Heard] = field(default_factory=list)

    def __enter__(self) -> Self:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener._take(self)

            def log_message(self, *_said: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", "0")))
        names = {name.lower(): value for name, value in request.headers.items()}
        one = Heard(self.url + request.path, names, body)
        self.heard.append(one)
        status, kind, text = self.answer(one)
        request.send_response(status)
        request.send_header("content-type", kind)
        request.send_header("content-length", str(len(text.encode())))
        request.end_headers()
        request.wfile.write(text.encode())
