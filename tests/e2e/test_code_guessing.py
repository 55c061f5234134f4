"""OTP-6 across processes: guesses spread over many people and many networks are noticed, and the next codes are longer.

A product of its own, since an alarm lasts for an hour.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from devstack.infrastructure import Infrastructure
from latchkey_contracts.recovery import CodeGuessingSuspected
from servicekit.proof.guessing import LEAST_WRONG, LOOK_SECONDS
from testkit.running import running
from testkit.stack import Person, Product, eventually, new_email, person

from .conftest import configuration
from .invariants import events
from .test_password_reset import forgetful

GUESSES_EACH = 3


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, infrastructure: Infrastructure, run_prefix: str) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("target")
    with running(
        folder,
        infrastructure,
        f"{run_prefix}guess-",
        configuration=configuration(folder),
        replicas={"recovery": 2},
        LATCHKEY_TRUSTED_PROXIES="127.0.0.1/32",
    ) as found:
        yield found


def guess(client: httpx.Client, number: int) -> None:
    """One stranger's flow and three wrong codes in it, from a network of its own."""
    network = {"X-Forwarded-For": f"10.{number // 250}.{number % 250}.7"}
    body = {"identifier": new_email(), "client": "api"}
    flow = client.post("/v1/apps/demo/password-resets", json=body, headers=network).json()
    window = {**network, "Latchkey-Flow": flow["flow_token"]}
    for code in range(GUESSES_EACH):
        answer = client.post(f"/v1/apps/demo/password-resets/{flow['id']}/code", json={"code": f"{code:06d}"}, headers=window)
        assert (answer.status_code, answer.json()["code"]) == (403, "code_wrong"), answer.text


def test_many_people_a_few_guesses_each(target: Product, infrastructure: Infrastructure) -> None:
    with target.client() as http:
        member: Person = person(target, http).activate()
        assert len(code_of_a_reset(target, member)) == 6
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: guess(http, number), range(LEAST_WRONG // GUESSES_EACH + 1)))

        def alarms() -> list[CodeGuessingSuspected]:
            found = events(target, infrastructure.kafka_bootstrap, "recovery")
            return [one for one in found if isinstance(one, CodeGuessingSuspected)]

        (alarm,) = eventually(alarms, seconds=6 * LOOK_SECONDS, every=1)
        assert alarm.wrong >= LEAST_WRONG
        assert alarm.subject == "password_reset"
        # The replica that didn't raise it looks every few seconds; a person may ask five times in an hour.
        eventually(lambda: len(code_of_a_reset(target, member)) == 8, seconds=2 * LOOK_SECONDS, every=LOOK_SECONDS / 2)
        assert len(alarms()) == 1


def code_of_a_reset(product: Product, member: Person) -> str:
    """A working one, asked for now."""
    product.move_clock(21)
    reset = forgetful(member)
    reset.ask()
    code = product.code_of(reset.mail()) or ""
    assert reset.type_code(code).status_code == 200
    return code
