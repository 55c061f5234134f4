"""ENU-1, ENU-3, REG-9: no public start, and no start after another, tells known, pending and unknown identifiers apart.

Every pair of starts in every order, the first as often as its caps allow and once more, the second watched over 30 s.
"""

import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from testkit.stack import Person, Product, new_email, person

from .test_password_reset import shape

MOST = 5  # the hourly cap
ROUNDS = MOST + 1
WATCHED = (0, 10, 10, 10)  # seconds between two looks


@dataclass(frozen=True)
class Start:
    """`begin` answers what the caller sees; a flow of `path` can be read and asked for again."""

    path: str
    begin: Callable[[Person, str], list[httpx.Response]]


def registration(one: Person, name: str) -> list[httpx.Response]:
    body = {"identifiers": {"email": name}, "password": one.password, "client": "api"}
    return [_taken(one, one.http.post(one.url("/registrations"), json=body))]


def reset(one: Person, name: str) -> list[httpx.Response]:
    return [_taken(one, one.http.post(one.url("/password-resets"), json={"identifier": name, "client": "api"}))]


def reminder(one: Person, name: str) -> list[httpx.Response]:
    return [_taken(one, one.http.post(one.url("/username-reminders"), json={"email": name, "client": "api"}))]


def sign_in(one: Person, name: str) -> list[httpx.Response]:
    begun = _taken(one, one.http.post(one.url("/sign-ins"), json={"identifier": name, "client": "api"}))
    wrong = one.post(f"/sign-ins/{one.flow['id']}/password", {"password": "not the password at all"})
    return [begun, wrong]


STARTS = {
    "registration": Start("registrations", registration),
    "reset": Start("password-resets", reset),
    "reminder": Start("username-reminders", reminder),
    "sign-in": Start("sign-ins", sign_in),
}


def _taken(one: Person, answer: httpx.Response) -> httpx.Response:
    one.flow_token = ""
    one.take(answer)
    return answer


def seen(answer: httpx.Response) -> tuple[object, ...]:
    """All that a stranger sees but ids, moments and what was typed; waits as now, within the spacing, or longer."""

    def wait(found: re.Match[str]) -> str:
        seconds = int(found[2])
        return f"{found[1]}{'now' if seconds == 0 else 'soon' if seconds <= 20 else 'later'}"

    text = re.sub(r'("retry_after_seconds":)(\d+)', wait, answer.text)
    status, headers, body = shape(httpx.Response(answer.status_code, headers=answer.headers, text=text))
    masked = re.sub(r'"to":"[^"]*"', '"to":"*"', body)
    return status, headers, masked, sorted(answer.cookies)


# Flows whose message has left, or never will, without their service having heard so.
UNHEARD = """
SELECT FROM flow_asked AS a WHERE flow_id = ANY(%s::uuid[]) AND cause IS NOT NULL AND state <> 'suppressed'
AND NOT EXISTS (SELECT FROM flow_message AS m WHERE m.flow_id = a.flow_id AND m.cause = a.cause AND m.state <> 'queued')
"""


def heard(product: Product, people: list[Person]) -> None:
    """Where there is something to hear, for 2 s at most: a message that was suppressed never leaves."""
    flows, end = [one.flow["id"] for one in people], time.monotonic() + 2
    while time.monotonic() < end and any(product.rows(service, UNHEARD, flows) for service in ("identity", "recovery")):
        time.sleep(0.02)


def watched(product: Product, http: httpx.Client, start: Start, people: list[Person]) -> Iterator[list[tuple[object, ...]]]:
    for seconds in WATCHED:
        product.move_clock(seconds)
        product.wait_quiet(seconds=60)
        heard(product, people)
        yield [seen(http.get(one.url(f"/{start.path}/{one.flow['id']}"), headers=one.headers)) for one in people]
    if start.path != "sign-ins":
        yield [seen(one.post(f"/{start.path}/{one.flow['id']}/resend", {})) for one in people]
        product.wait_quiet(seconds=60)
        heard(product, people)
        yield [seen(http.get(one.url(f"/{start.path}/{one.flow['id']}"), headers=one.headers)) for one in people]


@pytest.fixture
def three(product: Product, http: httpx.Client) -> list[Person]:
    """Known, pending, unknown; whatever made them so was more than an hour ago."""
    people = [person(product, http, f"p{number}{new_email()[7:]}") for number in range(3)]
    people[0].activate()
    people[1].register()
    people[1].mail()
    product.move_clock(3700)
    return people


@pytest.mark.parametrize(("first", "second"), itertools.product(STARTS, STARTS))
def test_one_start_after_another(product: Product, http: httpx.Client, three: list[Person], first: str, second: str) -> None:
    """ENU-1: in body, headers, cookies, delivery and resend."""
    for _ in range(ROUNDS):
        answers = [[seen(answer) for answer in STARTS[first].begin(one, one.email)] for one in three]
        assert answers[0] == answers[1] == answers[2]
        product.move_clock(21)
        product.wait_quiet(seconds=60)
    answers = [[seen(answer) for answer in STARTS[second].begin(one, one.email)] for one in three]
    assert answers[0] == answers[1] == answers[2]
    for look in watched(product, http, STARTS[second], three):
        assert look[0] == look[1] == look[2]


def test_whose_a_username_is(product: Product, http: httpx.Client) -> None:
    """ENU-3: resets that named a username leave a registration with its address as one with anybody's."""
    mira, nobody = (person(product, http, f"p{number}{new_email()[7:]}") for number in range(2))
    name = f"mira{new_email()[7:15]}"
    assert mira.register(identifiers={"email": mira.email, "username": name}).status_code == 202
    assert mira.confirm().status_code == 200
    product.wait_quiet(seconds=60)
    product.move_clock(3700)
    before = len(product.messages(mira.email))
    for _ in range(ROUNDS):
        reset(mira, name)
        product.move_clock(21)
        product.wait_quiet(seconds=60)
    answers = [[seen(answer) for answer in registration(one, one.email)] for one in (mira, nobody)]
    assert answers[0] == answers[1]
    for look in watched(product, http, STARTS["registration"], [mira, nobody]):
        assert look[0] == look[1]
    assert len(product.messages(mira.email)) - before == MOST, "REG-9: whatever was typed for them"
    assert len(product.messages(nobody.email)) == 2
