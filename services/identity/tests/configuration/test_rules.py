"""What a configuration file must satisfy (docs/configuration.md): every problem at once, with path and reason."""

from copy import deepcopy
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from identity.configuration.findings import Known
from identity.configuration.item_rules import return_url_problem
from identity.configuration.rules import check
from latchkey_contracts.configuration import RESERVED_ATTRIBUTES, RESERVED_SLUGS, Application, IdentityStore, SelfServicePolicy
from pydantic import BaseModel

BRAND = {"name": "Zinnia", "brand": "#0b3d45"}
USERNAMES = {"username": {"use": "required"}, "email": {"use": "hidden"}}
DEFAULT_FILE = Path(__file__).parents[4] / "config" / "latchkey.yaml"


def document(**changes: Any) -> dict[str, Any]:
    whole = {
        "identity_stores": [{"name": "Default"}],
        "self_service_policies": [{"name": "Default"}],
        "applications": [{"slug": "zinnia", "brand": dict(BRAND)}],
    }
    return deepcopy({**whole, **changes})


def problems(given: Any, known: Known | None = None) -> dict[str, str]:
    return dict(check(given, known or Known()).errors)


def with_attribute(**settings: Any) -> dict[str, Any]:
    return document(identity_stores=[{"name": "Default", "attributes": [{"label": {"en": "A thing"}, **settings}]}])


def with_policy(**settings: Any) -> dict[str, Any]:
    return document(self_service_policies=[{"name": "Default", **settings}])


def with_application(**settings: Any) -> dict[str, Any]:
    return document(applications=[{"slug": "zinnia", "brand": BRAND, **settings}])


class TestUsable:
    """REG-7: what would break every sign-up is refused before it is one."""

    @pytest.mark.parametrize("name", sorted(RESERVED_ATTRIBUTES))
    def test_names_of_our_own_fields(self, name):
        (found,) = check(with_attribute(name=name), Known()).errors
        assert found == ("/identity_stores/0/attributes/0/name", f"{name} is a field of our own pages; choose another name")

    @pytest.mark.parametrize(
        ("attribute", "place"),
        [
            ({"label": {"en": "A thing", "de": " "}}, "label/de"),
            ({"type": "date", "max_length": 9}, "max_length"),
            ({"type": "phone", "max_length": 15}, "max_length"),
            ({"type": "email", "max_length": 20}, "max_length"),
            ({"type": "select"}, "options"),
            ({"type": "select", "options": []}, "options"),
            ({"type": "select", "options": ["a", " "]}, "options/1"),
            ({"type": "select", "options": ["a "]}, "options/0"),
            ({"type": "select", "options": ["a", "b", "a"]}, "options/2"),
            ({"type": "select", "options": ["abc"], "max_length": 2}, "options/0"),
        ],
    )
    def test_questions_without_a_right_answer(self, attribute, place):
        errors = check(with_attribute(name="thing", **attribute), Known()).errors
        assert [path for path, _ in errors] == [f"/identity_stores/0/attributes/0/{place}"]

    @pytest.mark.parametrize("attribute", [{"type": "date", "max_length": 10}, {"type": "select", "options": ["a", "b"]}, {}])
    def test_others(self, attribute):
        assert check(with_attribute(name="thing", **attribute), Known()).errors == []

    @pytest.mark.parametrize("channel", ["sms", "voice"])
    @pytest.mark.parametrize(
        ("key", "fine"), [("+1", True), ("US", True), ("1", False), ("us", False), ("+01", False), ("", False)]
    )
    def test_prices_that_are_never_looked_up(self, channel, key, fine):
        """FRD-3."""
        policy = {"name": "Default", channel: {"prices": {key: 0.1}}}
        errors = check(document(notification_policies=[policy]), Known()).errors
        assert [path for path, _ in errors] == ([] if fine else [f"/notification_policies/0/{channel}/prices/{key}"])

    def test_alone_it_may_refer_to_what_is_there_already(self):
        """Before anything is started, nobody can be asked."""
        alone = with_application(store="Elsewhere")
        assert check(alone, None).errors == []
        assert check(alone, Known()).errors != []


class TestDefaultFile:
    """config/latchkey.yaml shows every setting with its default."""

    def test_it_is_fine(self):
        checked = check(yaml.safe_load(DEFAULT_FILE.read_text()), Known())
        assert (checked.errors, checked.warnings) == ([], [])
        assert checked.document is not None
        assert checked.document.self_service_policies[0] == SelfServicePolicy(name="Default")

    def test_it_mentions_every_setting(self):
        given = yaml.safe_load(DEFAULT_FILE.read_text())
        assert names_of(SelfServicePolicy) == names_in(given["self_service_policies"][0])
        assert names_of(Application) - {"brand.links.help"} == names_in(given["applications"][0])
        assert names_of(IdentityStore) == names_in(given["identity_stores"][0])


def names_of(model: type[BaseModel], before: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        choices = get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
        models = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
        found |= names_of(models[0], f"{before}{name}.") if models else {before + name}
    return found


def names_in(given: dict[str, Any], before: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in given.items():
        found |= names_in(value, f"{before}{name}.") if isinstance(value, dict) else {before + name}
    return found


class TestRanges:
    """A value out of range is refused with its name, the range and the value."""

    @pytest.mark.parametrize(
        ("feature", "setting", "least", "most", "below", "above"),
        [
            ("registration", "link_lifetime", "1 h", "120 h", "59 min", "121 h"),
            ("registration", "passcode_lifetime", "1 min", "10 min", "59 s", "601 s"),
            ("password_reset", "link_lifetime", "5 min", "24 h", "4 min", "1441 min"),
            ("password_reset", "passcode_length", 6, 8, 5, 9),
            ("password_reset", "passcode_lifetime", "1 min", "10 min", "59 s", "601 s"),
            ("resend", "spacing", "5 s", "5 min", "4 s", "301 s"),
            ("resend", "per_hour", 1, 50, 0, 51),
            ("resend", "per_day", 1, 200, 0, 201),
            ("account_deletion", "grace", "0 s", "30 d", None, "31 d"),
            ("sign_in", "attempt_lifetime", "5 min", "30 min", "299 s", "31 min"),
            ("freeze", "link_lifetime", "24 h", "30 d", "23 h", "31 d"),
            ("contact_change", "revert_lifetime", "72 h", "30 d", "71 h", "31 d"),
            ("invitation", "lifetime", "1 h", "30 d", "59 min", "31 d"),
        ],
    )
    def test_its_ends_are_in_and_what_is_beyond_is_told(self, feature, setting, least, most, below, above):
        for value in (least, most):
            assert problems(with_policy(**{feature: {setting: value}})) == {}
        for value in (below, above):
            if value is not None:
                found = problems(with_policy(**{feature: {setting: value}}))
                assert found == {
                    f"/self_service_policies/0/{feature}/{setting}": f"must be between {least} and {most}; here: {value}"
                }

    @pytest.mark.parametrize(
        "value", ["soon", "24 hours", "-1 h", "1.5 h", True, 1.5, [], {}, "", "99999999999999999999 d", 10**18]
    )
    def test_what_is_no_duration_is_told(self, value):
        assert list(problems(with_policy(registration={"link_lifetime": value}))) == [
            "/self_service_policies/0/registration/link_lifetime"
        ]

    def test_whole_seconds_are_a_duration(self):
        assert problems(with_policy(registration={"link_lifetime": 7200})) == {}

    def test_pwd_1_an_operator_may_set_8_to_64(self):
        for value, fine in ((7, False), (8, True), (64, True), (65, False)):
            found = problems(document(identity_stores=[{"name": "Default", "password": {"min_length": value}}]))
            assert (found == {}) is fine


class TestShape:
    @pytest.mark.parametrize(
        "given", [None, [], 5, "text", {"applications": 5}, {"applications": [None, [], 5]}, {"identity_stores": {}}]
    )
    def test_anything_at_all_gets_an_answer(self, given):
        assert problems(given)

    def test_unknown_settings_at_every_depth(self):
        given = document(extra=1, self_service_policies=[{"name": "Default", "registration": {"enabeld": True}}])
        given["applications"][0]["brand"]["css"] = "body{}"
        assert problems(given) == dict.fromkeys(
            ["/extra", "/self_service_policies/0/registration/enabeld", "/applications/0/brand/css"], "there is no such setting"
        )

    def test_everything_at_once_also_what_stands_beside_a_broken_item(self):
        given = {
            "identity_stores": [{"name": "Default", "identifiers": {"email": {"use": "maybe"}}}, {"name": "S"}, {"name": "S"}],
            "self_service_policies": [{"name": "Default", "resend": {"per_hour": 0}}],
            "applications": [
                {"slug": "go", "brand": BRAND, "timezone": "Europe/Elmstead"},
                {"slug": "zinnia", "store": "Nope"},
                {"slug": "rose", "brand": {"name": "R", "brand": "#ffee00", "accent": "#ffee00"}},
            ],
        }
        assert set(problems(given)) == {
            "/identity_stores/0/identifiers/email/use",
            "/identity_stores",
            "/self_service_policies/0/resend/per_hour",
            "/applications/0/slug",
            "/applications/0/timezone",
            "/applications/1/brand",
            "/applications/1/store",
            "/applications/2/brand/accent",
        }

    @pytest.mark.parametrize("text", ["a\r\nBcc: x", "a\x00b", "a\x1bb", "a\x85b"])
    def test_no_control_characters_anywhere(self, text):
        assert "/applications/0/brand/name" in problems(with_application(brand={**BRAND, "name": text}))

    def test_duplicates(self):
        given = document(applications=[{"slug": "zinnia", "brand": BRAND}, {"slug": "zinnia", "brand": BRAND}])
        assert problems(given) == {"/applications": "zinnia stands here 2 times"}


class TestApplications:
    @pytest.mark.parametrize("slug", [*sorted(RESERVED_SLUGS), "Zinnia", "", "a b", "a/b", "-a", "ä"])
    def test_reserved_and_impossible_slugs(self, slug):
        assert list(problems(with_application(slug=slug))) == ["/applications/0/slug"]

    def test_what_it_refers_to_must_exist_here_or_already(self):
        given = {"applications": [{"slug": "zinnia", "brand": BRAND}]}
        assert problems(given) == {
            "/applications/0/store": "there is no store Default",
            "/applications/0/self_service_policy": "there is no self service policy Default",
        }
        known = Known({"Default": IdentityStore(name="Default")}, {"Default": SelfServicePolicy(name="Default")})
        assert problems(given, known) == {}

    def test_web_6_a_brand_nobody_can_read_gets_one_that_can(self):
        found = problems(with_application(brand={"name": "Zinnia", "brand": "#0b3d45", "accent": "#ffee00"}))
        assert "contrast" in found["/applications/0/brand/accent"]
        assert "#" in found["/applications/0/brand/accent"]

    @pytest.mark.parametrize("timezone", ["", "Europe", "Mars/Base", "../../etc/passwd", "/etc/localtime"])
    def test_time_zones(self, timezone):
        assert list(problems(with_application(timezone=timezone))) == ["/applications/0/timezone"]

    def test_texts_in_every_language(self):
        consent = {"id": "news", "version": "1.0", "title": {"en": "N"}, "text": {"en": "N", "de": "N"}}
        assert problems(with_application(languages=["en", "de"], consents=[consent])) == {
            "/applications/0/consents/0": "no title or text in de"
        }

    @pytest.mark.parametrize(
        "url", ["ab", "a" * 25, "two words", "Zinnia", "zinnia2", "-zinnia", "zinnia-", "zin--nia", "zínnia", "demo\n"]
    )
    def test_r31_a_friendly_url_is_easy_to_say(self, url):
        assert "/applications/0/friendly_urls/0" in problems(with_application(friendly_urls=[url]))

    def test_r31_a_friendly_url_belongs_to_one(self):
        twice = document(
            applications=[
                {"slug": "zinnia", "brand": BRAND, "friendly_urls": ["flower"]},
                {"slug": "rose", "brand": BRAND, "friendly_urls": ["flower"]},
            ]
        )
        assert problems(twice) == {"/applications/1/friendly_urls/0": "flower belongs to zinnia already"}
        rose = Application(slug="rose", brand=BRAND, friendly_urls=["flower"])
        assert problems(with_application(friendly_urls=["flower"]), Known(applications={"rose": rose})) == {
            "/applications/0/friendly_urls/0": "flower belongs to rose already"
        }

    @pytest.mark.parametrize(("one", "other"), [("modern", "modem"), ("photo", "foto"), ("kimshop", "kim-shop")])
    def test_e31_none_is_taken_for_another_s(self, one, other):
        both = [
            {"slug": "zinnia", "brand": BRAND, "friendly_urls": [one]},
            {"slug": "rose", "brand": BRAND, "friendly_urls": [other]},
        ]
        assert problems(document(applications=both)) == {
            "/applications/1/friendly_urls/0": f"{other} is taken for {one}, which belongs to zinnia already"
        }
        both[1] = {**both[0], "friendly_urls": [one, other]}
        assert problems(document(applications=[both[1]])) == {}, "one's own may be alike: both lead to the same place"

    def test_e31_one_that_was_given_up_is_nobody_else_s(self):
        given_up = {"slug": "zinnia", "brand": BRAND, "disabled_urls": ["flower"]}
        rose = {"slug": "rose", "brand": BRAND, "friendly_urls": ["flower"]}
        assert problems(document(applications=[given_up, rose])) == {
            "/applications/1/friendly_urls/0": "flower belongs to zinnia already"
        }
        twice = {**given_up, "friendly_urls": ["flower"]}
        assert problems(document(applications=[twice])) == {"/applications/0/disabled_urls/0": "flower stands here twice"}

    def test_an_application_may_keep_its_own(self):
        mine = Application(slug="zinnia", brand=BRAND, friendly_urls=["flower"])
        assert problems(with_application(friendly_urls=["flower"]), Known(applications={"zinnia": mine})) == {}

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            "//evil.example",
            "http://shop.example/",
            "https://user@shop.example/",
            "https://@shop.example/",
            "https://shop.example/#x",
            "https:\\\\shop.example",
            "https://",
            "https://[",
            "com.example.app:/back",
            "https://shop.example/a b",
        ],
    )
    def test_web_12_return_urls_that_browsers_read_in_different_ways(self, url):
        assert return_url_problem(url)
        assert "/applications/0/return_urls/0" in problems(with_application(return_urls=[url]))

    @pytest.mark.parametrize(
        "url", ["https://shop.example/", "https://shop.example/back?x=1", "http://localhost:3000/", "http://127.0.0.1/x"]
    )
    def test_web_12_plain_ones_are_fine(self, url):
        assert return_url_problem(url) is None


def with_texts(template: str, language: str = "de", **text: str) -> dict[str, Any]:
    policy = {"name": "Default", "templates": {template: {"texts": {language: text}}}}
    return document(notification_policies=[policy])


class TestTexts:
    """R14, R20, WEB-14: an operator's own words of a message."""

    HERE = "/notification_policies/0/templates"

    def test_fine_ones(self):
        html = '<p>Guten Tag{% if name %} {{ name }}{% endif %}, <a href="{{ link }}">hier</a> oder {{ code }}.</p>'
        text = "Guten Tag {{ name }},\n\n{{ link }}\n{% if code %}{{ code }}{% endif %}"
        given = with_texts("password_reset", subject="Neu", text=text, html=html, sms="{{ code }}", voice="{{ digits }}")
        assert problems(given) == {}

    def test_the_example_of_the_manual(self):
        """docs/operations.md, "Texts of your own": it can be applied as it stands."""
        manual = (DEFAULT_FILE.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
        example = yaml.safe_load(manual.partition("```yaml\n")[2].partition("```")[0])
        assert example["notification_policies"][0]["templates"]["password_reset"]["texts"]["de"]["html"]
        assert problems(document(**example)) == {}

    def test_everything_at_once_with_place_and_reason(self):
        """E17: required, unknown and broken ones of all texts in one run."""
        given = with_texts(
            "password_reset",
            subject="{{ code }}",
            text="{{ link }} {{ nickname }}",
            html='<a href="{{ link }}">{{ code }}{% if name %}</a>',
            sms="Your code",
            voice="{% for digit in code %}{{ digit }}{% endfor %}",
        )
        given["notification_policies"][0]["templates"]["activaton"] = {}
        given["notification_policies"][0]["templates"]["welcome"] = {"texts": {"en": {"sms": "Hi", "text": "Hi {{ link }}"}}}
        found = check(given, Known()).errors
        here = f"{self.HERE}/password_reset/texts/de"
        told = {
            (f"{here}/subject", "not in a subject"),
            (f"{here}/text", "must say {{ code }}"),
            (f"{here}/text", "nickname: not known here; there are asked_at"),
            (f"{here}/html", "an {% if %} has no {% endif %}"),
            (f"{here}/sms", "must say {{ code }}"),
            (f"{here}/voice", "{%: only {{ name }}"),
            (f"{here}/voice", "must say {{ digits }}"),
            (f"{self.HERE}/activaton", "there is no template activaton; there are account_exists"),
            (f"{self.HERE}/welcome/texts/en/sms", "welcome is not sent by sms"),
            (f"{self.HERE}/welcome/texts/en", "text and html go together"),
        }
        for place, reason in told:
            assert any(where == place and reason in why for where, why in found), (place, reason, found)

    @pytest.mark.parametrize("template", ["reset_succeeded", "password_reset", "activation", "account_exists"])
    def test_what_is_needed_stays_on(self, template: str):
        """NOT-3."""
        given = document(notification_policies=[{"name": "Default", "templates": {template: {"enabled": False}}}])
        assert problems(given) == {f"{self.HERE}/{template}/enabled": f"{template} can't be switched off"}

    def test_other_languages_and_lengths(self):
        assert "texts" in " ".join(problems(with_texts("welcome", language="pt", subject="Olá")))
        assert f"{self.HERE}/password_reset/texts/de/voice" in problems(
            with_texts("password_reset", voice="{{ digits }}" + "x" * 300)
        )


class TestTogether:
    """An application's store and policy must fit (R8, R13)."""

    def usernames_only(self, **registration: Any) -> dict[str, Any]:
        return document(
            identity_stores=[{"name": "Default", "identifiers": USERNAMES}],
            self_service_policies=[{"name": "Default", "registration": registration}],
        )

    def test_r8_activation_is_ignored_and_says_so(self):
        checked = check(self.usernames_only(), Known())
        assert checked.errors == []
        assert [path for path, why in checked.warnings if "R8" in why] == ["/applications/0/self_service_policy"]

    def test_activation_off_is_refused_where_nothing_can_be_proven(self):
        found = problems(self.usernames_only(activation=False))
        assert found.keys() == {"/applications/0/self_service_policy"}
        assert "no e-mail or phone identifier" in found["/applications/0/self_service_policy"]

    def test_activation_off_is_fine_with_an_email_identifier(self):
        assert problems(with_policy(registration={"activation": False})) == {}

    def test_r13_reminder_without_usernames(self):
        given = document(identity_stores=[{"name": "Default", "identifiers": {"username": {"use": "hidden"}}}])
        checked = check(given, Known())
        assert checked.errors == []
        assert "R13" in checked.warnings[0][1]

    def test_a_changed_store_is_checked_with_applications_that_are_not_in_the_file(self):
        known = Known(
            {"Default": IdentityStore(name="Default")},
            {"Default": SelfServicePolicy(name="Default", registration={"activation": False})},
            {"zinnia": Application(slug="zinnia", brand=BRAND)},
        )
        given = {"identity_stores": [{"name": "Default", "identifiers": USERNAMES}]}
        assert list(problems(given, known)) == ["/applications/zinnia/self_service_policy"]

    def test_a_store_needs_a_required_identifier(self):
        given = document(identity_stores=[{"name": "Default", "identifiers": {"email": {"use": "optional"}}}])
        assert list(problems(given)) == ["/identity_stores/0/identifiers"]
