"""The breach file (PWD-4, D38): found or not found whatever the file's shape, and refused at the start when it is none."""

import hashlib
import random
from pathlib import Path

import pytest
from identity.credentials.breaches import BreachFile, NoBreaches, open_breaches
from identity.settings import IdentitySettings
from pydantic import ValidationError


def sums(passwords: list[str]) -> list[str]:
    return sorted(hashlib.sha1(one.encode(), usedforsecurity=False).hexdigest().upper() for one in passwords)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "breached.txt"


class TestContains:
    @pytest.mark.parametrize("count", [1, 2, 3, 50, 5000])
    @pytest.mark.parametrize("end", ["\n", ":{}\n", ":{}\r\n", "\r\n"])
    def test_pwd_4_finds_every_line_and_nothing_else(self, file, count, end):
        passwords = [f"breached password {number}" for number in range(count)]
        randomness = random.Random(7)
        file.write_bytes(
            "".join(one + end.format(randomness.randrange(10 ** randomness.randrange(1, 9))) for one in sums(passwords)).encode()
        )
        found = BreachFile(file)
        assert all(found.contains(one) for one in passwords)
        assert not any(found.contains(f"other password {number}") for number in range(500))

    def test_without_a_last_line_end_and_in_small_letters(self, file):
        file.write_text("\n".join(sums(["one", "two", "three"])).lower())
        found = BreachFile(file)
        assert all(found.contains(one) for one in ("one", "two", "three"))
        assert not found.contains("four")

    def test_another_spelling_of_the_same_password(self, file):
        file.write_text("\n".join(sums(["caf\u00e9 au lait creme"])))
        assert BreachFile(file).contains("cafe\u0301 au lait creme")


class TestFailMode:
    def test_without_a_file_the_check_is_off(self):
        assert isinstance(open_breaches(None), NoBreaches)
        assert not open_breaches(None).contains("anything")

    @pytest.mark.parametrize("content", ["", "password\n", "5baa61e4\n", "F" * 40 + "\n" + "0" * 40 + "\n"])
    def test_pwd_4_what_is_no_sorted_list_is_refused(self, file, content):
        file.write_text(content)
        with pytest.raises(ValueError):
            open_breaches(file)

    @pytest.mark.parametrize("content", [None, "password\n"])
    def test_pwd_4_the_service_does_not_start_with_a_broken_one(self, file, content, tmp_path):
        if content is not None:
            file.write_text(content)
        with pytest.raises(ValidationError, match="breach_file"):
            IdentitySettings(
                environment="test",
                origin="http://localhost:8080",
                postgres_dsn="postgresql://localhost/identity",
                kafka_bootstrap="localhost:9092",
                http_port=1,
                management_port=2,
                keys_dir=tmp_path,
                breach_file=file,
            )
