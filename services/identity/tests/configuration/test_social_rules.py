"""What is wrong with a sign-in provider is told when it is applied, with its place and in words."""

from pathlib import Path
from typing import Any

import pytest
from identity.configuration.rules import check
from identity.configuration.social_rules import Surroundings

from ..conftest import DOCUMENT

GOOD: dict[str, dict[str, Any]] = {
    "google": {},
    "apple": {"team_id": "ABCDE12345", "key_id": "FGHIJ67890"},
    "microsoft": {"tenant": "9188040d-6c67-4c5b-b112-36a304b66dad"},
    "github": {},
    "facebook": {},
    "oidc": {"issuer": "https://login.example.org/realms/one", "hosts": ["keys.example.org"]},
    "local": {},
}


@pytest.fixture
def here(tmp_path: Path) -> Surroundings:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "empty").write_text(" \n")
    return Surroundings(tmp_path, "http://127.0.0.1:9")


def found(here: Surroundings | None, *providers: dict[str, Any]) -> tuple[list[str], list[str]]:
    social = [{"name": one["template"], "client_id": "a client", "client_secret_file": "secret", **one} for one in providers]
    document = {**DOCUMENT, "applications": [{**DOCUMENT["applications"][0], "social": social}]}
    checked = check(document, None, here=here)
    cut = "/applications/0/social"
    told = [[f"{path.removeprefix(cut)}: {why}" for path, why in some] for some in (checked.errors, checked.warnings)]
    return told[0], told[1]


def test_each_template_as_it_should_be(here: Surroundings) -> None:
    assert found(here, *({"template": name, **more} for name, more in GOOD.items())) == ([], [])


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ({"template": "oidc"}, "/0/issuer: oidc needs it"),
        ({"template": "apple", "team_id": "ABCDE12345"}, "/0/key_id: apple needs it"),
        ({"template": "google", "issuer": "https://a.example"}, "/0/issuer: is a setting of oidc alone"),
        ({"template": "github", "hosts": ["a.example"]}, "/0/hosts: is a setting of oidc alone"),
        ({"template": "github", "tenant": "consumers"}, "/0/tenant: is a setting of microsoft alone"),
        ({"template": "oidc", "issuer": "https://a.example", "hosts": ["169.254.169.254"]}, "/0/hosts/0: 169.254.169.254: must be a host's name"),
        ({"template": "oidc", "issuer": "https://a.example", "hosts": ["https://a.example"]}, "/0/hosts/0: https://a.example: must be a host's name"),
        ({"template": "oidc", "issuer": "http://a.example"}, "/0/issuer: http://a.example: must be https"),
        ({"template": "oidc", "issuer": "https://me:pw@a.example"}, "/0/issuer: https://me:pw@a.example: must be https://host/path"),
        ({"template": "oidc", "issuer": "https://a.example?x=1"}, "/0/issuer: https://a.example?x=1: must be https://host/path"),
        ({"template": "oidc", "issuer": "ftp://a.example"}, "/0/issuer: ftp://a.example: must be https://host/path"),
        ({"template": "oidc", "issuer": "http://127.0.0.1:9000"}, "/0/issuer: http://127.0.0.1:9000: must be https"),
        ({"template": "google", "client_secret_file": "absent"}, "/0/client_secret_file: absent: can't be read: No such file or directory"),
        ({"template": "google", "client_secret_file": "empty"}, "/0/client_secret_file: empty: is empty"),
        ({"template": "microsoft", "authoritative": True}, "/0/authoritative: Microsoft doesn't say whether it has verified"),
    ],
)  # fmt: skip
def test_what_is_refused(here: Surroundings, provider: dict[str, Any], told: str) -> None:
    errors, _ = found(here, provider)
    assert [one for one in errors if one.startswith(told)], errors


def test_no_file_outside_of_the_folder(here: Surroundings) -> None:
    for name in ("../keys/secrets/code.key", "/etc/passwd", ".hidden", "a/b"):
        errors, _ = found(here, {"template": "google", "client_secret_file": name})
        assert errors, name


def test_names_stand_once(here: Surroundings) -> None:
    errors, _ = found(here, {"template": "google"}, {"template": "google"})
    assert errors == [": google stands here 2 times"]


def test_the_local_one_elsewhere(tmp_path: Path) -> None:
    errors, warnings = found(Surroundings(tmp_path), {"template": "local"})
    assert errors == []
    assert warnings == ["/0/template: local is offered by `make run` alone (LATCHKEY_LOCAL_PROVIDER_URL)"]


def test_plain_http_on_this_machine_in_development(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    provider = {"template": "oidc", "issuer": "http://127.0.0.1:9000"}
    assert found(Surroundings(tmp_path, development=True), provider) == ([], [])
