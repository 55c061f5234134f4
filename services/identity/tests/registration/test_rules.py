"""What a registration may contain (REG-7)."""

from typing import Any

import pytest
from identity.registration import rules
from latchkey_contracts.configuration import IdentityStore


def store(**attribute: Any) -> IdentityStore:
    one = {"name": "family_name", "label": {"en": "Family name"}, "at_registration": "shown", **attribute}
    return IdentityStore(name="Default", attributes=[one])


class TestProfile:
    @pytest.mark.parametrize("value", ["", " ", "\u2003\u00a0", None])
    def test_blank_is_nothing(self, value: str | None):
        """REG-7: what is stored of it is nothing, so it is none where one is needed."""
        given = {"family_name": value}
        assert [(one.field, one.code) for one in rules.check_profile(given, store(required=True))] == [
            ("/profile/family_name", "required")
        ]
        assert rules.check_profile(given, store(required=False)) == []
        assert rules.clean_profile(given) == {}

    @pytest.mark.parametrize("kind", ["date", "email", "phone"])
    def test_blank_is_no_wrong_value(self, kind: str):
        assert rules.check_profile({"family_name": " "}, store(type=kind, required=False)) == []

    def test_space_around_is_no_harm(self):
        assert rules.check_profile({"family_name": " Okafor "}, store(required=True)) == []
        assert rules.clean_profile({"family_name": " Okafor "}) == {"family_name": "Okafor"}
