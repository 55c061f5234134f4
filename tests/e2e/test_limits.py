"""THR-1, THR-3 across processes: what one network, its autonomous system, an application and everybody may, over two gateways."""

from collections.abc import Iterator

import httpx
import pytest
from devstack.infrastructure import Infrastructure
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from playwright.sync_api import expect
from testkit.stack import Product, new_email, running

from .conftest import configuration
from .window import heading

PROXY = "127.0.0.1/32"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, infrastructure: Infrastructure, run_prefix: str) -> Iterator[Product]:
    """3 starts a minute for a network, 6 for the system of 192.0.2.0/24, 9 for an application, 12 for all."""
    folder = tmp_path_factory.mktemp("small")
    writer = MMDBWriter(6, "ASN", ipv4_compatible=True)
    writer.insert_network(IPSet(["192.0.2.0/24"]), {"autonomous_system_number": 64500})
    writer.to_db_file(str(folder / "asn.mmdb"))
    with running(
        folder,
        infrastructure,
        f"{run_prefix}small-",
        configuration=configuration(folder),
        replicas={"gateway": 2},
        LATCHKEY_TRUSTED_PROXIES=PROXY,
        LATCHKEY_STARTS_PER_MINUTE="3",
        LATCHKEY_ASN_TIMES="2",
        LATCHKEY_APPLICATION_TIMES="3",
        LATCHKEY_ALL_TIMES="4",
        LATCHKEY_ASN_DATABASE=str(folder / "asn.mmdb"),
    ) as found:
        yield found


@pytest.fixture
def starts(small: Product):
    """Asks for resets from addresses, by turns over both gateways, in an empty minute; answers the statuses."""
    small.move_clock(120)
    clients = [small.client(0), small.client(1)]

    def ask(*addresses: str, app: str = "demo") -> list[httpx.Response]:
        answers = []
        for number, address in enumerate(addresses):
            body = {"identifier": new_email(), "client": "api"}
            headers = {"X-Forwarded-For": address}
            answers.append(clients[number % 2].post(f"/v1/apps/{app}/password-resets", json=body, headers=headers))
        return answers

    yield ask
    for one in clients:
        one.close()


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [one.status_code for one in answers]


def test_one_network(starts) -> None:
    """THR-3: /32 and /64; the answer says when to come again and not what it was about."""
    answers = starts(*["203.0.113.7"] * 4)
    assert statuses(answers) == [202, 202, 202, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["code"] == "too_many_requests"
    assert "203.0.113" not in answers[-1].text
    assert statuses(starts("203.0.113.8", *(f"2001:db8:1:2::{number}" for number in range(4)))) == [202, 202, 202, 202, 429]


def test_an_autonomous_system(starts) -> None:
    answers = starts(*(f"192.0.2.{number}" for number in range(7)), "198.51.100.1")
    assert statuses(answers) == [202] * 6 + [429, 202]
    assert answers[6].json() == {**starts(*["203.0.113.7"] * 4)[-1].json(), "request_id": answers[6].json()["request_id"],
                                 "retry_after_seconds": answers[6].json()["retry_after_seconds"]}  # fmt: skip


def test_an_application_and_everybody(starts) -> None:
    """Nobody's doing in particular: 503, with the time to wait; other applications go on until all is full."""
    answers = starts(*(f"203.0.{number}.1" for number in range(10)))
    assert statuses(answers) == [202] * 9 + [503]
    assert answers[-1].json()["code"] == "overloaded"
    assert int(answers[-1].headers["retry-after"]) >= 1
    # The one that the application refused is counted among all: two of twelve are left.
    assert statuses(starts("203.0.20.1", "203.0.21.1", "203.0.22.1", app="mobile")) == [202, 202, 503]


def test_the_page_says_so(small: Product, starts, open_window) -> None:
    """A page, not a bare error; what was typed isn't lost to anybody who goes back."""
    starts(*(f"203.0.{number}.1" for number in range(9)))
    page = open_window().context.new_page()
    page.goto(f"{small.origin}/demo/reset")
    page.get_by_label("E-mail or username").fill(new_email())
    with page.expect_navigation() as answered:
        page.get_by_role("button", name="Continue").click()
    assert answered.value.status == 503
    assert int(answered.value.headers["retry-after"]) >= 1
    expect(heading(page)).to_have_text("Busy right now")
