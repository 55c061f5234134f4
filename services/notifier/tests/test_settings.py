"""Settings of the notifier: refused at the start with every reason, values left out."""

from pathlib import Path
from typing import Any

import pytest
from notifier.settings import NotifierSettings
from pydantic import ValidationError

GOOD: dict[str, Any] = {
    "environment": "production",
    "origin": "https://id.example",
    "postgres_dsn": "postgresql://u:p@db.example/notifier",
    "kafka_bootstrap": "kafka.example:9093",
    "kafka_ca_file": "/etc/ca.pem",
    "http_port": 8080,
    "management_port": 8081,
    "keys_dir": "/etc/keys",
    "smtp_url": "smtps://user:hunter2@mail.example",
}


def refusal(**more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        NotifierSettings(**{**GOOD, **more})
    return str(caught.value)


class TestSenderAddress:
    """NOT-4: what no mail server takes is refused at the start, not mail by mail."""

    def test_a_domain_is_its_a_label(self):
        assert NotifierSettings(**GOOD, sender_address="konto@bücher.example").sender_address == "konto@xn--bcher-kva.example"

    @pytest.mark.parametrize("address", ["größe@elmstead.example", "konto"])
    def test_what_is_none(self, address: str):
        assert "sender_address" in refusal(sender_address=address)


class TestProviders:
    def test_one_of_both(self):
        assert NotifierSettings(**GOOD).providers()[0].name == "smtp"
        assert "LATCHKEY_PROVIDERS_FILE or LATCHKEY_SMTP_URL is required" in refusal(smtp_url=None)

    def test_a_mistake_in_the_file_refuses_the_start(self, tmp_path: Path):
        path = tmp_path / "providers.toml"
        path.write_text('[[provider]]\nname = "x"\nkind = "smtp"\nurl = "smtp://user:hunter2@mail.example?starttls=never"\n')
        said = refusal(providers_file=path)
        assert "LATCHKEY_PROVIDERS_FILE: x: its address must be encrypted" in said
        assert "hunter2" not in said

    @pytest.mark.parametrize(
        "url", ["smtps://user:hunter2@mail.example?step_seconds=no", "mail.example", "smtps://mail.example:0x"]
    )
    def test_an_address_that_is_none(self, url: str):
        said = refusal(smtp_url=url)
        assert "smtp_url" in said
        assert "hunter2" not in said


class TestEhlo:
    """RFC 5321 §4.1.1.1: a name that mail servers can look up."""

    @pytest.mark.parametrize(
        ("origin", "name"),
        [
            ("https://id.example", "id.example"),
            ("https://id.example:8443", "id.example"),
            ("https://konto.bücher.example", "konto.xn--bcher-kva.example"),
            ("https://192.0.2.7", "[192.0.2.7]"),
            ("https://[2001:db8::7]:8443", "[IPv6:2001:db8::7]"),
        ],
    )
    def test_the_origins_host(self, origin: str, name: str):
        assert NotifierSettings(**{**GOOD, "origin": origin}).ehlo == name

    def test_a_setting_of_its_own(self):
        assert NotifierSettings(**GOOD, smtp_ehlo="mx.elmstead.example").ehlo == "mx.elmstead.example"
        assert "smtp_ehlo" in refusal(smtp_ehlo="not a name")
