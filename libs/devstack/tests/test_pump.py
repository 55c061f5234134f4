"""`latchkey pump-sim`: its people, and a short attack on a real stack (FRD-13)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.pump.cli import make_stack
from devstack.pump.people import ATTACKERS, customers, day
from devstack.pump.simulation import Simulation
from devstack.supervisor import Stack

CONFIGURATION = Path(__file__).parents[3] / "config" / "latchkey.yaml"


class TestPeople:
    def test_a_day_is_the_same_again(self):
        assert day("distributed", 24, 5) == day("distributed", 24, 5)

    @pytest.mark.parametrize("attacker", sorted(ATTACKERS))
    def test_each_asks_for_more_than_strangers_may_have(self, attacker: str):
        """FRD-13: an attack that stays below the caps by itself would show nothing; slow, which never bursts, comes close."""
        tries = [one for one in day(attacker, 24, 1) if not one.honest and not one.customer]
        assert len(tries) * 0.05 > (7 if attacker == "slow" else 20)

    def test_honest_people_type_six_of_ten_codes(self):
        """FRD-13: 60 % conversion, three countries."""
        tries = [one for one in day(None, 240, 1) if one.honest]
        assert 0.55 < sum(one.types for one in tries) / len(tries) < 0.65
        assert len({next(code for code in ("+1", "+44", "+49") if one.number.startswith(code)) for one in tries}) == 3

    def test_customers_are_the_same_each_day_and_come_once(self):
        theirs = customers(24, 1)
        assert len(theirs) == 96
        for attacker in (None, "slow"):
            assert sorted(one.number for one in day(attacker, 24, 1) if one.customer) == theirs

    def test_fast_is_consecutive_and_distributed_is_not(self):
        numbers = [int(one.number) for one in day("fast", 1, 1) if not one.honest and not one.customer]
        assert numbers == list(range(numbers[0], numbers[0] + 90))
        prefixes = Counter(one.number[:-4] for one in day("distributed", 24, 1) if not one.honest and not one.customer)
        assert 40 < len(prefixes) <= 50


@pytest.fixture
def stack(infrastructure, run_prefix: str, tmp_path: Path) -> Iterator[Stack]:
    prefix = f"{run_prefix}pump-"
    made = make_stack(
        tmp_path,
        CONFIGURATION,
        infrastructure=infrastructure,
        topic_prefix=prefix,
        database_prefix=prefix.replace("-", "_"),
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.xdist_group("devstack")
class TestSimulation:
    def test_a_short_attack_stays_below_the_bound_and_shuts_nobody_out(
        self, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """FRD-13, FRD-8: the fastest of the four for a simulated half hour. Beside him with the demo's caps honest strangers have their
        texts; where he has spent all of the strangers' money they get in by e-mail, and customers notice nothing either way.
        """
        result = Simulation(stack, CONFIGURATION, hours=0.5).run("fast")
        assert result.tries == 90
        assert 0 < result.texts <= 10 + result.honest
        assert 0 < result.spent <= result.bound == 5.0
        assert (result.honest, result.textless, result.lost) == (4, 0, 0)
        assert (result.customers, result.customers_lost) == (2, 0)

        tight = tmp_path / "tight.yaml"
        tight.write_text(CONFIGURATION.read_text().replace("enabled: true, per_hour: 5", "enabled: true, per_hour: 0.24"))
        monkeypatch.setenv("LATCHKEY_CLOCK_FILE", stack.extra["LATCHKEY_CLOCK_FILE"])  # the call is signed by the stack's time
        stack.configure(tight)
        result = Simulation(stack, tight, hours=0.5, seed=2).run("fast")
        assert 0 < result.spent <= result.bound == 0.24
        assert result.textless > 0
        assert (result.honest, result.lost) == (4, 0)
        assert (result.customers, result.customers_lost) == (2, 0)
