"""The providers file that `make run` writes: for its owner alone, the same over restarts, in force unless a mail server is named."""

from pathlib import Path

from devstack import providers
from devstack.infrastructure import Infrastructure
from devstack.supervisor import Stack


class TestFile:
    def test_credentials_stay_and_ports_follow(self, tmp_path: Path) -> None:
        path = tmp_path / "providers.toml"
        providers.write(path, {"smtp": 1, "twilio": 2, "backup": 3})
        assert path.stat().st_mode & 0o777 == 0o600
        first = {one["name"]: one for one in providers.read(path)}
        providers.write(path, {"smtp": 1, "twilio": 22, "backup": 3})
        second = {one["name"]: one for one in providers.read(path)}
        assert providers.port(second["twilio"]) == 22
        assert {**second, "twilio": {**second["twilio"], "url": first["twilio"]["url"]}} == first

    def test_every_folder_has_its_own(self, tmp_path: Path) -> None:
        for name in ("one", "other"):
            providers.write(tmp_path / name, {"smtp": 1, "twilio": 2, "backup": 3})
        one, other = (providers.read(tmp_path / name) for name in ("one", "other"))
        secrets = [[entry.get("secret") or entry["auth_token"] for entry in found] for found in (one, other)]
        assert not set(secrets[0]) & set(secrets[1])


class TestEnvironment:
    def environment(self, folder: Path, service: str, **extra: str) -> dict[str, str]:
        stack = Stack(
            folder, infrastructure=Infrastructure("environment", "postgresql://x", "x:1"), extra=extra, services=(service,)
        )
        stack.ports = {"inbox": 1, "provider": 4, f"{service}.0.http": 2, f"{service}.0.management": 3}
        stack.postgres = {service: "postgresql://x"}
        return stack._environment(service, 0)

    def test_the_notifier_alone_knows_the_file(self, tmp_path: Path) -> None:
        assert self.environment(tmp_path, "notifier")["LATCHKEY_PROVIDERS_FILE"] == str(tmp_path / "providers.toml")
        assert "LATCHKEY_PROVIDERS_FILE" not in self.environment(tmp_path, "identity")

    def test_a_mail_server_of_one_s_own(self, tmp_path: Path) -> None:
        """As tools/bench.py has it."""
        found = self.environment(tmp_path, "notifier", LATCHKEY_SMTP_URL="smtp://127.0.0.1:1")
        assert found["LATCHKEY_SMTP_URL"] == "smtp://127.0.0.1:1"
        assert "LATCHKEY_PROVIDERS_FILE" not in found
