"""A product whose applications differ by access policy alone; its gateway believes X-Forwarded-For, its places are three networks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.infrastructure import Infrastructure
from testkit.places import write_places
from testkit.running import running
from testkit.stack import Product

from .conftest import configuration

LEIPZIG, PRAGUE, SYDNEY = "192.0.2.20", "203.0.113.5", "198.51.100.9"
PLACES = {
    "192.0.2.0/24": ("DE", 51.34, 12.37),
    "203.0.113.0/24": ("CZ", 50.09, 14.42),
    "198.51.100.0/24": ("AU", -33.87, 151.21),
}
POLICIES: dict[str, dict[str, Any]] = {
    "ruled": {
        "rules": [
            {"name": "office", "effect": "skip", "when": {"networks": ["192.0.2.0/28"]}},
            {"name": "abroad", "effect": "require", "when": {"countries": ["CZ", "AU"]}},
            {"name": "travel", "effect": "deny", "when": {"improbable_travel": True}},
            {"name": "cellar", "effect": "deny", "when": {"networks": ["192.0.2.128/25"], "new_device": True}},
        ]
    },
    "night": {"rules": [{"name": "night", "effect": "deny", "when": {"between": ["20:00", "08:00"]}}]},
    "passwordless": {"workflow": "factor_only"},
    "factorfirst": {"workflow": "factor_then_password"},
    "passwordonly": {"workflow": "password_only"},
    "must": {"second_factor": {"required": True}},
    "mandatory": {"totp": {"mandatory": True}},
}


def with_policies(folder: Path) -> Path:
    """An application for each, of the store that all others share."""
    path = configuration(folder)
    document = yaml.safe_load(path.read_text())
    demo = document["applications"][0]
    for name, policy in POLICIES.items():
        document["access_policies"].append({"name": name, **policy})
        document["applications"].append(
            {**demo, "slug": name, "access_policy": name, "friendly_urls": [], "consents": [], "timezone": "UTC"}
        )
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return path


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory, infrastructure: Infrastructure, run_prefix: str) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("policed")
    with running(
        folder,
        infrastructure,
        f"{run_prefix}policed-{folder.name[-1]}-",
        configuration=with_policies(folder),
        LATCHKEY_TRUSTED_PROXIES="127.0.0.1/32",
        LATCHKEY_PLACE_DATABASE=str(write_places(folder / "places.mmdb", PLACES)),
    ) as found:
        yield found
        found.wait_quiet()
