"""BRF-3: the cookie of a browser that was here before: read back, made by nobody else, kept for one account."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import uuid4

import pytest
from gateway.web.device import Device, read, remembered, write

KEY = secrets.token_bytes(32)


@pytest.fixture
def device() -> Device:
    return remembered(KEY, uuid4(), "a session's token", None)


def test_read_back(device: Device) -> None:
    cookie = write(KEY, device)
    assert read(KEY, cookie) == device
    assert cookie.replace("-", "").replace("_", "").isalnum(), "nothing that would be quoted"


def test_of_another_installation(device: Device) -> None:
    assert read(secrets.token_bytes(32), write(KEY, device)) is None


@pytest.mark.parametrize("place", [0, 15, 16, 31, 32, 63])
def test_changed(device: Device, place: int) -> None:
    data = bytearray(urlsafe_b64decode(write(KEY, device) + "=="))
    data[place] ^= 1
    assert read(KEY, urlsafe_b64encode(data).decode()) is None


@pytest.mark.parametrize("cookie", [None, "", "=", "x" * 86, "é" * 40, "AAAA", "A" * 4096])
def test_no_such_thing(cookie: str | None) -> None:
    assert read(KEY, cookie) is None


def test_signing_in_again_keeps_the_count(device: Device) -> None:
    assert remembered(KEY, device.account_id, "another session's", device) == device
    assert remembered(KEY, uuid4(), "another session's", device).id != device.id


def test_an_answer_that_is_given_again_is_the_same(device: Device) -> None:
    """API-4: who repeats the key of a completed sign-in is told the same token."""
    again = remembered(KEY, device.account_id, "a session's token", None)
    assert again == device
    assert remembered(KEY, device.account_id, "a later session's", None).id != device.id
