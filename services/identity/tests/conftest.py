"""Fixtures of every service's own tests, for identity."""

import pytest
from testkit.service import clock, db, dsn, keys, wakeups

__all__ = ["clock", "db", "dsn", "keys", "wakeups"]


@pytest.fixture(scope="session")
def service() -> str:
    return "identity"
