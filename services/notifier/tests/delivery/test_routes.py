"""What reps and operators read and do over HTTP: never an address or a secret (E16, FRD-11, REL-8)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from notifier.delivery import routes
from notifier.delivery.history import History
from notifier.suppression import routes as suppression_routes
from notifier.suppression import store as suppression
from notifier.suppression.rules import fingerprint
from notifier.suppression.service import Suppression
from notifier.switches import routes as switches_routes
from notifier.switches.service import Switchboard
from notifier.templates.render import Renderer
from servicekit.web.caller import HEADER, Caller, Signer
from servicekit.web.http import create_internal_app

from ..conftest import LINK, MAIL, PHONE, Notifier

Call = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def call(notifier: Notifier) -> AsyncIterator[Call]:
    history = History(notifier.db, Renderer("no-reply@localhost"), notifier.configuration, "https://id.example")
    routers = [
        routes.router(notifier.delivery(), history),
        switches_routes.router(Switchboard(notifier.db)),
        suppression_routes.router(Suppression(notifier.db, notifier.keys)),
    ]
    app = create_internal_app("notifier", routers, keys=notifier.keys, clock=notifier.clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifier") as http:

        async def ask(method: str, path: str, *, service: str = "operator", **more: Any) -> httpx.Response:
            token = Signer(service, notifier.keys, notifier.clock).sign(Caller(service), "notifier")
            return await http.request(method, path, headers={HEADER: token}, **more)

        yield ask


class TestHistory:
    async def test_everything_but_the_words(self, call: Call, notifier: Notifier):
        one = await notifier.queue(code="482193")
        async with notifier.running():
            row = await notifier.wait(one, "handed_over")
        (shown,) = (await call("GET", f"/internal/messages?account_id={row['account_id']}")).json()
        assert (shown["state"], shown["to"], shown["provider"], shown["template"]) == (
            "handed_over",
            "m•••@p•••",
            "mail",
            "activation",
        )

    @pytest.mark.parametrize(
        ("channel", "template"), [("email", "activation"), ("email", "password_reset"), ("sms", "password_reset")]
    )
    async def test_the_words_without_secrets(self, call: Call, notifier: Notifier, channel: Any, template: str):
        """E16: a rep sees what it was about, and no name, address, link or code."""
        one = await notifier.queue(channel=channel, template=template, code="482193")
        async with notifier.running():
            await notifier.wait(one, "handed_over")
        answer = await call("GET", f"/internal/messages/{one}")
        body = answer.json()["body"]
        assert "Elmstead" in body
        assert "•••" in body
        for secret in ("482193", "482 193", LINK, MAIL, PHONE, "Mira"):
            assert secret not in answer.text

    async def test_what_is_not_there(self, call: Call):
        assert (await call("GET", f"/internal/messages/{uuid4()}")).status_code == 404
        assert (await call("GET", "/internal/messages?account_id=x")).status_code == 422

    async def test_nobody_else_asks(self, call: Call):
        """API-3."""
        assert (await call("GET", f"/internal/messages?account_id={uuid4()}", service="recovery")).status_code == 403
        assert (await call("POST", "/internal/switches/off", service="gateway", json={"channel": "sms"})).status_code == 403


class TestSwitches:
    async def test_off_and_on(self, call: Call):
        (off,) = (await call("POST", "/internal/switches/off", json={"channel": "sms", "country": "+49", "drop": True})).json()
        assert (off["channel"], off["country"], off["application"], off["drop"]) == ("sms", "+49", "", True)
        assert (await call("GET", "/internal/switches")).json() == [off]
        assert (await call("POST", "/internal/switches/on", json={"channel": "sms", "country": "+49"})).json() == []
        assert (await call("POST", "/internal/switches/on", json={"channel": "sms", "country": "+49"})).status_code == 404

    @pytest.mark.parametrize("body", [{}, {"channel": "pigeon"}, {"channel": "sms", "country": "49"}, {"channel": "sms", "x": 1}])
    async def test_what_is_no_switch(self, call: Call, body: dict[str, Any]):
        assert (await call("POST", "/internal/switches/off", json=body)).status_code == 422


class TestSuppression:
    async def test_counted_and_let_in_again(self, call: Call, notifier: Notifier):
        async with notifier.db.transaction() as tx:
            key = fingerprint(notifier.keys.secret("lookup"), "email", MAIL)
            await suppression.add(tx, "email", key, "bounced", tx.now.replace(year=2030))
        assert (await call("GET", "/internal/suppression")).json() == [{"channel": "email", "reason": "bounced", "count": 1}]
        body = {"channel": "email", "to": f" {MAIL.upper()}"}
        assert (await call("POST", "/internal/suppression/remove", json=body)).status_code == 204
        assert (await call("POST", "/internal/suppression/remove", json=body)).status_code == 404
