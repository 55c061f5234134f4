"""One stored form, whichever library computes it (PWD-5)."""

import pytest
from argon2 import PasswordHasher
from identity.credentials import argon2id
from identity.credentials.argon2id import IMPLEMENTATIONS, Argon2id, fastest, gives_known_answers, parse

PASSWORD = "vexing otters dance 🦦"


@pytest.fixture(scope="module", params=sorted(IMPLEMENTATIONS))
def hasher(request: pytest.FixtureRequest) -> Argon2id:
    made = Argon2id(memory_kib=256, passes=2)
    made._derive = IMPLEMENTATIONS[request.param]
    return made


class TestImplementations:
    @pytest.mark.parametrize("name", IMPLEMENTATIONS)
    def test_each_gives_the_known_answers(self, name):
        assert gives_known_answers(IMPLEMENTATIONS[name])

    def test_one_that_computes_something_else_is_never_chosen(self):
        quick = lambda *_: b"\0" * 32  # noqa: E731
        name, _ = fastest(2, 256, {"quick": quick, "argon2-cffi": IMPLEMENTATIONS["argon2-cffi"]})
        assert name == "argon2-cffi"

    def test_with_none_that_is_right_the_process_does_not_start(self):
        with pytest.raises(RuntimeError, match="known answers"):
            fastest(2, 256, {"quick": lambda *_: b"\0" * 32})

    def test_the_choice_is_the_fastest_here(self):
        name, derive = fastest(2, 1024)
        assert derive is argon2id.IMPLEMENTATIONS[name]


class TestForm:
    def test_argon2_cffi_verifies_what_we_stored(self, hasher):
        assert PasswordHasher().verify(hasher.hash(PASSWORD), PASSWORD)

    def test_we_verify_what_argon2_cffi_stored(self, hasher):
        stored = PasswordHasher(time_cost=3, memory_cost=128, parallelism=1).hash(PASSWORD)
        assert parse(stored) is not None
        assert hasher.verify(stored, PASSWORD)
        assert not hasher.verify(stored, PASSWORD + " ")

    @pytest.mark.parametrize("odd", [{"parallelism": 4}, {"salt_len": 24}, {"hash_len": 16}])
    def test_hashes_of_another_shape_are_read_too_and_are_outdated(self, hasher, odd):
        stored = PasswordHasher(time_cost=1, memory_cost=128, **{"parallelism": 1, **odd}).hash(PASSWORD)
        assert hasher.verify(stored, PASSWORD)
        assert not hasher.verify(stored, "another one")
        assert hasher.outdated(stored)

    def test_outdated_by_its_parameters_alone(self, hasher):
        assert not hasher.outdated(hasher.hash(PASSWORD))
        assert hasher.outdated(PasswordHasher(time_cost=2, memory_cost=257, parallelism=1).hash(PASSWORD))

    @pytest.mark.parametrize(
        "stored",
        ["", "$", "not a hash", "$argon2id$v=19$m=256,t=2,p=1$c2FsdA", "$argon2id$v=19$m=1,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
         "$argon2i$v=19$m=256,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43, "$argon2id$v=16$m=256,t=2,p=1$*$*"],
    )  # fmt: skip
    def test_what_is_no_hash_matches_nothing_and_breaks_nothing(self, hasher, stored):
        assert not hasher.verify(stored, PASSWORD)
        assert hasher.outdated(stored)
