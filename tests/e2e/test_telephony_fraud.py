"""SMS as a purse for strangers, through the public HTTP: what they can spend, and what it leaves to everybody else (FRD-3 to FRD-6)."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
from testkit.stack import PASSWORD, Product, eventually

from .phones import Phoned, new_number, phoned

ASKED, MOST_OF_A_PREFIX = 60, 10  # a start is about 0.2 s of processors' time; the notifier's own test asks for 275
A_DAY = 86_400


def changed(one: Phoned, number: int) -> None:
    new = f"another good passphrase {number}"
    body = {"current_password": one.password, "password": new}
    assert one.http.put("/v1/me/password", json=body, headers=one.bearer).status_code == 204
    one.password = new


def texts(product: Product, number: str) -> int:
    return len(product.texts(number))


def start(client: httpx.Client, number: str) -> dict:
    body = {"identifiers": {"phone": number}, "password": PASSWORD, "client": "api"}
    answer = client.post("/v1/apps/mobile/registrations", json=body)
    assert answer.status_code == 202
    return answer.json()


class TestPasswordChanges:
    def test_a_number_is_not_flooded_by_notices(self, product: Product, http: httpx.Client):
        """FRD-4, NOT-1: twelve changes in a row are two texts at once and the newest after ten minutes; each was a notice before."""
        mira = phoned(product, http).activate()
        assert mira.sign_in(identifier=mira.number).status_code == 200
        before = texts(product, mira.number)
        for number in range(12):
            changed(mira, number)
        product.wait_quiet()
        assert texts(product, mira.number) == before + 2
        product.move_clock(601)
        eventually(lambda: texts(product, mira.number) == before + 3, seconds=30)


class TestConsecutiveNumbers:
    def test_strangers_spend_their_own_part(self, product: Product, http: httpx.Client):
        """FRD-3, FRD-4, FRD-6: sixty consecutive numbers get ten texts; with all of the strangers' money gone a registration is told so,
        while a customer's code and another one's security notice still leave.
        """
        customer, other = phoned(product, http, new_number()).activate(), phoned(product, http, new_number()).activate()
        assert other.sign_in(identifier=other.number).status_code == 200
        product.move_clock(A_DAY)
        assert other.sign_in(identifier=other.number).status_code == 200
        prefix = f"+49176{uuid4().int % 10**4:04d}"
        numbers = [f"{prefix}{1000 + place:04d}" for place in range(ASKED)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: start(http, one), numbers))
        product.wait_quiet()
        assert sum(text["to"].startswith(prefix) for text in product.texts()) == MOST_OF_A_PREFIX
        self.spend(product)
        try:
            eventually(lambda: start(http, new_number())["channels"]["sms"] == "down", seconds=20, every=1)
            late = new_number()
            start(http, late)
            product.wait_quiet()
            assert texts(product, late) == 0
            before = texts(product, customer.number)
            assert customer.ask().status_code == 202
            eventually(lambda: texts(product, customer.number) == before + 1, seconds=30)
            before = texts(product, other.number)
            changed(other, 1)
            eventually(lambda: texts(product, other.number) == before + 1, seconds=30)
        finally:
            self.forget(product)

    @staticmethod
    def spend(product: Product) -> None:
        """What strangers may today, as if it had been spent in other ranges."""
        product.rows(
            "notifier", "UPDATE budget SET amount = 1000000 WHERE application = 'mobile' AND scope = 'strangers' RETURNING 1"
        )

    @staticmethod
    def forget(product: Product) -> None:
        product.rows("notifier", "DELETE FROM budget WHERE application = 'mobile' RETURNING 1")
