"""What an HTTP provider's answer means, over real sockets: taken, not taken, refused, nobody knows (REL-7, FRD-10)."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from notifier.channels.base import Refused, Text, Transient, Unknown
from notifier.channels.twilio import TwilioProvider

TEXT = Text("m-1", "+4934155501234", "482193 is your code", "en")


@pytest.fixture
async def serve() -> AsyncIterator[Callable]:
    """A server that reads a request and does one thing: an answer in bytes, "silence", or "cut"."""
    servers = []

    async def make(answer: bytes | str) -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            if answer == "silence":
                await asyncio.sleep(5)
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield make
    for server in servers:
        server.close()


def said(status: str, body: str = "{}", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "content-type: application/json", *more]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


async def send(url: str) -> str | None:
    provider = TwilioProvider(
        account_sid="AC" + "0" * 32, auth_token="t", sender="+15005550006", url=url, connect_seconds=0.5, timeout_seconds=0.5
    )
    try:
        return await provider.send(TEXT, callback_url="https://id.example/v1/callbacks/twilio?message=m-1", expires_in=300)
    finally:
        await provider.close()


class TestTaken:
    @pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted"])
    async def test_any_2xx(self, serve, status: str):
        assert await send(await serve(said(status, '{"sid": "SM1"}'))) == "SM1"

    async def test_a_2xx_that_says_nothing_of_use(self, serve):
        assert await send(await serve(said("200 OK", "<html>"))) is None


class TestTrouble:
    @pytest.mark.parametrize(
        ("status", "down", "counted"),
        [
            ("429 Too Many Requests", True, False),
            ("402 Payment Required", True, False),
            ("404 Not Found", True, False),
            ("408 Request Timeout", False, False),
            ("413 Content Too Large", False, False),
            ("503 Service Unavailable", True, False),
            ("401 Unauthorized", True, False),
            ("403 Forbidden", True, False),
            ("302 Found", True, False),
            ("500 Internal Server Error", True, True),
            ("502 Bad Gateway", True, True),
        ],
    )
    async def test_transient(self, serve, status: str, down: bool, counted: bool):
        """`counted`: it may have taken it before it broke."""
        with pytest.raises(Transient) as caught:
            await send(await serve(said(status, "{}", "location: http://127.0.0.1:1/elsewhere")))
        assert (caught.value.down, caught.value.counted) == (down, counted)

    @pytest.mark.parametrize(("code", "opted_out"), [(21211, False), (21610, True), (21614, False)])
    async def test_refused(self, serve, code: int, opted_out: bool):
        with pytest.raises(Refused) as caught:
            await send(await serve(said("400 Bad Request", f'{{"code": {code}, "message": "+4934155501234 is no number"}}')))
        assert (str(caught.value), caught.value.opted_out) == (f"twilio {code}", opted_out)

    @pytest.mark.parametrize(
        ("code", "down"), [(21212, True), (21606, True), (30002, True), (21408, False), (21617, False), (None, False)]
    )
    async def test_a_400_about_us(self, serve, code: int | None, down: bool):
        """REL-16: our number, our account, the way to that country: the next provider may do it."""
        with pytest.raises(Transient) as caught:
            await send(await serve(said("400 Bad Request", f'{{"code": {code}}}' if code else "{}")))
        assert caught.value.down is down

    async def test_nobody_there(self):
        with pytest.raises(Transient) as caught:
            await send("http://127.0.0.1:1")
        assert caught.value.down

    @pytest.mark.parametrize("answer", ["silence", "cut", b"HTTP/1.1 20"])
    async def test_nobody_knows(self, serve, answer: bytes | str):
        with pytest.raises(Unknown):
            await send(await serve(answer))
