"""Which passwords are refused, and why (PWD-1 to PWD-4)."""

import unicodedata

import pytest
from identity.credentials.rules import check, common, context_of
from latchkey_contracts.configuration import PasswordPolicy

DEFAULT = PasswordPolicy()
NOTHING = context_of()
MIRA = context_of("Elmstead Energy", "Elmstead", "demo", "mira.okafor@posteo.example", "mira_the_great")


def codes(password: str, policy: PasswordPolicy = DEFAULT, context=NOTHING, **more) -> list[str]:
    return [one.code for one in check(password, policy, context, breached=False, **more)]


class TestLength:
    """PWD-1, PWD-2: counted in code points after NFKC."""

    def test_pwd_1_fifteen_where_it_is_the_only_factor(self):
        assert codes("vexing-otter-7") == ["password_too_short"]
        assert codes("vexing-otters-7") == []

    def test_pwd_1_eight_where_a_second_factor_is_always_asked(self):
        assert codes("votter7", second_factor=True) == ["password_too_short"]
        assert codes("votters7", second_factor=True) == []

    def test_pwd_1_the_operators_own_minimum(self):
        assert codes("vexing-otters-7", PasswordPolicy(min_length=20)) == ["password_too_short"]

    def test_pwd_2_an_emoji_counts_one(self):
        assert codes("🦦🐘🌋🧭🪁🥁🧶🛶🦉🍋🎈🪴🚲🧩") == ["password_too_short"]
        assert codes("🦦🐘🌋🧭🪁🥁🧶🛶🦉🍋🎈🪴🚲🧩⛵") == []

    def test_pwd_2_up_to_256_and_a_clear_error_above(self):
        text = "".join(chr(0x4E00 + 7 * number) for number in range(257))
        assert codes(text[:256]) == []
        (error,) = check(text, DEFAULT, NOTHING, breached=False)
        assert (error.field, error.code, error.params) == ("/password", "password_too_long", {"max": 256})

    def test_says_how_many_there_are_and_how_many_it_takes(self):
        (error,) = check("short", DEFAULT, NOTHING, breached=False)
        assert error.params == {"min": 15, "length": 5}

    def test_composed_and_decomposed_have_one_length(self):
        decomposed = unicodedata.normalize("NFD", "éèêëàâäùûüôöîï")
        assert len(decomposed) == 28
        assert codes(decomposed) == ["password_too_short"]


class TestComposition:
    """PWD-3: no rules about what it is made of."""

    @pytest.mark.parametrize(
        "password", ["qwmzrvplxdhgtbk", "VMQXZRPLKTWBDNS", "830174926518437", "  three   spaces  ", "ключ под ковром!"]
    )
    def test_pwd_3_letters_digits_or_spaces_alone_are_enough(self, password):
        assert codes(password) == []


class TestCommon:
    """PWD-4: what is guessed first; the whole password is compared, whatever its case."""

    def test_pwd_4_every_listed_password_that_fits_the_policy_is_refused(self):
        listed = sorted(one for one in common() if 15 <= len(one) <= 256)
        assert len(listed) > 50
        assert all("password_common" in codes(one) for one in listed)

    def test_pwd_4_the_list_covers_the_shorter_policy(self):
        """ASVS 6.2.4: at least the 3000 most common that fit."""
        assert sum(len(one) >= 8 for one in common()) > 3000
        assert "password_common" in codes("Sunshine1", second_factor=True)

    @pytest.mark.parametrize(
        "password",
        [
            "ManchesterUnited",
            "aaaaaaaaaaaaaaaa",
            "123123123123123",
            "abcdefghijklmno",
            "onmlkjihgfedcba",
            "passwordpassword",
            "ＱＷＥＲＴＹ123456789",
        ],
    )
    def test_pwd_4_also_in_other_letters_repeated_or_in_a_row(self, password):
        assert codes(password) == ["password_common"]

    def test_a_listed_word_inside_of_a_phrase_is_fine(self):
        assert codes("sunshine over heather") == []


class TestContext:
    """PWD-4: product, brand, application, and the person's own identifiers."""

    @pytest.mark.parametrize(
        "password",
        [
            "ElmsteadEnergy2026",
            "elmstead-energy!",
            "Elmstead2025-2026",
            "latchkeylatchkey",
            "Latchkey-1234567",
            "mira.okafor@posteo.example",
            "Mira.Okafor.1990!",
            "mira_the_great_1",
            "okaforokafor2026",
        ],
    )
    def test_pwd_4_made_of_the_context(self, password):
        assert codes(password, context=MIRA) == ["password_contains_context"]

    def test_pwd_4_digits_as_a_local_part(self):
        context = context_of("49341555014277@posteo.example")
        assert codes("49341555014277@posteo.example", context=context) == ["password_contains_context"]
        assert codes("834915550142771", context=context_of("834915550142771@posteo.example")) == ["password_contains_context"]

    def test_a_phrase_with_a_word_of_it_is_fine(self):
        assert codes("elmstead heron bicycle", context=MIRA) == []

    def test_without_identifiers_the_product_still_counts(self):
        assert codes("latchkey latchkey", context=context_of(None, "")) == ["password_contains_context"]


def test_pwd_4_every_reason_at_once():
    found = check("latchkeylatchkey", DEFAULT, NOTHING, breached=True)
    assert [one.code for one in found] == ["password_contains_context", "password_breached"]
    assert all(one.message for one in found)
