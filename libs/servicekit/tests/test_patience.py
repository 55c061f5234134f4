"""API-2, THR-1: nobody holds connections for nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from devstack.processes import free_port
from servicekit.process import patience
from servicekit.process.patience import Crowd
from servicekit.process.run import _Server
from servicekit.web import guard
from servicekit.web.guard import Guard
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

HEAD = b"POST /slow HTTP/1.1\r\nHost: id.example\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: id.example\r\n\r\n"
MOST = 5

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(str(len(await Request(scope, receive).body())))(scope, receive, send)


async def held(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(app, crowd: Crowd | None = None) -> AsyncIterator[Connect]:
    port = free_port()
    server = _Server(app, "127.0.0.1", port, drain=0, crowd=crowd)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for one in writers:
            one.close()
        server.force_exit = True
        server.end()
        await task


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came before the end."""
    async with asyncio.timeout(5):
        return await reader.read()


async def status(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        found = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in found.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        return found.split(b" ")[1]


class TestSlow:
    def test_how_long(self, monkeypatch):
        monkeypatch.undo()
        assert (patience.HEAD_SECONDS, guard.BODY_SECONDS) == (10, 20)

    @pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: id", b"\r\n"])
    async def test_half_a_head(self, said):
        async with serving(app) as connect:
            reader, writer = await connect()
            writer.write(said)
            assert await closed(reader) == b""

    async def test_a_head_that_drips(self):
        """Each byte buys no new time."""
        async with serving(app) as connect:
            reader, writer = await connect()
            begun = asyncio.get_running_loop().time()
            with contextlib.suppress(ConnectionError):
                for one in GET[:-4]:
                    writer.write(bytes([one]))
                    await asyncio.sleep(0.05)
                    if reader.at_eof():
                        break
            assert reader.at_eof()
            assert asyncio.get_running_loop().time() - begun < 2

    async def test_half_a_head_behind_a_whole_request(self):
        async with serving(app) as connect:
            reader, writer = await connect()
            writer.write(GET)
            assert await status(reader) == b"200"
            writer.write(GET[:10])
            assert await closed(reader) == b""

    async def test_between_requests_a_client_may_take_its_time(self):
        async with serving(app) as connect:
            reader, writer = await connect()
            for _ in range(2):
                writer.write(GET)
                assert await status(reader) == b"200"
                await asyncio.sleep(0.5)

    async def test_an_answer_may_take_longer(self):
        async def later(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(0.6)
            await app(scope, receive, send)

        async with serving(later) as connect:
            reader, writer = await connect()
            writer.write(GET)
            assert await status(reader) == b"200"

    async def test_a_body_that_does_not_come(self, monkeypatch):
        """The guard says so, and then the connection ends, though the rest drips on."""
        monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
        async with serving(Guard(app)) as connect:
            reader, writer = await connect()
            writer.write(HEAD + b'{"')
            assert await status(reader) == b"400"
            writer.write(b"a")
            assert await closed(reader) == b""

    async def test_a_body_that_comes_in_pieces(self):
        async with serving(Guard(app)) as connect:
            reader, writer = await connect()
            writer.write(HEAD + b'{"a"')
            await asyncio.sleep(0.5)
            writer.write(b":1234}")
            assert await status(reader) == b"200"
            await asyncio.sleep(0.5)
            writer.write(GET)
            assert await status(reader) == b"200"


class TestCrowd:
    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch, _quick) -> None:
        monkeypatch.setattr(patience, "HEAD_SECONDS", 60)

    async def test_half_heads_never_keep_others_out(self):
        """THR-1: 300 of them, and the next customer of the same address is answered."""
        crowd = Crowd(MOST, lambda address: address)
        async with serving(app, crowd) as connect:
            halves = [await connect() for _ in range(3 * MOST)]
            for _, writer in halves:
                writer.write(GET[:10])
            reader, writer = await connect()
            writer.write(GET)
            assert await status(reader) == b"200"
            assert [len(one) for one in crowd._present.values()] == [MOST]
            for reader, _ in halves[: 2 * MOST + 1]:
                assert await closed(reader) == b""

    async def test_none_in_work_makes_room(self):
        async with serving(held, Crowd(MOST, lambda address: address)) as connect:
            working = [await connect() for _ in range(MOST)]
            for _, writer in working:
                writer.write(GET)
            await asyncio.sleep(0.1)
            reader, writer = await connect()
            assert await closed(reader) == b""
            assert not [one for one, _ in working if one.at_eof()]

    async def test_who_leaves_makes_room(self):
        crowd = Crowd(MOST, lambda address: address)
        async with serving(app, crowd) as connect:
            for _ in range(MOST):
                _, writer = await connect()
                writer.close()
                await writer.wait_closed()
            await asyncio.sleep(0.1)
            assert not crowd._present

    async def test_who_is_counted_nowhere(self):
        async with serving(held, Crowd(1, lambda _address: None)) as connect:
            several = [await connect() for _ in range(MOST)]
            for _, writer in several:
                writer.write(GET)
            await asyncio.sleep(0.1)
            assert not [one for one, _ in several if one.at_eof()]
