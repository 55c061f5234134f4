"""One-time secrets against real PostgreSQL: OTP-1 to 5 and 7, LNK-1, 3, 5, 6, 7, 9 as far as the module goes."""

import asyncio
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from servicekit.clock import Clock, ManualClock
from servicekit.db import Database, Tx
from servicekit.errors import Overloaded
from servicekit.keys import Keys
from servicekit.proof import (
    KEEP_WRONG,
    LONG_CODE,
    MAX_IN_A_ROW,
    MAX_WRONG,
    Issued,
    OneTimeSecrets,
    ToIssue,
    hash_token,
    new_code,
    new_match,
    new_token,
    typed_code,
)
from servicekit.proof.onetime import purge

from .conftest import race

PURPOSES = ("activation", "password_reset", "sign_in", "contact_change", "contact_revert", "freeze", "deletion_cancel")
DAY, SIX_MINUTES = timedelta(hours=24), timedelta(minutes=6)
BROWSER, OTHER = hash_token("the browser that asked"), hash_token("another one")


@pytest.fixture
def secrets_(keys: Keys) -> OneTimeSecrets:
    return OneTimeSecrets(keys)


class Person:
    """One account whose flows get links and codes."""

    def __init__(self, db: Database, onetime: OneTimeSecrets, purpose: str = "activation") -> None:
        self.db, self.onetime, self.purpose = db, onetime, purpose
        self.subject = str(uuid4())

    async def ask(
        self, flow_id: UUID | None = None, *, match: str | None = "41", browser: bytes | None = BROWSER
    ) -> tuple[UUID, Issued]:
        flow_id = flow_id or uuid4()
        async with self.db.transaction() as tx:
            issued = await self.onetime.issue(tx, self.wanted(flow_id, browser=browser, match=match))
        return flow_id, issued

    def wanted(self, flow_id: UUID, *, match: str | None = "41", browser: bytes | None = BROWSER) -> ToIssue:
        return ToIssue(
            purpose=self.purpose, flow_id=flow_id, subject=self.subject, tenant="store", browser=browser,
            link_lifetime=DAY, code_lifetime=SIX_MINUTES, match=match,
        )  # fmt: skip

    async def press(
        self, token: str | None, *, db: Database | None = None, browser: bytes | None = BROWSER, match: str | None = None, **more
    ):
        async with (db or self.db).transaction() as tx:
            return await self.onetime.consume_link(
                tx, token or "", purposes=more.pop("purposes", [self.purpose]), browser=browser, match=match, **more
            )

    async def type(
        self, flow_id: UUID, code: str | None, *, db: Database | None = None, purpose: str | None = None, browser=BROWSER
    ):
        async with (db or self.db).transaction() as tx:
            return await self.onetime.consume_code(
                tx, flow_id=flow_id, purpose=purpose or self.purpose, code=code or "", browser=browser
            )

    async def state(self, token: str | None) -> str:
        async with self.db.read() as conn:
            return (await self.onetime.inspect(conn, token or "")).state


@pytest.fixture
def person(db: Database, secrets_: OneTimeSecrets) -> Person:
    return Person(db, secrets_)


def wrong(code: str | None) -> str:
    return f"{(int(code or 0) + 1) % 1_000_000:06d}"


class TestRandomness:
    def test_codes_are_uniform_digits(self):
        """OTP-1: constant length, each position uniform (chi-square, 9 degrees, p = 1e-6), no duplicates beyond chance."""
        codes = [new_code(6) for _ in range(20_000)]
        assert all(re.fullmatch("[0-9]{6}", one) for one in codes)
        for position in range(6):
            counts = Counter(one[position] for one in codes)
            assert sum((counts[digit] - 2000) ** 2 / 2000 for digit in "0123456789") < 45
        assert len(set(codes)) > 20_000 - 300  # 200 expected

    @pytest.mark.parametrize("length", [6, 7, 8])
    def test_lengths(self, length):
        """OTP-1: six to eight digits."""
        assert {len(new_code(length)) for _ in range(2000)} == {length}

    def test_tokens_have_256_bits(self):
        """LNK-5: 43 url-safe characters, all different, no shared prefix."""
        tokens = [new_token() for _ in range(10_000)]
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", one) for one in tokens)
        assert len(set(tokens)) == 10_000
        assert len({one[:4] for one in tokens}) > 9_900

    def test_match_is_two_digits(self):
        assert {len(new_match()) for _ in range(1000)} == {2}

    @pytest.mark.parametrize(
        "typed", ["123456", "123 456", "123-456", " 123\u2013456\n", "1 2 3 4 5 6", "١٢٣٤٥٦", "１２３４５６", "۱۲۳\u00a0۴۵۶"]
    )
    def test_codes_as_people_type_them(self, typed):
        """OTP-8."""
        assert typed_code(typed) == "123456"

    def test_other_characters_stay(self):
        assert typed_code("12345O²") == "12345O²"


class TestAtRest:
    async def test_no_token_and_no_code_is_stored(self, person, db):
        """OTP-7, LNK-5, canary rule: not in any column, in no spelling."""
        flow_id, issued = await person.ask()
        async with db.read() as conn:
            (row,) = await conn.fetch(
                "SELECT to_jsonb(t) AS all, link_hash, code_hash FROM one_time_secret t WHERE flow_id = $1", flow_id
            )
        text = str(row["all"])
        for secret in (issued.token, issued.code):
            for spelling in (secret, secret.encode().hex()):
                assert spelling not in text
        assert row["link_hash"] == hashlib.sha256(issued.token.encode()).digest()

    async def test_a_stolen_table_gives_no_code(self, person, db, keys):
        """OTP-7: all million codes hashed without the key find none; with the key it is found, so the search is a real one."""
        flow_id, issued = await person.ask()
        async with db.read() as conn:
            stored = await conn.fetchval("SELECT code_hash FROM one_time_secret WHERE flow_id = $1", flow_id)
        head = b"\0".join((b"activation", flow_id.bytes, b""))

        def search() -> list[str]:
            found = []
            for number in range(1_000_000):
                code = b"%06d" % number
                if hashlib.sha256(code).digest() == stored or hashlib.sha256(head + code).digest() == stored:
                    found.append(code.decode())
            return found

        assert await asyncio.to_thread(search) == []
        assert hmac.digest(keys.secret("code"), head + issued.code.encode(), "sha256") == stored

    async def test_the_same_code_looks_different_in_each_flow(self, secrets_):
        one, two = uuid4(), uuid4()
        hashes = {secrets_._hash_code(purpose, flow, "123456") for purpose in ("a", "b") for flow in (one, two)}
        assert len(hashes) == 4


class TestInspect:
    async def test_looking_never_writes(self, person, db):
        """LNK-1: twenty looks leave the row as it was, to its very version."""
        flow_id, issued = await person.ask()

        async def version() -> object:
            async with db.read() as conn:
                return tuple(
                    (await conn.fetchrow("SELECT xmin, ctid, t.* FROM one_time_secret t WHERE flow_id = $1", flow_id)).values()
                )

        before = await version()
        for _ in range(20):
            assert await person.state(issued.token) == "valid"
        assert await version() == before
        assert (await person.press(issued.token)).outcome == "ok"

    async def test_it_tells_what_the_page_needs(self, person, db, clock):
        flow_id, issued = await person.ask()
        async with db.read() as conn:
            link = await person.onetime.inspect(conn, issued.token)
        assert (link.purpose, link.flow_id, link.subject, link.browser) == ("activation", flow_id, person.subject, BROWSER)
        assert (link.created_at, link.expires_at) == (clock.now(), clock.now() + DAY)

    @pytest.mark.parametrize("token", ["", "x", "x" * 43, "é" * 43, "\ud800", "x" * 10_000])
    async def test_unknown_and_malformed_alike(self, person, token):
        """LNK-10."""
        assert await person.state(token) == "malformed"
        assert (await person.press(token)).outcome == "malformed"


class TestLink:
    async def test_once(self, person):
        """LNK-6."""
        flow_id, issued = await person.ask()
        first, second = await person.press(issued.token), await person.press(issued.token)
        assert (first.outcome, first.link.flow_id, first.elsewhere) == ("ok", flow_id, False)
        assert second.outcome == "used"
        assert await person.state(issued.token) == "used"

    async def test_life(self, person, clock):
        """REG-2: works to the last second, then says that it is too old."""
        _, early = await person.ask()
        _, late = await person.ask()
        clock.move(DAY.total_seconds() - 1)
        assert (await person.press(early.token)).outcome == "ok"
        clock.move(1)
        assert await person.state(late.token) == "expired"
        assert (await person.press(late.token)).outcome == "expired"

    @pytest.mark.parametrize("purpose", PURPOSES)
    async def test_only_for_its_purpose(self, db, secrets_, purpose):
        """LNK-7: the matrix purpose x purpose is refused but on the diagonal."""
        person = Person(db, secrets_, purpose)
        _, issued = await person.ask()
        others = [one for one in PURPOSES if one != purpose]
        assert (await person.press(issued.token, purposes=others)).outcome == "malformed"
        assert (await person.press(issued.token)).outcome == "ok"

    @pytest.mark.parametrize("purpose", PURPOSES)
    async def test_sixteen_presses_one_winner(self, db, replica, secrets_, purpose):
        """LNK-6, INV-3: for each purpose, over two pools."""
        person = Person(db, secrets_, purpose)
        _, issued = await person.ask()
        results = await race(16, lambda number: person.press(issued.token, db=(db, replica)[number % 2]))
        assert Counter(one.outcome for one in results) == {"ok": 1, "used": 15}

    async def test_fifty_presses_one_winner(self, person, db, replica):
        """LNK-6."""
        _, issued = await person.ask()
        results = await race(50, lambda number: person.press(issued.token, db=(db, replica)[number % 2]))
        assert Counter(one.outcome for one in results) == {"ok": 1, "used": 49}

    async def test_a_press_that_is_rolled_back_did_not_happen(self, person):
        _, issued = await person.ask()

        async def fails(tx: Tx) -> None:
            await person.onetime.consume_link(tx, issued.token, purposes=["activation"], browser=BROWSER)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            async with person.db.transaction() as tx:
                await fails(tx)
        assert (await person.press(issued.token)).outcome == "ok"


class TestOtherBrowser:
    """LNK-3: elsewhere only with the number that the asking window shows."""

    @pytest.mark.parametrize("browser", [OTHER, None])
    async def test_without_a_number_nothing_is_consumed(self, person, browser):
        _, issued = await person.ask()
        assert (await person.press(issued.token, browser=browser)).outcome == "other_browser"
        assert await person.state(issued.token) == "valid"

    async def test_the_right_number(self, person):
        _, issued = await person.ask()
        result = await person.press(issued.token, browser=OTHER, match="41")
        assert (result.outcome, result.elsewhere) == ("ok", True)

    @pytest.mark.parametrize("match", ["42", "", "041", "４１", "41 "])
    async def test_a_wrong_number_ends_the_link(self, person, match):
        _, issued = await person.ask()
        assert (await person.press(issued.token, browser=OTHER, match=match)).outcome == "match_wrong"
        assert (await person.press(issued.token, browser=OTHER, match="41")).outcome == "ended"
        assert (await person.press(issued.token)).outcome == "ended"

    async def test_ninety_guesses_at_once_are_one_guess(self, person, db, replica):
        """Whatever comes first decides; nobody tries all numbers in parallel."""
        _, issued = await person.ask(match="99")
        results = await race(40, lambda n: person.press(issued.token, db=(db, replica)[n % 2], browser=OTHER, match=str(10 + n)))
        assert {one.outcome for one in results} <= {"match_wrong", "ended"}
        assert (await person.press(issued.token, browser=OTHER, match="99")).outcome == "ended"

    @pytest.mark.parametrize("match", ["", "41"])
    async def test_a_link_without_a_number_never_works_elsewhere(self, person, match):
        _, issued = await person.ask(match=None)
        assert (await person.press(issued.token, browser=OTHER, match=match)).outcome == "other_browser"

    async def test_a_link_that_no_browser_asked_for(self, person):
        _, issued = await person.ask(browser=None)
        assert (await person.press(issued.token, browser=None)).outcome == "other_browser"
        assert (await person.press(issued.token, browser=None, from_anywhere=True)).outcome == "ok"

    async def test_proven_in_another_way(self, person, db):
        """REG-3: the password chosen at registration; still once."""
        _, issued = await person.ask()
        async with db.transaction() as tx:
            link = await person.onetime.inspect(tx, issued.token)
            assert await person.onetime.use(tx, link)
        async with db.transaction() as tx:
            assert not await person.onetime.use(tx, link)


class TestFlows:
    """LNK-9, C5."""

    async def test_a_stranger_s_requests_void_nothing_and_the_first_success_voids_all(self, person, db):
        _, mine = await person.ask()
        theirs = [(await person.ask(browser=OTHER))[1] for _ in range(4)]
        assert await person.state(mine.token) == "valid"
        async with db.transaction() as tx:
            result = await person.onetime.consume_link(tx, mine.token, purposes=["activation"], browser=BROWSER)
            assert result.outcome == "ok"
            await person.onetime.end_subject(tx, person.subject)
        assert [await person.state(one.token) for one in theirs] == ["ended"] * 4
        assert await person.state(mine.token) == "used"

    async def test_two_links_at_once_one_success(self, person, db, replica):
        """INV-3 for a person: neither both, nor a deadlock."""
        for _ in range(5):
            issued = [(await person.ask())[1] for _ in range(4)]

            async def press(number: int, issued: list[Issued] = issued) -> str:
                async with (db, replica)[number % 2].transaction() as tx:
                    token = issued[number % 4].token
                    result = await person.onetime.consume_link(tx, token, purposes=["activation"], browser=BROWSER)
                    if result.outcome == "ok":
                        await person.onetime.end_subject(tx, person.subject)
                    return result.outcome

            results = await race(8, press)
            assert all(isinstance(one, str) for one in results), results
            assert Counter(results)["ok"] == 1

    async def test_a_resend_replaces_within_its_own_flow(self, person):
        flow_id, older = await person.ask()
        _, newer = await person.ask(flow_id)
        assert (await person.press(older.token)).outcome == "superseded"
        assert (await person.press(newer.token)).outcome == "ok"

    async def test_several_in_one_go_are_one_after_the_other(self, person, db, secrets_):
        """Of one flow the last is good; another flow's is not touched."""
        flow, other = uuid4(), uuid4()
        _, before = await person.ask(flow)
        async with db.transaction() as tx:
            wanted = [person.wanted(one) for one in (flow, other, flow)]
            issued = await secrets_.issue_several(tx, wanted)
        states = [await person.state(one.token) for one in (before, *issued)]
        assert states == ["superseded", "superseded", "valid", "valid"]
        assert (await person.type(flow, issued[0].code)).outcome == "wrong"
        assert (await person.type(flow, issued[2].code)).outcome == "ok"

    async def test_two_resends_at_once_leave_one(self, person, db):
        flow_id, _ = await person.ask()
        results = await race(10, lambda _: person.ask(flow_id))
        states = [await person.state(issued.token) for _, issued in results]
        assert Counter(states) == {"valid": 1, "superseded": 9}

    async def test_what_changes_the_account_ends_all(self, person, db):
        """LNK-7: by subject, by purpose, by flow."""
        reset = Person(db, person.onetime, "password_reset")
        reset.subject = person.subject
        (flow_id, one), (_, two), (_, other) = await person.ask(), await reset.ask(), await Person(db, person.onetime).ask()
        async with db.transaction() as tx:
            await person.onetime.end_subject(tx, person.subject, ["password_reset"])
        assert [await person.state(issued.token) for issued in (one, two, other)] == ["valid", "ended", "valid"]
        async with db.transaction() as tx:
            await person.onetime.end_flows(tx, [flow_id])
        assert [await person.state(issued.token) for issued in (one, two, other)] == ["ended", "ended", "valid"]
        assert (await person.type(flow_id, one.code)).outcome == "wrong"

    async def test_purge(self, person, db, clock):
        flow_id, issued = await person.ask()
        await person.type(flow_id, wrong(issued.code))
        clock.move(86400 * 31)
        _, fresh = await person.ask()
        async with db.transaction() as tx:
            await purge(tx, timedelta(days=30))
            assert await tx.fetchval("SELECT count(*) FROM one_time_tries WHERE flow_id = $1", flow_id) == 0
        assert await person.state(issued.token) == "malformed"
        assert await person.state(fresh.token) == "valid"

    async def test_purge_of_tries_without_a_secret(self, person, db, clock):
        """A code typed in a flow that no message left for, by whoever likes: its row goes by its age."""
        flow_id = uuid4()
        await person.type(flow_id, "123456")
        rows = "SELECT count(*) FROM one_time_tries WHERE flow_id = $1"
        for days, left in ((29, 1), (2, 0)):
            clock.move(days * 86400)
            async with db.transaction() as tx:
                await purge(tx, timedelta(days=30))
                assert await tx.fetchval(rows, flow_id) == left


class TestCode:
    async def test_right_once(self, person):
        flow_id, issued = await person.ask()
        assert (await person.type(flow_id, f"{issued.code[:3]} {issued.code[3:]}")).outcome == "ok"
        assert (await person.type(flow_id, issued.code)).outcome == "used"
        assert (await person.press(issued.token)).outcome == "used"  # one secret in two forms (LNK-11)

    async def test_life(self, person, clock):
        """OTP-2: to the last second, not a second more."""
        (one, early), (two, late) = await person.ask(), await person.ask()
        clock.move(SIX_MINUTES.total_seconds() - 1)
        assert (await person.type(one, early.code)).outcome == "ok"
        clock.move(2)
        assert (await person.type(two, late.code)).outcome == "expired"
        assert await person.state(late.token) == "valid"

    async def test_fifty_at_once_one_success(self, person, db, replica):
        """OTP-3."""
        flow_id, issued = await person.ask()
        results = await race(50, lambda number: person.type(flow_id, issued.code, db=(db, replica)[number % 2]))
        assert Counter(one.outcome for one in results) == {"ok": 1, "used": 49}

    async def test_useless_elsewhere_and_counted(self, person, db):
        """OTP-4: another flow, another purpose, another account, another browser."""
        (one, a), (two, b) = await person.ask(), await person.ask()
        if a.code == b.code:  # one in a million
            two, b = await person.ask()
        stranger = Person(db, person.onetime)
        three, c = await stranger.ask()
        assert (await person.type(two, a.code)).outcome == "wrong"
        assert (await person.type(one, a.code, purpose="sign_in")).outcome == "wrong"
        assert c.code == a.code or (await stranger.type(three, a.code)).outcome == "wrong"
        for browser in (OTHER, None):
            assert (await person.type(one, a.code, browser=browser)).outcome == "wrong"
        async with db.read() as conn:
            assert await person.onetime.tries_left(conn, flow_id=one, purpose="activation") == MAX_WRONG - 2
            assert await person.onetime.tries_left(conn, flow_id=two, purpose="activation") == MAX_WRONG - 1
        assert (await person.type(one, a.code)).outcome == "ok"

    async def test_the_fifth_wrong_one_burns(self, person):
        """OTP-5."""
        flow_id, issued = await person.ask()
        results = [await person.type(flow_id, wrong(issued.code)) for _ in range(5)]
        assert [(one.outcome, one.tries_left) for one in results] == [
            ("wrong", 4),
            ("wrong", 3),
            ("wrong", 2),
            ("wrong", 1),
            ("burned", 0),
        ]
        assert (await person.type(flow_id, issued.code)).outcome == "burned"
        assert await person.state(issued.token) == "valid"  # the link is no guess

    async def test_a_resend_does_not_reset_the_count(self, person):
        """OTP-5: four wrong, resend, one wrong: burned, for this and for every later code of the flow."""
        flow_id, issued = await person.ask()
        for _ in range(4):
            await person.type(flow_id, wrong(issued.code))
        _, again = await person.ask(flow_id)
        assert (await person.type(flow_id, wrong(again.code))).outcome == "burned"
        _, last = await person.ask(flow_id)
        assert (await person.type(flow_id, last.code)).outcome == "burned"

    async def test_the_older_code_is_dead_after_a_resend(self, person):
        flow_id, older = await person.ask()
        _, newer = await person.ask(flow_id)
        assert older.code == newer.code or (await person.type(flow_id, older.code)).outcome == "wrong"
        assert (await person.type(flow_id, newer.code)).outcome == "ok"

    async def test_the_fifth_try_may_be_right(self, person):
        flow_id, issued = await person.ask()
        for _ in range(4):
            await person.type(flow_id, wrong(issued.code))
        assert (await person.type(flow_id, issued.code)).outcome == "ok"

    async def test_parallel_guesses_get_five_looks(self, person, db, replica):
        """OTP-5, INV-13: forty guesses released at once over two pools."""
        flow_id, issued = await person.ask()
        results = await race(40, lambda number: person.type(flow_id, wrong(issued.code), db=(db, replica)[number % 2]))
        assert Counter(one.outcome for one in results) == {"wrong": 4, "burned": 36}

    async def test_the_count_survives_the_process(self, person, kit_dsn, clock: ManualClock):
        """INV-13: it is in the database, committed with the wrong try."""
        flow_id, issued = await person.ask()
        for _ in range(3):
            await person.type(flow_id, wrong(issued.code))
        fresh = await Database.connect(kit_dsn, service="identity", origin="https://id.example", clock=clock)
        assert (await person.type(flow_id, wrong(issued.code), db=fresh)).tries_left == 1
        await fresh.close()

    @pytest.mark.parametrize("code", ["", "x", "1" * 32, "\x00", "é", "１２３"])
    async def test_anything_else_is_just_wrong(self, person, code):
        flow_id, _ = await person.ask()
        assert (await person.type(flow_id, code)).outcome == "wrong"

    async def test_unknown_flow(self, person):
        assert (await person.type(uuid4(), "123456")).outcome == "wrong"

    async def test_tries_of_another_kind_count_alike(self, person, db):
        """REG-3: the password on a link."""
        flow_id, _ = await person.ask()
        async with db.transaction() as tx:
            counted = [await person.onetime.count_try(tx, flow_id=flow_id, purpose="activation.password") for _ in range(6)]
            assert counted == [1, 2, 3, 4, 5, 6]
            assert await person.onetime.tries_left(tx, flow_id=flow_id, purpose="activation.password") == 0


class TestManyFlows:
    """OTP-5: failures accumulate over flows, resends, browsers and restarts; a hundred in a row make a person's codes longer."""

    async def guess(self, person: Person, tries: int, *, db: Database | None = None) -> None:
        """In as many flows as it takes, five in each."""
        for start in range(0, tries, MAX_WRONG):
            flow_id, issued = await person.ask()
            for _ in range(min(MAX_WRONG, tries - start)):
                await person.type(flow_id, wrong(issued.code), db=db)

    async def digits(self, person: Person) -> int:
        _, issued = await person.ask()
        return len(issued.code or "")

    async def test_the_hundredth_lengthens_this_persons_codes(self, person, db):
        await self.guess(person, MAX_IN_A_ROW - 1)
        assert await self.digits(person) == 6
        await self.guess(person, 1)
        assert await self.digits(person) == LONG_CODE
        assert await self.digits(Person(db, person.onetime)) == 6
        other = Person(db, person.onetime, "password_reset")
        other.subject = person.subject
        assert await self.digits(other) == 6, "what is guessed at is one purpose's"

    async def test_a_right_code_or_link_begins_anew(self, person):
        for prove in (self.by_code, self.by_link):
            await self.guess(person, MAX_IN_A_ROW)
            assert await self.digits(person) == LONG_CODE
            await prove(person)
            assert await self.digits(person) == 6

    async def by_code(self, person: Person) -> None:
        flow_id, issued = await person.ask()
        assert (await person.type(flow_id, issued.code)).outcome == "ok"

    async def by_link(self, person: Person) -> None:
        _, issued = await person.ask()
        assert (await person.press(issued.token)).outcome == "ok"

    async def test_nobody_is_locked_out(self, person):
        """A stranger's guesses cost the owner two more digits and nothing else."""
        await self.guess(person, MAX_IN_A_ROW + 50)
        await self.by_code(person)

    async def test_over_replicas_and_at_once(self, person, replica):
        await self.guess(person, MAX_IN_A_ROW - 20)
        flows = [await person.ask() for _ in range(4)]
        await race(20, lambda number: person.type(flows[number % 4][0], wrong(flows[number % 4][1].code), db=replica))
        assert await self.digits(person) == LONG_CODE

    async def test_forgotten_after_a_month_of_calm(self, person, db, clock: ManualClock):
        await self.guess(person, MAX_IN_A_ROW)
        clock.move(KEEP_WRONG.total_seconds() + 1)
        async with db.transaction() as tx:
            await purge(tx, DAY)
        assert await self.digits(person) == 6

    async def test_the_same_is_written_for_unknown_people(self, person, db):
        """ENU-1: a flow that no code was made for."""
        flow_id = uuid4()
        await person.type(flow_id, "123456")
        async with db.read() as conn:
            assert await conn.fetchval("SELECT wrong FROM one_time_wrong WHERE subject = $1", str(flow_id)) == 1

    async def test_told_once(self, person, logged):
        await self.guess(person, MAX_IN_A_ROW + 10)
        told = [one for one in logged() if one["event"] == "authn_login_fail_max"]
        assert [(one["account_id"], one["purpose"]) for one in told] == [(person.subject, "activation")]


class TestWrongClock:
    """INV-9: what is over stays over, whichever process is asked."""

    @pytest.fixture
    async def behind(self, kit_dsn: str, clock: ManualClock) -> AsyncIterator[Database]:
        """The database as a process sees it whose machine is ten minutes behind."""
        slow = ManualClock(clock.now())
        slow.set_wrong(-600)
        slow.compare(Clock().now(), slow.monotonic())
        database = await Database.connect(kit_dsn, service="identity", origin="https://id.example", clock=slow)
        yield database
        await database.close()

    async def test_no_code_is_accepted_and_none_counted(self, clock, person, behind):
        """REL-15."""
        flow_id, issued = await person.ask()
        clock.move(361)
        assert (await person.type(flow_id, issued.code)).outcome == "expired"
        for code in (issued.code, wrong(issued.code)):
            with pytest.raises(Overloaded):
                await person.type(flow_id, code, db=behind)
        async with person.db.read() as conn:
            assert await person.onetime.tries_left(conn, flow_id=flow_id, purpose=person.purpose) == MAX_WRONG

    async def test_no_link_is_accepted(self, person, behind):
        _, issued = await person.ask()
        with pytest.raises(Overloaded):
            await person.press(issued.token, db=behind)
        async with behind.transaction() as tx:
            link = await person.onetime.inspect(tx, issued.token or "")
            with pytest.raises(Overloaded):
                await person.onetime.use(tx, link)
        assert await person.state(issued.token) == "valid"
