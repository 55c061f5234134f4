"""What a registration may contain (REG-7)."""

import re
from typing import Any, get_args

import pytest
from identity.accounts import values
from identity.registration import rules
from identity.registration.states import Status
from latchkey_contracts.configuration import IdentityStore
from servicekit.db import Database


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
        assert values.clean_profile(given, store()) == {}

    @pytest.mark.parametrize("kind", ["date", "email", "phone"])
    def test_blank_is_no_wrong_value(self, kind: str):
        assert rules.check_profile({"family_name": " "}, store(type=kind, required=False)) == []

    def test_space_around_is_no_harm(self):
        assert rules.check_profile({"family_name": " Okafor "}, store(required=True)) == []
        assert values.clean_profile({"family_name": " Okafor "}, store()) == {"family_name": "Okafor"}


class TestStates:
    async def test_rules_name_those_of_the_table(self, db: Database):
        """A status that SQL may write and no rule knows, or the other way round, is a mistake."""
        async with db.read() as conn:
            said = await conn.fetchval(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'registration_attempt_status_check'"
            )
        assert set(re.findall(r"'(\w+)'", said)) == set(get_args(Status)) == set(rules.FOLLOWS)

    @pytest.mark.parametrize(
        ("now", "able"), [("check_your_messages", True), ("password", True), ("activated", False), ("ended", False)]
    )
    def test_what_can_still_be_activated(self, now: Status, able: bool):
        assert rules.may_follow(now, "activated") is able
