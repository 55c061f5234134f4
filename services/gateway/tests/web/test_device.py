"""BRF-3: the cookie of a browser that was here before: read back, made by nobody else, kept for one account."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import uuid4

import pytest
from gateway.web.device import Device, read, remembered, write

KEY = secrets.token_bytes(32)


@pytest.fixture
def device() -> Device:
    return remembered(uuid4(), None)


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
    assert remembered(device.account_id, device) == device
    assert remembered(uuid4(), device).id != device.id
