"""REL-16: the connections between services, against a real server that misbehaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from devstack.processes import free_port
from servicekit.transport import AiohttpTransport

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(talk: Talk, port: int = 0) -> AsyncIterator[str]:
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=AiohttpTransport(5), trust_env=False) as found:
        yield found


ANSWER = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\nx-twice: a\r\nx-twice: b\r\ncontent-length: 2\r\n\r\nok"


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


async def test_an_answer_as_it_came(client):
    heads: list[bytes] = []
    async with serving(answering(heads)) as url:
        answer = await client.get(f"{url}/v1/a%20b?q=%C3%A9", headers={"latchkey-caller": "signed"})
        assert (answer.status_code, answer.content) == (302, b"ok")  # not followed
        assert answer.headers.get_list("x-twice") == ["a", "b"]
    assert heads[0].startswith(b"GET /v1/a%20b?q=%C3%A9 HTTP/1.1\r\n")
    assert b"latchkey-caller: signed\r\n" in heads[0].replace(b"Latchkey-Caller", b"latchkey-caller")


async def test_one_connection_for_many_calls(client):
    opened = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(None)
        await answering([])(reader, writer)

    async with serving(talk) as url:
        for _ in range(5):
            await client.get(url)
    assert len(opened) == 1


async def test_nobody_there(client):
    """Sure not to have arrived: the client may ask again."""
    with pytest.raises(httpx.ConnectError):
        await client.post(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_cut_in_the_middle(client, method):
    """May have arrived: only our own client decides what is asked again, no library does so unasked."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering_once(reader, writer)
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    async with serving(talk) as url:
        await client.get(url)
        with pytest.raises(httpx.ReadError):
            await client.request(method, url)
    assert len(heads) == 1


async def test_a_peer_that_restarts(client):
    port = free_port()
    for _ in range(2):
        async with serving(answering([], close=True), port) as url:
            assert (await client.get(url)).status_code == 302
            await asyncio.sleep(0.02)
