"""What operators see and try: over HTTP, with their key, on real providers' interface (E17)."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from notifier.channels.base import Mail, Message, Refused, Transient, Unknown
from notifier.channels.chain import Chain
from notifier.channels.twilio import TwilioProvider
from notifier.templates import routes
from notifier.templates.render import Renderer
from notifier.templates.service import Templates
from servicekit.web.caller import HEADER, Caller, Signer
from servicekit.web.http import create_internal_app

from .conftest import ORIGIN

GERMAN = {"welcome": {"texts": {"de": {"subject": "Servus, {{ name }}"}}, "enabled": False}}


class Provider:
    """Takes messages, or makes the trouble that it was told to make."""

    repeatable = True

    def __init__(self, name: str, channels: set[str], trouble: Exception | None = None) -> None:
        self.name = name
        self.channels = frozenset(channels)
        self.trouble = trouble
        self.sent: list[Message] = []

    async def send(self, message: Message, *, callback_url: str, expires_in: float, hurry: bool = False) -> str | None:
        assert callback_url.startswith(f"{ORIGIN}/v1/callbacks/{self.name}?message={message.message_id}")
        assert expires_in > 0
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(message)
        return "id"

    def read(self, callback: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None: ...


@pytest.fixture
def providers() -> list[Any]:
    return [Provider("smtp", {"email"}), Provider("texts", {"sms", "voice"})]


@pytest.fixture
async def call(application, configuration, keys, clock, providers) -> AsyncIterator[Any]:
    stores, policies = {"Default": {"name": "Default"}}, {"Default": {"name": "Default"}}
    notifications = {"Default": {"name": "Default", "templates": GERMAN}}
    configuration.replace(stores, policies, {"demo": application.model_dump(mode="json")}, notifications)
    templates = Templates(Renderer("no-reply@localhost", ORIGIN), configuration, Chain(providers, clock), clock, ORIGIN)
    app = create_internal_app("notifier", [routes.router(templates)], keys=keys, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifier") as http:

        async def ask(method: str, path: str, *, service: str = "operator", **more: Any) -> httpx.Response:
            headers = {HEADER: Signer(service, keys, clock).sign(Caller(service), "notifier")}
            return await http.request(method, f"/internal/templates{path}", headers=headers, **more)

        yield ask


def one(template: str, **more: Any) -> dict[str, Any]:
    return {"template": template, "application": "demo", **more}


class TestListing:
    async def test_every_template_with_what_is_ones_own(self, call):
        found = {each["template"]: each for each in (await call("GET", "", params={"application": "demo"})).json()}
        assert found["password_reset"]["channels"] == ["email", "sms", "voice"]
        assert found["password_reset"]["required"]["voice"] == ["digits"]
        assert found["welcome"]["own"] == {"email": ["de"]}
        assert (found["welcome"]["enabled"], found["account_exists"]["enabled"]) == (False, True)

    async def test_an_application_that_is_none(self, call):
        answer = await call("GET", "", params={"application": "nowhere"})
        assert answer.status_code == 422
        assert "there are: demo" in answer.json()["errors"][0]["message"]

    @pytest.mark.parametrize("service", ["gateway", "identity"])
    async def test_for_operators_only(self, call, service: str):
        assert (await call("GET", "", service=service, params={"application": "demo"})).status_code == 403
        assert (await call("POST", "/send", service=service, json=one("welcome", to="a@b.example"))).status_code == 403


class TestPreview:
    async def test_mail(self, call):
        found = (await call("POST", "/preview", json=one("welcome", language="de"))).json()
        assert (found["subject"], found["own"], found["language"]) == ("Servus, Mira", ["subject"], "de")
        assert found["html"].startswith("<!doctype html>")
        assert "Ihr Konto ist bereit" in found["text"]

    async def test_sms_with_its_size(self, call):
        found = (await call("POST", "/preview", json=one("activation", language="ar", channel="sms"))).json()
        assert (found["encoding"], found["segments"]) == ("UCS-2", 2)
        assert found["sms"].endswith("\n@id.example #482913")

    async def test_call(self, call):
        found = (await call("POST", "/preview", json=one("password_reset", channel="voice"))).json()
        assert "Press 1" in found["prompt"]
        assert "4, 8, 2, 9, 1, 3" in found["voice"]

    async def test_everything_wrong_at_once(self, call):
        answer = await call("POST", "/preview", json=one("wellcome", language="pt", channel="sms"))
        assert {each["field"] for each in answer.json()["errors"]} == {"/template", "/language"}
        answer = await call("POST", "/preview", json=one("welcome", channel="fax"))
        assert answer.json()["errors"][0]["message"] == "This template is not sent that way; there are: email"


class TestSend:
    async def test_marked_as_a_test(self, call, providers):
        answer = await call("POST", "/send", json=one("password_reset", to="me@elmstead.example", language="fr"))
        assert answer.json() == [{"provider": "smtp", "outcome": "handed_over", "reason": None}]
        (mail,) = providers[0].sent
        assert isinstance(mail, Mail)
        assert (mail.to, mail.subject) == ("me@elmstead.example", "[Test] Nouveau mot de passe Elmstead")

    @pytest.mark.parametrize(
        ("trouble", "outcome"),
        [
            (Refused("550 no such user"), "refused"),
            (Unknown("cut"), "unknown"),
            (Transient("strange", counted=True), "unknown"),
            (Transient("away"), "not_sent"),
        ],
    )
    async def test_what_went_wrong_is_told(self, call, providers, trouble: Exception, outcome: str):
        providers[0].trouble = trouble
        (tried,) = (await call("POST", "/send", json=one("welcome", to="me@elmstead.example"))).json()
        assert (tried["outcome"], tried["reason"]) == (outcome, str(trouble))

    @pytest.mark.parametrize(
        ("channel", "to"), [("email", "nobody"), ("email", "a@b\r\nBcc: x@y"), ("sms", "12345"), ("voice", "a@b.example")]
    )
    async def test_no_address(self, call, providers, channel: str, to: str):
        answer = await call("POST", "/send", json=one("password_reset", channel=channel, to=to))
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["errors"]] == ["/to"]
        assert to not in answer.text
        assert not providers[0].sent + providers[1].sent


class TestChains:
    @pytest.fixture
    def providers(self) -> list[Any]:
        twilio = TwilioProvider(account_sid="AC" + "0" * 32, auth_token="secret", sender="+4915550100")
        return [twilio, Provider("away", {"sms"}, Transient("away", down=True)), Provider("there", {"sms", "voice"})]

    async def test_in_order_until_one_takes_it(self, call, providers, monkeypatch: pytest.MonkeyPatch):
        """E15. A call that asks for its words later can't be tried; it goes to the next."""
        tries = (await call("POST", "/send", json=one("password_reset", channel="voice", to="+4915550100"))).json()
        assert [(each["provider"], each["outcome"]) for each in tries] == [("twilio", "not_sent"), ("there", "handed_over")]
        assert "This is a test." in providers[2].sent[0].prompt

        async def away(*_args: Any, **_more: Any) -> None:
            raise Transient("away")

        monkeypatch.setattr(providers[0], "send", away)
        tries = (await call("POST", "/send", json=one("password_reset", channel="sms", to="+4915550100"))).json()
        assert [each["provider"] for each in tries] == ["twilio", "away", "there"]

    async def test_no_provider_at_all(self, call, providers):
        assert (await call("POST", "/send", json=one("welcome", to="me@elmstead.example"))).json() == []
