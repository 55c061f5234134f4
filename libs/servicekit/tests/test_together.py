"""Group commit: alone at once, many together, each with its own answer."""

import asyncio
from collections.abc import Sequence

from servicekit.events.together import Together


class Slow:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.go.wait()
        if -1 in items:
            raise ValueError("one of them")
        return [item * 2 for item in items]


class TestTogether:
    async def test_alone_at_once(self):
        slow = Slow()
        together = Together(slow)
        assert [await together(1), await together(2)] == [2, 4]
        assert slow.batches == [[1], [2]]

    async def test_what_comes_meanwhile_shares_the_next(self):
        slow = Slow()
        together = Together(slow, most=3)
        slow.go.clear()
        first = asyncio.create_task(together(0))
        await asyncio.sleep(0)
        others = [asyncio.create_task(together(number)) for number in range(1, 6)]
        await asyncio.sleep(0)
        slow.go.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
        assert slow.batches == [[0], [1, 2, 3], [4, 5]]

    async def test_paced(self):
        """The first at once, those within the time after it together at its end."""
        slow, loop = Slow(), asyncio.get_running_loop()
        together = Together(slow, pace_seconds=0.05)
        start = loop.time()
        assert await together(0) == 0
        assert loop.time() - start < 0.04
        assert await asyncio.gather(*(together(number) for number in (1, 2, 3))) == [2, 4, 6]
        assert loop.time() - start >= 0.049
        assert slow.batches == [[0], [1, 2, 3]]

    async def test_a_bad_one_is_nobody_else_s_trouble(self):
        together = Together(Slow())
        tasks = [asyncio.create_task(together(number)) for number in (1, 2, -1, 3)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert (found[0], found[1], found[3]) == (2, 4, 6)
        assert isinstance(found[2], ValueError)
        assert await together(3) == 6

    async def test_a_database_that_is_away_is_not_asked_for_each(self):
        asked = []

        async def away(items: Sequence[int]) -> list[int]:
            asked.append(len(items))
            raise ConnectionRefusedError

        together = Together(away)
        found = await asyncio.gather(*(together(number) for number in range(5)), return_exceptions=True)
        assert all(isinstance(one, ConnectionRefusedError) for one in found)
        assert asked == [5]

    async def test_one_who_gave_up_holds_up_nobody(self):
        slow = Slow()
        together = Together(slow)
        slow.go.clear()
        gone, stays = asyncio.create_task(together(1)), asyncio.create_task(together(2))
        await asyncio.sleep(0)
        gone.cancel()
        slow.go.set()
        assert await stays == 4
        assert gone.cancelled() or gone.cancelling()
