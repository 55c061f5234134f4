"""The examples of the OpenAPI document are what the product takes and answers (E30).

LATCHKEY_WRITE_EXAMPLES=1 writes them anew, from this very journey; without it they are compared.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from gateway.api import openapi
from gateway.api.operations import OPERATIONS
from jsonschema import Draft202012Validator
from testkit.authenticator import Authenticator
from testkit.elsewhere import Elsewhere
from testkit.stack import CODE, LINK, PASSWORD, Product, eventually

from .phones import new_number

NEW = "seven copper lanterns drifting north"
EPOCH = datetime(2026, 11, 24, 14, 16, 41, tzinfo=UTC)  # of the examples
SHOWN = frozenset({"kind", "status", "purpose", "code"})  # these are compared as they are
MADE = {  # instead of secrets
    "flow_token": "nuUU2JMVBTCnCYwnRnuT4-0UCy12sCUpuZ3DIB-Vdw0",
    "token": "z9cVXTng8sc4kdIAAZdf7Iaay-sKKLfMg3dSOkoeTSw",
    "grant": "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoic3RlcC11cCtqd3QiLCJraWQiOiIxIn0.z9cVXTng8sc4kdIAAZdf7Iaay.KKLfMg3dSOkoeTSw",
}
# Of WebAuthn: 32 random bytes and more, each time others.
BYTES = frozenset(
    {"challenge", "id", "rawId", "clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"}
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"(grace|new)\.[0-9a-f]{8}@")

Exchange = tuple[Any, Any]  # request, answer


class Client:
    """An API client of one customer; remembers what it asked and what it was answered, by operation."""

    def __init__(self, product: Product, http: httpx.Client, app: str = "demo") -> None:
        self.product, self.http, self.app = product, http, app
        self.email = f"grace.{uuid4().hex[:8]}@example.org"
        self.headers: dict[str, str] = {}
        self.flow: dict[str, Any] = {}
        self.seen: dict[str, Exchange] = {}

    def do(self, name: str, body: Any = None, grant: str | None = None, *, factor: str = "", **more: str) -> Any:
        """`more`: headers."""
        row = next(one for one in OPERATIONS if one.id == name)
        path = row.path.format(app=self.app, id=self.flow.get("id"), factor=factor)
        headers = {**self.headers, **({"Latchkey-Step-Up": grant} if grant else {}), **more}
        answer = self.http.request(row.method, path, json=body, headers=headers)
        assert answer.status_code == row.status, (name, answer.text)
        found = answer.json() if answer.content else None
        self.seen[name] = body, found
        if isinstance(found, dict) and "kind" in found:
            self.flow = found
        if self.flow.get("flow_token"):
            self.headers["Latchkey-Flow"] = self.flow["flow_token"]
        for secret in (self.flow.get("flow_token"), (self.flow.get("session") or {}).get("token"), self.flow.get("grant")):
            self.product.secrets |= {secret} if secret else set()
        return found

    def back(self, there: Elsewhere, out: dict[str, str]) -> Any:
        """What the provider's answer leads to."""
        url = there.confirm(out["redirect_to"]).removeprefix(self.product.origin)
        answer = self.http.get(url, headers=self.headers)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        self.seen["receiveSocialAnswer"] = None, found
        return found

    def mailed(self, subject: str, count: int = 1) -> str:
        text: str = self.product.wait_mails(self.email, count, subject=subject)[count - 1]["text"]
        return text

    def later(self) -> None:
        self.product.move_clock(21)

    def register(self, **more: Any) -> None:
        identifiers = {"email": self.email, **more}
        self.do(
            "startRegistration",
            {
                "client": "api",
                "identifiers": identifiers,
                "password": PASSWORD,
                "profile": {"given_name": "Grace"},
            },
        )


def registered(client: Client) -> None:
    """By the code of a second message."""
    client.do("readApplication")
    client.register()
    client.do("readRegistration")
    client.mailed("Activate")
    client.later()
    client.do("resendRegistration", {"channel": "email"})
    client.do("enterRegistrationCode", {"code": CODE.findall(client.mailed("Activate", 2))[0]})


def signed_in(client: Client) -> None:
    client.do("startSignIn", {"client": "api", "identifier": client.email})
    client.do("readSignIn")
    client.do("enterPassword", {"password": PASSWORD, "remember_me": True})
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    client.do("readSession")
    version = client.do("readMe")["version"]
    client.do("changeMe", {"profile": {"family_name": "Hopper"}, "language": "de"}, **{"If-Match": f'"{version}"'})
    client.do("readPreferences")
    client.do("changePreferences", {"items": [{"kind": "account", "channel": "email", "wanted": False}]})
    ended_elsewhere(client)
    client.do("changePassword", {"current_password": PASSWORD, "password": NEW})
    client.do("signOut")
    del client.headers["Authorization"]
    client.do("startSignIn", {"client": "api", "identifier": client.email, "password": NEW})  # all in one call
    assert client.flow["status"] == "complete"


def ended_elsewhere(client: Client) -> None:
    """A session that is open somewhere else, then all that are."""
    with client.product.client() as elsewhere:
        path = f"/v1/apps/{client.app}/sign-ins"
        elsewhere.post(path, json={"client": "api", "identifier": client.email, "password": PASSWORD}).raise_for_status()
    flow = client.flow
    other = next(one["id"] for one in client.do("listSessions")["items"] if not one["current"])
    for operation, payload in (("endSession", {"session_id": other}), ("endOtherSessions", None)):
        client.do("startStepUp", {"action": "sessions.end", "payload": payload})
        grant = client.do("enterStepUpPassword", {"password": PASSWORD})["grant"]
        client.flow = {"id": other}
        client.do(operation, grant=grant)
    client.flow = flow
    eventually(lambda: "session_ended" in [one["kind"] for one in client.do("listActivity")["items"]])


def recovered(client: Client) -> None:
    client.product.move_clock(3601)  # beyond the hourly cap
    client.do("startUsernameReminder", {"client": "api", "email": client.email})
    client.do("readUsernameReminder")
    client.later()
    client.do("resendUsernameReminder", {"channel": "email"})
    client.do("startPasswordReset", {"client": "api", "identifier": client.email})
    client.do("readPasswordReset")
    client.mailed("Set a new")
    client.later()
    client.do("resendPasswordReset", {"channel": "email"})
    client.do("enterPasswordResetCode", {"code": CODE.findall(client.mailed("Set a new", 2))[0]})
    client.do("setNewPassword", {"password": PASSWORD})


def renewed(client: Client, other: Client) -> None:
    """The link came to nothing within a day; another window asks for a fresh one, and chooses a password of its own."""
    client.register()
    token = LINK.findall(client.mailed("Activate"))[0]
    client.product.move_clock(24 * 3600 + 5)
    other.email = client.email
    other.do("renewLink", {"client": "api", "token": token})
    fresh = LINK.findall(other.mailed("Activate", 2))[0]
    other.do("inspectLink", {"token": fresh})
    other.do("setRegistrationPassword", {"password": PASSWORD})
    other.do("confirmLink", {"token": fresh})


def registered_by_email(client: Client) -> None:
    """No text came, or none was waited for."""
    body = {"client": "api", "identifiers": {"phone": new_number()}, "password": PASSWORD}
    client.flow = client.http.post(f"/v1/apps/{client.app}/registrations", json=body).json()
    client.headers["Latchkey-Flow"] = client.flow["flow_token"]
    client.product.secrets.add(client.flow["flow_token"])
    assert client.flow["next"] == ["resend", "code", "email"]
    client.do("registerByEmail", {"email": client.email})
    client.mailed("Activate")


def asked_for_another_name(client: Client, first: Client) -> None:
    """Both want one username; whoever activates last chooses another at the first sign-in."""
    name = f"grace{uuid4().hex[:6]}"
    for one in (client, first):
        one.register(username=name)
    for one in (first, client):
        one.do("confirmLink", {"token": LINK.findall(one.mailed("Activate"))[0]})
    client.do("startSignIn", {"client": "api", "identifier": client.email})
    client.do("enterPassword", {"password": PASSWORD})
    assert client.flow["actions"] == ["username"]
    client.do("answerRequiredAction", {"username": f"{name}x"})


def protected(client: Client) -> None:
    """An address beside the password: added, asked for at the next sign-in, and removed; each time after fresh authentication."""
    client.register()
    client.do("enterRegistrationCode", {"code": CODE.findall(client.mailed("Activate"))[0]})
    start = {"client": "api", "identifier": client.email, "password": PASSWORD}
    client.do("startSignIn", start)
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    factor = with_address(client)
    client.do("startSignIn", start)
    client.later()
    client.do("sendChallenge", {"factor_id": factor, "channel": "email", "form": "code"})
    client.do("enterFactorCode", {"code": CODE.findall(client.mailed("sign in to"))[0], "trust_device": True})
    assert client.flow["status"] == "complete"
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    client.do("listFactors")
    trusted = client.do("listTrustedDevices")["items"][0]["id"]
    flow, client.flow = client.flow, {"id": trusted}
    client.do("forgetTrustedDevice")
    client.do("forgetTrustedDevices")
    client.flow = flow
    client.do("startStepUp", {"action": "factor.remove", "payload": {"factor_id": factor}})
    client.do("readStepUp")
    client.later()
    client.do("sendStepUpChallenge", {"factor_id": factor, "channel": "email", "form": "code"})
    grant = client.do("enterStepUpCode", {"code": CODE.findall(client.mailed("to confirm it"))[0]})["grant"]
    client.flow = {"id": factor}
    client.do("removeFactor", grant=grant)


def by_passkey(client: Client) -> None:
    """Made, then in by it alone, and another step-up by it."""
    client.register()
    client.do("enterRegistrationCode", {"code": CODE.findall(client.mailed("Activate"))[0]})
    client.do("startSignIn", {"client": "api", "identifier": client.email, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    client.do("readPasskeyOffer")
    wanted, device = {"kind": "passkey"}, Authenticator(client.product.origin)
    client.do("startStepUp", {"action": "factor.add", "payload": wanted})
    grant = client.do("enterStepUpPassword", {"password": PASSWORD})["grant"]
    made = device.create(client.do("addFactor", wanted, grant=grant)["passkey"])
    client.do("confirmFactor", {"credential": made})
    client.do("refusePasskeyOffers")
    client.do("startSignIn", {"client": "api"})
    options = client.do("readPasskeyOptions")["public_key"]
    client.do("provePasskey", {"credential": device.get(options)})
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    client.do("startStepUp", {"action": "factor.add", "payload": wanted})
    options = client.do("readStepUpPasskeyOptions")["public_key"]
    client.do("proveStepUpPasskey", {"credential": device.get(options)})


def elsewhere(client: Client) -> None:
    """An account by what a provider says; another one is linked, and the first unlinked, each time after the provider has asked anew."""
    first, second = (
        Elsewhere(client.product.stack.provider_url, sub=uuid4().hex, email=client.email, email_verified="on", given_name="Grace")
        for _ in range(2)
    )
    client.do("startSignIn", {"client": "api"})
    client.back(first, client.do("beginSocialSignIn", {"provider": "local"}))
    client.do("registerNewcomer", {"profile": {"given_name": "Grace"}})
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    one = client.do("listLinkedIdentities")["items"][0]["id"]

    def granted(action: str, payload: dict[str, str]) -> str:
        client.do("startStepUp", {"action": action, "payload": payload})
        grant: str = client.back(first, client.do("beginSocialStepUp", {"provider": "local"}))["step_up"]["grant"]
        client.product.secrets.add(grant)
        return grant

    client.back(second, client.do("linkIdentity", {"provider": "local"}, granted("identity.link", {"provider": "local"})))
    grant = granted("identity.unlink", {"identity_id": one})
    client.flow = {"id": one}
    client.do("unlinkIdentity", grant=grant)


def with_address(client: Client) -> str:
    """By the code of a second message. Answers the factor's id."""
    wanted = {"kind": "email", "target": client.email}
    client.do("startStepUp", {"action": "factor.add", "payload": wanted})
    grant = client.do("enterStepUpPassword", {"password": PASSWORD})["grant"]
    client.do("addFactor", wanted, grant=grant)
    client.do("readFactor")
    client.mailed("Confirm this address")
    client.later()
    client.do("resendFactorCode")
    client.do("confirmFactor", {"code": CODE.findall(client.mailed("Confirm this address", 2))[0]})
    return str(client.do("renameFactor", {"name": "Work address"})["id"])


def required(client: Client) -> None:
    """The application requires a factor, so one is added before the session; by the code of a second message."""
    client.register()
    client.do("enterRegistrationCode", {"code": CODE.findall(client.mailed("Activate"))[0]})
    client.do("startSignIn", {"client": "api", "identifier": client.email, "password": PASSWORD})
    flow = client.flow
    assert flow["actions"] == ["factor"]
    factor = client.do("addRequiredFactor", {"kind": "email", "target": client.email})["id"]
    client.flow = flow
    client.do("readRequiredFactor", factor=factor)
    client.mailed("Confirm this address")
    client.later()
    client.flow = flow
    client.do("resendRequiredFactorCode", factor=factor)
    client.flow = flow
    client.do("confirmRequiredFactor", {"code": CODE.findall(client.mailed("Confirm this address", 2))[0]}, factor=factor)
    assert client.flow["status"] == "complete"


def moved(client: Client) -> None:
    """Another e-mail address, then a further one that becomes the first, and the one before goes."""
    client.register()
    client.do("enterRegistrationCode", {"code": CODE.findall(client.mailed("Activate"))[0]})
    client.do("startSignIn", {"client": "api", "identifier": client.email, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {client.flow['session']['token']}"
    second, third = (f"new.{uuid4().hex[:8]}@example.org" for _ in range(2))
    asked(client, "startContactChange", "contact.change", second)
    client.do("readContactChange")
    client.do("listContactChanges")
    client.product.wait_mails(second, subject="Confirm this address")
    client.later()
    client.do("resendContactChange", {"source": "new"})
    confirmed(client, second, client.email, 1)
    client.later()
    asked(client, "startContactChange", "contact.change", third)
    for to, subject in ((third, "Confirm this address"), (second, "Do you allow")):
        client.product.wait_mails(to, subject=subject)
    client.do("cancelContactChange")
    client.later()
    asked(client, "addIdentifier", "contact.add", third)
    confirmed(client, third, second, 2)
    ids = {one["value"]: one["id"] for one in client.do("listIdentifiers")["items"]}
    client.later()
    client.flow = {"id": ids[third]}
    client.do("makePrimary", {"primary": True}, grant=granted_for(client, "contact.primary", ids[third]))
    client.do("enterContactCode", {"code": code_to(client, second, "Do you allow", 3), "source": "old"})
    grant = granted_for(client, "contact.remove", ids[second])
    client.flow = {"id": ids[second]}
    client.do("removeIdentifier", grant=grant)


def asked(client: Client, operation: str, action: str, value: str) -> None:
    client.do("startStepUp", {"action": action, "payload": {"kind": "email", "target": value}})
    grant = client.do("enterStepUpPassword", {"password": PASSWORD})["grant"]
    client.do(operation, {"client": "api", "kind": "email", "value": value}, grant=grant)


def granted_for(client: Client, action: str, identifier: str) -> str:
    kept = client.flow
    client.do("startStepUp", {"action": action, "payload": {"identifier_id": identifier}})
    grant = client.do("enterStepUpPassword", {"password": PASSWORD})["grant"]
    client.flow = kept
    return str(grant)


def code_to(client: Client, to: str, subject: str, count: int = 1) -> str:
    return str(CODE.findall(client.product.wait_mails(to, count, subject=subject)[-1]["text"])[0])


def confirmed(client: Client, new: str, old: str, count: int) -> None:
    """By the newest code of each."""
    client.do("enterContactCode", {"code": code_to(client, new, "Confirm this address", 2)})
    client.do("enterContactCode", {"code": code_to(client, old, "Do you allow", count), "source": "old"})
    assert client.flow["status"] == "complete"


@pytest.fixture(scope="module")
def exchanges(product: Product) -> Iterator[dict[str, Exchange]]:
    """What was asked and answered, by operation."""
    started = product.now()
    with product.client() as http:
        product.secrets.add(PASSWORD)

        def client(app: str = "demo") -> Client:
            return Client(product, http, app)

        grace, other, name, second, keyed, there = (client() for _ in range(6))
        elsewhere(there)
        by_passkey(keyed)
        asked_for_another_name(name, client())
        renewed(client(), other)
        registered(grace)
        protected(second)
        signed_in(grace)
        recovered(grace)
        adds = client("required")
        required(adds)
        mover = client()
        moved(mover)
        texted, lost = client("mobile"), client("lost")
        registered_by_email(texted)
        lost.do(
            "startTotalLossRecovery", {"client": "api", "identifier": lost.email, "email": lost.email.replace("grace.", "new.")}
        )
        seen = {
            **mover.seen,
            **there.seen,
            **adds.seen,
            **keyed.seen,
            **second.seen,
            **name.seen,
            **other.seen,
            **grace.seen,
            **texted.seen,
            **lost.seen,
        }
    if os.environ.get("LATCHKEY_WRITE_EXAMPLES"):
        write(seen, started)
    return seen


def write(seen: dict[str, Exchange], started: datetime) -> None:
    openapi.EXAMPLES.mkdir(exist_ok=True)
    for name, (request, answer) in sorted(seen.items()):
        ids: dict[str, str] = {}
        shown = {key: calm(one, ids, started) for key, one in (("request", request), ("answer", answer)) if one is not None}
        if shown:
            text = json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
            (openapi.EXAMPLES / f"{name}.json").write_text(text, encoding="utf-8")


def calm(value: Any, ids: dict[str, str], started: datetime, name: str = "") -> Any:
    """The same in every run: ids, addresses, tokens and times; nothing else is changed."""
    if isinstance(value, dict):
        return {key: calm(one, ids, started, key) for key, one in value.items()}
    if isinstance(value, list):
        return [calm(one, ids, started, name) for one in value]
    if not isinstance(value, str):
        return value
    if name == "redirect_to":
        return "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&client_id=123.apps.googleusercontent.com&state=z9cVXTng8sc4kdIAAZdf7Iaay"
    if name in MADE:
        return MADE[name]
    if _UUID.fullmatch(value):
        return ids.setdefault(value, str(uuid5(UUID(int=len(ids)), "latchkey")))
    if name in BYTES and len(value) > 40:
        return MADE["token"]
    if name.endswith("_at") or name == "at":
        return (EPOCH + (datetime.fromisoformat(value) - started)).isoformat().replace("+00:00", "Z")
    if name == "username" or (value.startswith("grace") and "@" not in value):
        return "grace"
    return _ADDRESS.sub(r"\1@", value)


def shape(value: Any, name: str = "") -> Any:
    """What must be alike: names, types, and what says which step it is."""
    if isinstance(value, dict):
        return {key: shape(one, key) for key, one in value.items() if key != "profile"}
    if isinstance(value, list):
        return [shape(one, name) for one in value]
    return value if name in SHOWN and not (name == "code" and str(value)[:1].isdigit()) else type(value).__name__


EXAMPLED = [one for one in OPERATIONS if one.request is not None or one.answer is not None]


@pytest.mark.parametrize("operation", EXAMPLED, ids=lambda one: one.id)
def test_examples_are_what_the_product_answers(exchanges: dict[str, Exchange], operation: Any) -> None:
    """E30: the same names and types, and within its own schema."""
    request, answer = exchanges[operation.id]
    shown = openapi.example(operation)
    assert shape(shown.get("request")) == shape(request)
    assert shape(shown.get("answer")) == shape(answer)
    if answer is not None:
        document = openapi.document()
        schema = document["paths"][operation.path][operation.method.lower()]["responses"][str(operation.status)]
        Draft202012Validator({**schema["content"]["application/json"]["schema"], "components": document["components"]}).validate(
            answer
        )


def test_no_operation_is_left_out(exchanges: dict[str, Exchange]) -> None:
    """Each one was really called, but for what providers call (test_providers.py)."""
    assert {one.id for one in OPERATIONS} - set(exchanges) == {"receiveCallback", "receiveSocialForm"}
