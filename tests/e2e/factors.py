"""What a signed-in customer does with factors, by the API."""

import base64
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from testkit.authenticator import Authenticator
from testkit.elsewhere import Elsewhere
from testkit.stack import CODE, Person


def app_code(secret: str, product_now: float, steps: int = 0) -> str:
    """What an authenticator app shows (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return HOTP(key, 6, SHA1()).generate(int(product_now) // 30 + steps).decode()  # noqa: S303 - what apps know


@dataclass
class Member:
    """`secret`: of the newest app; `codes`: the newest recovery codes; `device`: where its passkeys are."""

    one: Person
    secret: str = ""
    codes: tuple[str, ...] = ()
    device: Authenticator | None = None

    def call(self, method: str, path: str, body: Any = None, grant: str | None = None, **headers: str) -> httpx.Response:
        told = {**self.one.bearer, **headers} | ({"Latchkey-Step-Up": grant} if grant else {})
        return self.one.http.request(method, f"/v1/me/{path}", json=body, headers=told)

    def app(self, steps: int = 0) -> str:
        return app_code(self.secret, self.one.product.now().timestamp(), steps)

    def grant(self, action: str, payload: dict[str, Any], code: str | None = None) -> str:
        """By the password, or where there is a factor by this code."""
        flow = self.call("POST", "step-ups", {"action": action, "payload": payload}).json()
        way = ("code", {"code": code}) if flow["status"] == "needs_factor" else ("password", {"password": self.one.password})
        done = self.call("POST", f"step-ups/{flow['id']}/{way[0]}", way[1])
        assert done.status_code == 200, done.text
        self.one.product.secrets.add(done.json()["grant"])
        return str(done.json()["grant"])

    def sign_in_at(self, device: dict[str, str]) -> str:
        """How far the password leads in a client that sends these headers."""
        flow = self.one.begin_sign_in().json()["id"]
        answer = self.one.post(f"/sign-ins/{flow}/password", {"password": self.one.password}, **device)
        if answer.status_code == 200:
            self.one.take(answer)
        return str(answer.json()["status"])

    def trust_here(self) -> dict[str, str]:
        """By a code with "trust this device": the headers by which the client is known from now on."""
        self.one.product.move_clock(31)
        self.one.sign_in()
        token = self.enter(self.app(), trust=True).json()["device"]["token"]
        self.one.product.secrets.add(token)
        self.one.product.move_clock(31)
        return {"Latchkey-Device": token}

    def add(self, kind: str, code: str | None = None, **more: Any) -> dict[str, Any]:
        answer = self.call("POST", "factors", {"kind": kind, **more}, self.grant("factor.add", {"kind": kind, **more}, code))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def mailed(self, subject: str) -> str:
        """The code of the newest message with these words."""
        return str(CODE.findall(self.one.product.wait_mails(self.one.email, subject=subject)[-1]["text"])[0])

    def add_app(self, code: str | None = None) -> dict[str, Any]:
        """Confirmed; then its clock goes on, for the step that confirmed it is spent."""
        pending = self.add("totp", code)
        self.secret = pending["totp"]["secret"]
        self.one.product.secrets.add(self.secret)
        done = self.call("POST", f"factors/{pending['id']}/confirm", {"code": self.app()})
        assert done.json()["status"] == "active", done.text
        self.one.product.move_clock(31)
        return dict(done.json())

    def add_address(self, code: str | None = None) -> dict[str, Any]:
        """Of the person's own mailbox, confirmed."""
        pending = self.add("email", code, target=self.one.email)
        done = self.call("POST", f"factors/{pending['id']}/confirm", {"code": self.mailed("Confirm this")})
        assert done.json()["status"] == "active", done.text
        return dict(done.json())

    def add_mailbox_and_phone(self, number: str) -> None:
        """Both confirmed; each was begun by the password, while there was no factor."""
        product = self.one.product
        mail, phone = self.add("email", target=self.one.email), self.add("phone", target=number)
        text = product.wait_message(number, channel="sms")
        for pending, code in ((mail, self.mailed("Confirm this")), (phone, product.code_of(text))):
            done = self.call("POST", f"factors/{pending['id']}/confirm", {"code": code})
            assert done.json()["status"] == "active", done.text

    def add_recovery_codes(self) -> dict[str, Any]:
        pending = self.add("recovery_codes", self.app())
        self.codes = tuple(pending["codes"])
        self.one.product.secrets.update(self.codes)
        done = self.call("POST", f"factors/{pending['id']}/confirm", {})
        assert done.json()["status"] == "active", done.text
        self.one.product.move_clock(31)
        return dict(done.json())

    def add_passkey(self, grant: str | None = None) -> dict[str, Any]:
        self.device = self.device or Authenticator(self.one.product.origin)
        payload = {"kind": "passkey"}
        pending = self.call("POST", "factors", payload, grant or self.grant("factor.add", payload))
        assert pending.status_code == 201, pending.text
        made = self.device.create(pending.json()["passkey"])
        done = self.call("POST", f"factors/{pending.json()['id']}/confirm", {"credential": made})
        assert done.status_code == 200, done.text
        return dict(done.json())

    def link(self, code: str | None = None) -> dict[str, Any]:
        """An account at the local provider, of nobody else's."""
        product, payload = self.one.product, {"provider": "local"}
        begun = self.call("POST", "linked-identities", payload, self.grant("identity.link", payload, code))
        assert begun.status_code == 200, begun.text
        back = Elsewhere(product.stack.provider_url, sub=uuid4().hex).confirm(begun.json()["redirect_to"])
        answer = self.one.http.get(back.removeprefix(product.origin), headers=self.one.bearer)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["linked"])

    def prove(self, **lies: Any) -> httpx.Response:
        """By the passkey, in the sign-in that was begun; with its session, if there is one then."""
        assert self.device is not None
        path = f"/sign-ins/{self.one.flow['id']}/passkey"
        options = self.one.http.get(self.one.url(path), headers=self.one.headers)
        assert options.status_code == 200, options.text
        answer = self.one.post(path, {"credential": self.device.get(options.json()["public_key"], **lies)})
        if answer.status_code == 200:
            self.one.take(answer)
        return answer

    def enter(self, code: str, *, trust: bool = False, **headers: str) -> httpx.Response:
        """In the sign-in that waits for a factor."""
        body = {"code": code, **({"trust_device": True} if trust else {})}
        answer = self.one.post(f"/sign-ins/{self.one.flow['id']}/code", body, **headers)
        if answer.status_code == 200:
            self.one.take(answer)
        return answer
