"""Hashing (PWD-2, PWD-5, PWD-8)."""

import asyncio
import time
import unicodedata
from statistics import median

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type
from identity.credentials.service import MAX_CHARACTERS, Passwords
from servicekit.errors import Overloaded

GOOD = "vexing otters dance 🦦"


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


class TestHash:
    async def test_pwd_5_argon2id_with_its_parameters_in_each_hash(self, passwords):
        found = extract_parameters(await passwords.hash(GOOD))
        assert found.type is Type.ID
        assert (found.memory_cost, found.time_cost, found.parallelism) == (19456, 2, 1)

    async def test_two_hashes_of_one_password_differ(self, passwords):
        assert await passwords.hash(GOOD) != await passwords.hash(GOOD)

    async def test_pwd_5_raised_parameters_make_older_hashes_outdated(self, passwords):
        stored = await passwords.hash(GOOD)
        raised = Passwords(memory_kib=20480)
        assert not passwords.outdated(stored)
        assert raised.outdated(stored)
        assert await raised.verify(stored, GOOD)
        assert not raised.outdated(await raised.hash(GOOD))


class TestVerify:
    async def test_pwd_2_every_character_counts(self, passwords):
        long = "🦦" + "ab cd" * 40
        stored = await passwords.hash(long)
        assert await passwords.verify(stored, long)
        assert not await passwords.verify(stored, long[:-1] + "x")
        assert not await passwords.verify(stored, long[:-1])
        assert not await passwords.verify(stored, long.upper())

    async def test_pwd_2_both_spellings_of_one_password(self, passwords):
        stored = await passwords.hash(unicodedata.normalize("NFC", "crème brûlée à la carte"))
        assert await passwords.verify(stored, unicodedata.normalize("NFD", "crème brûlée à la carte"))

    async def test_nobody_has_the_dummys_password(self, passwords):
        assert not await passwords.verify(None, "no account has this password")

    async def test_a_stored_text_that_is_no_hash_matches_nothing(self, passwords):
        assert not await passwords.verify("not a hash", GOOD)

    async def test_pwd_8_what_no_policy_allows_is_never_right(self, passwords):
        stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x" * MAX_CHARACTERS)
        assert not await passwords.verify(stored, "x" * (MAX_CHARACTERS + 1))

    async def test_enu_2_the_same_work_without_an_account(self, passwords):
        stored = await passwords.hash(GOOD)
        known, unknown = [], []
        for _ in range(15):
            for times, hashed in ((known, stored), (unknown, None)):
                began = time.perf_counter()
                await passwords.verify(hashed, "wrong password here")
                times.append(time.perf_counter() - began)
        assert median(unknown) == pytest.approx(median(known), rel=0.4)


class TestBounds:
    async def test_pwd_8_what_does_not_fit_is_shed_and_the_loop_stays_free(self):
        passwords = Passwords(threads=2)
        stored = await passwords.hash(GOOD)
        lags, stop = [], False

        async def heartbeat() -> None:
            while not stop:
                began = time.perf_counter()
                await asyncio.sleep(0.005)
                lags.append(time.perf_counter() - began - 0.005)

        beating = asyncio.create_task(heartbeat())
        asked = [passwords.verify(stored if number % 2 else None, GOOD) for number in range(300)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        stop = True
        await beating
        shed = [one for one in answers if isinstance(one, Overloaded)]
        assert len(answers) - len(shed) == 20  # two threads, ten in all for each
        assert len(shed) == 280
        assert {one.extra["retry_after_seconds"] for one in shed} == {2}
        assert sorted(lags)[len(lags) * 9 // 10] < 0.1
        assert await passwords.verify(stored, GOOD)  # and there is room again

    async def test_pwd_8_who_is_cancelled_gives_the_room_back(self):
        passwords = Passwords(threads=1)
        waiting = [asyncio.create_task(passwords.hash(GOOD)) for _ in range(10)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await passwords.hash(GOOD)
