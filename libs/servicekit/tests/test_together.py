"""Group commit: alone at once, many together, each with its own answer."""

import asyncio
from collections.abc import Sequence

import pytest
from servicekit.together import Together


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

    async def test_a_failure_is_everybody_s_and_the_next_go_on(self):
        together = Together(Slow())
        with pytest.raises(ValueError, match="one of them"):
            await together(-1)
        assert await together(3) == 6

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
