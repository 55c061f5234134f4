"""An access policy that can't be decided, or that keeps everybody out, is refused with the reason."""

from copy import deepcopy

import pytest
from identity.configuration.access_rules import needs_places
from identity.configuration.findings import Known
from identity.configuration.rules import check
from identity.configuration.service import ConfigurationService
from latchkey_contracts.configuration import AccessPolicy, Application
from latchkey_contracts.http.access import Abilities
from servicekit.errors import Overloaded, ValidationFailed

WHOLE = {
    "identity_stores": [{"name": "Default"}],
    "self_service_policies": [{"name": "Default"}],
    "applications": [{"slug": "zinnia", "brand": {"name": "Zinnia", "brand": "#0b3d45"}}],
}
ABLE = Abilities(countries=True, coordinates=True)
COUNTRY, TRAVEL = {"countries": ["DE"]}, {"improbable_travel": True}


def document(*rules, **settings):
    numbered = [{"name": f"rule-{number}", "effect": effect, "when": when} for number, (effect, when) in enumerate(rules)]
    return deepcopy({**WHOLE, "access_policies": [{"name": "Default", "rules": numbered, **settings}]})


def problems(*rules, able=ABLE, **settings):
    return dict(check(document(*rules, **settings), Known(), able).errors)


class TestEverybodyOut:
    @pytest.mark.parametrize(
        ("rules", "said"),
        [
            ([{"networks": ["0.0.0.0/0", "::/0"]}], "rule-0 deny every network"),
            ([{"networks": ["0.0.0.0/1", "::/0"]}, {"networks": ["128.0.0.0/1"]}], "rule-0 and rule-1 deny every network"),
            ([{"new_device": True}], "rule-0 deny every new device, and a device is known only after a sign-in"),
            ([{"new_device": True}, {"new_device": False}], "deny new devices and known ones"),
            ([{"improbable_travel": True}, {"improbable_travel": False}], "deny travel that is improbable and any other"),
            ([{"between": ["22:00", "08:00"]}, {"between": ["08:00", "22:00"]}], "deny every minute of the day"),
        ],
    )
    def test_refused(self, rules, said):
        found = problems(*(("deny", when) for when in rules))
        assert found["/access_policies/0/rules"].startswith("nobody could sign in: ")
        assert said in found["/access_policies/0/rules"]

    def test_without_a_condition(self):
        (why,) = problems(("deny", {})).values()
        assert "without a condition it keeps everybody out" in why

    @pytest.mark.parametrize(
        "rules",
        [
            [{"networks": ["0.0.0.0/0"]}],
            [{"new_device": True, "between": ["22:00", "06:00"]}],
            [{"between": ["22:00", "06:00"]}, {"between": ["07:00", "22:00"]}],
            [{"networks": ["0.0.0.0/0", "::/0"], "countries": ["DE"]}],
        ],
    )
    def test_somebody_is_left(self, rules):
        assert problems(*(("deny", when) for when in rules)) == {}

    def test_two_of_a_name(self):
        twice = [{"name": "same", "effect": "skip", "when": {"new_device": False}}] * 2
        assert "two rules are called same" in str(problems(rules=twice))


class TestWhatEverybodyMustHave:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"phone": {"mandatory": True}}, "phone is mandatory in Default, and Default sends nothing to it"),
            (
                {"second_factor": {"required": True}, "totp": {"enabled": False}, "email": {"enabled": False}},
                "second_factor.required in Default, and no kind of factor can be added",
            ),
        ],
    )
    def test_that_nobody_can_add(self, settings, said):
        found = (
            problems(passkey={"enabled": False}, **settings) if "passkey" in AccessPolicy.model_fields else problems(**settings)
        )
        assert found == {"/applications/0/access_policy": f"nobody could sign in: {said}"}

    def test_of_an_application_that_is_there_already(self):
        """By a policy that is changed alone."""
        known = Known(applications={"zinnia": Application.model_validate(WHOLE["applications"][0])})
        changed = {"access_policies": [{"name": "Default", "phone": {"mandatory": True}}]}
        assert "/applications/zinnia/access_policy" in dict(check(changed, known).errors)

    def test_mandatory_and_switched_off(self):
        assert "mandatory needs enabled" in str(problems(totp={"enabled": False, "mandatory": True}))

    def test_that_can_be_added(self):
        assert problems(totp={"mandatory": True}, second_factor={"required": True}) == {}


class TestWorkflow:
    @pytest.mark.parametrize("workflow", ["factor_only", "factor_then_password"])
    @pytest.mark.parametrize(
        ("policy", "notification", "store", "said"),
        [
            ({"email": {"enabled": False}}, {}, {}, "begins with a code or link, and Default sends none"),
            ({}, {"email": {"enabled": False}}, {}, "begins with a code or link, and Default sends none"),
            ({}, {}, {"username": {"use": "required"}, "email": {"use": "hidden"}}, "and Default has no such identifier"),
            ({"email": {"enabled": False}}, {"sms": {"countries": ["+49"]}}, {}, "by phone, and Default has no such identifier"),
        ],
    )
    def test_that_begins_with_what_nobody_gets(self, workflow, policy, notification, store, said):
        whole = document(workflow=workflow, **policy) | {
            "notification_policies": [{"name": "Default", **notification}],
            "identity_stores": [{"name": "Default", "identifiers": store}],
        }
        (why,) = dict(check(whole, Known(), ABLE).errors).values()
        assert why.startswith(f"nobody could sign in: workflow {workflow} in Default")
        assert said in why

    @pytest.mark.parametrize("workflow", ["password_then_factor", "factor_only", "factor_then_password", "password_only"])
    def test_each(self, workflow):
        assert problems(workflow=workflow) == {}

    @pytest.mark.parametrize("wants", [{"second_factor": {"required": True}}, {"totp": {"mandatory": True}}])
    def test_password_only_requires_nothing(self, wants):
        assert "asks for no factor, so none can be required" in str(problems(workflow="password_only", **wants))
        assert "asks for no factor" in str(problems(("require", {"new_device": True}), workflow="password_only"))


class TestPlaces:
    @pytest.mark.parametrize(
        ("when", "able", "said"),
        [
            (COUNTRY, Abilities(countries=False, coordinates=False), "no database of places (LATCHKEY_PLACE_DATABASE)"),
            (TRAVEL, Abilities(countries=True, coordinates=False), "with coordinates"),
            (COUNTRY, "nobody", "mfa doesn't answer"),
        ],
    )
    def test_refused(self, when, able, said):
        assert said in problems(("skip", when), able=able)["/access_policies/0/rules/0"]

    @pytest.mark.parametrize("when", [COUNTRY, TRAVEL])
    def test_with_a_database(self, when):
        assert problems(("skip", when)) == {}

    async def test_mfa_is_asked_only_where_it_matters(self, db, wakeups):
        asked = []

        async def away():
            asked.append(1)
            raise Overloaded

        configuration = ConfigurationService(db, wakeups, away)
        await configuration.apply(document(("skip", {"new_device": False})))
        assert asked == []
        with pytest.raises(ValidationFailed) as refused:
            await configuration.apply(document(("deny", COUNTRY)))
        assert "mfa doesn't answer" in refused.value.errors[0].message

    @pytest.mark.parametrize("broken", [None, [], {"access_policies": 1}, {"access_policies": [{"rules": [1, {"when": 2}]}]}])
    def test_documents_that_are_anything(self, broken):
        assert not needs_places(broken)
