"""REL-16: the connections between services, against a real server that misbehaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from devstack.processes import free_port
from servicekit.web.transport import Answer, Connections, NotSent, Unanswered

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Send = Callable[..., Awaitable[Answer]]


@contextlib.asynccontextmanager
async def serving(talk: Talk, port: int = 0) -> AsyncIterator[str]:
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    connections = Connections(5)
    yield lambda method, url, **more: connections.send(
        method, url, more.get("headers", {}), more.get("content"), more.get("params")
    )
    await connections.close()


ANSWER = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nok"


async def answering_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    return head


def answering(heads: list[bytes], *, close: bool = False) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                heads.append(await answering_once(reader, writer))
                if close:
                    break
        writer.close()

    return talk


async def test_an_answer_as_it_came(send):
    heads: list[bytes] = []
    async with serving(answering(heads)) as url:
        answer = await send("GET", f"{url}/v1/a%20b", params={"q": "é&"}, headers={"latchkey-caller": "signed"})
        assert answer == Answer(302, b"ok")  # not followed
    assert heads[0].startswith(b"GET /v1/a%20b?q=%C3%A9%26 HTTP/1.1\r\n")
    assert b"latchkey-caller: signed\r\n" in heads[0].replace(b"Latchkey-Caller", b"latchkey-caller")


async def test_one_connection_for_many_calls(send):
    opened = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(None)
        await answering([])(reader, writer)

    async with serving(talk) as url:
        for _ in range(5):
            await send("GET", url)
    assert len(opened) == 1


async def test_nobody_there(send):
    """Sure not to have arrived: the client may ask again."""
    with pytest.raises(NotSent):
        await send("POST", f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_cut_in_the_middle(send, method):
    """May have arrived: only our own client decides what is asked again, no library does so unasked."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering_once(reader, writer)
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    async with serving(talk) as url:
        await send("GET", url)
        with pytest.raises(Unanswered):
            await send(method, url)
    assert len(heads) == 1


async def test_a_peer_that_restarts(send):
    port = free_port()
    for _ in range(2):
        async with serving(answering([], close=True), port) as url:
            assert (await send("GET", url)).status == 302
            await asyncio.sleep(0.02)


class TestOutwards:
    """To servers that aren't ours: whether one may have got it decides whether another provider is asked (FRD-10)."""

    @pytest.fixture
    async def outwards(self) -> AsyncIterator[Connections]:
        connections = Connections.outwards(1, connect_seconds=0.2, answer_seconds=0.2)
        yield connections
        await connections.close()

    @pytest.mark.parametrize("url", ["", "mailto:somebody", "no-scheme/at/all", "http://"])
    async def test_what_is_no_address_was_not_sent(self, outwards: Connections, url: str):
        with pytest.raises(NotSent):
            await outwards.send("POST", url, {}, b"{}")

    async def test_no_answer_in_time(self, outwards: Connections):
        async with serving(silent) as url:
            with pytest.raises(Unanswered):
                await outwards.send("POST", url, {}, b"{}")

    async def test_a_body_that_nobody_reads(self, outwards: Connections):
        """More than the sockets hold: it ends all the same."""
        async with serving(silent) as url, asyncio.timeout(10):
            with pytest.raises(Unanswered):
                await outwards.send("POST", url, {}, bytes(50_000_000))

    async def test_no_place_among_the_connections_was_not_sent(self, outwards: Connections):
        async with serving(dribbling) as url:  # its answer goes on for four times as long as others wait for a place
            first = asyncio.create_task(outwards.send("POST", url, {}, b"{}"))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(outwards.send("POST", url, {}, b"{}"))
            told = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(error) for error in told] == [Unanswered, NotSent]

    async def test_through_the_proxy_that_the_environment_names(self, outwards: Connections, monkeypatch: pytest.MonkeyPatch):
        heads: list[bytes] = []
        async with serving(answering(heads)) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy)
            answer = await outwards.send("POST", "http://provider.example/messages", {}, b"{}")
        assert answer.headers["Location"] == "/elsewhere"
        assert heads[0].startswith(b"POST http://provider.example/messages HTTP/1.1\r\n")


async def dribbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(60):
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reader._transport.pause_reading()
    await asyncio.sleep(3)
    writer.close()
