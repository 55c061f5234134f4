"""Fixtures of every service's own tests, for the notifier, and an application to send for."""

import pytest
from latchkey_contracts.configuration import Application, IdentityStore, SelfServicePolicy
from servicekit.configuration import Configuration
from testkit.service import clock, db, dsn, keys, wakeups

__all__ = ["clock", "db", "dsn", "keys", "wakeups"]

APPLICATION = {
    "slug": "demo",
    "brand": {
        "name": "Elmstead Energy",
        "short_name": "Elmstead",
        "brand": "#0b3d45",
        "sender_address": "account@elmstead.example",
    },
    "languages": ["en", "ar", "de", "es", "fr"],
    "timezone": "Europe/Berlin",
}


@pytest.fixture
def application() -> Application:
    return Application.model_validate(APPLICATION)


@pytest.fixture
def configuration() -> Configuration:
    found = Configuration()
    store, policy = IdentityStore(name="Default"), SelfServicePolicy(name="Default")
    found.replace({"Default": store.model_dump(mode="json")}, {"Default": policy.model_dump(mode="json")}, {"demo": APPLICATION})
    return found


@pytest.fixture(scope="session")
def service() -> str:
    return "notifier"
