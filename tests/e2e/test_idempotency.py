"""API-4, E19: under one Idempotency-Key one request is done once, and another body under it is refused, whatever the operation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from testkit.elsewhere import Elsewhere
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, new_email, person

from .factors import Member
from .phones import new_number

NEW = "a whole new horse battery"
OTHER = "quite another horse battery"
API = Path(__file__).parents[2] / "docs/openapi.json"
# They change nothing, have no body, or aren't our customers' (a provider repeats what it wants; the notifier drops it by its id).
NOT_OURS = {
    ("post", "/v1/apps/{app}/links/inspect"),
    ("delete", "/v1/session"),
    ("post", "/v1/callbacks/{provider}"),
    ("post", "/v1/me/factors/{id}/resend"),
    ("post", "/v1/apps/{app}/sign-ins/{id}/factors/{factor}/resend"),
    ("delete", "/v1/me/factors/{id}"),
    ("delete", "/v1/me/trusted-devices"),
    ("delete", "/v1/me/passkey-offer"),
    ("delete", "/v1/me/trusted-devices/{id}"),
    ("delete", "/v1/me/sessions"),
    ("delete", "/v1/me/sessions/{id}"),
    ("delete", "/v1/me/identifiers/{id}"),
    ("delete", "/v1/me/contact-changes/{id}"),
    ("delete", "/v1/me/linked-identities/{id}"),
    ("post", "/v1/callbacks/social/{provider}"),
}
Body = dict[str, Any]
# What sends a body, the body, and another one.
Write = tuple[Callable[..., httpx.Response], Body, Body]
WRITES: dict[tuple[str, str], Callable[[Product, httpx.Client], Write]] = {}


def write(method: str, path: str) -> Callable[[Any], Any]:
    def note(prepare: Any) -> Any:
        WRITES[method, path] = prepare
        return prepare

    return note


def starter(method_path: str, first: Callable[[], Body], *, app: str = "demo") -> None:
    """A newcomer, who has no token yet."""

    def prepare(_product: Product, http: httpx.Client) -> Write:
        path = f"/v1/apps/{app}{method_path}"
        return (lambda body, **headers: http.post(path, json=body, headers=headers)), first(), first()

    WRITES["post", "/v1/apps/{app}" + method_path] = prepare


starter("/registrations", lambda: {"identifiers": {"email": new_email()}, "password": PASSWORD, "client": "api"})
starter("/sign-ins", lambda: {"identifier": new_email(), "client": "api"})
starter("/username-reminders", lambda: {"email": new_email(), "client": "api"})
starter("/password-resets", lambda: {"identifier": new_email(), "client": "api"})
starter("/total-loss-recoveries", lambda: {"identifier": new_email(), "email": new_email(), "client": "api"}, app="lost")


@write("post", "/v1/apps/{app}/registrations/{id}/email")
def by_email(product: Product, http: httpx.Client) -> Write:
    body = {"identifiers": {"phone": new_number()}, "password": PASSWORD, "client": "api"}
    noor = person(product, http)
    noor.app = "mobile"
    noor.take(noor.post("/registrations", body))
    path = f"/registrations/{noor.flow['id']}/email"
    return (lambda body, **headers: noor.post(path, body, **headers)), {"email": noor.email}, {"email": new_email()}


def begun(product: Product, http: httpx.Client, path: str, **body: Any) -> Person:
    """A flow that somebody begins, who has an account."""
    mira = person(product, http).activate()
    mira.take(mira.post(path, {**body, "client": "api", **({"identifier": mira.email} if "email" not in body else {})}))
    return mira


def reset_mail(product: Product, mira: Person) -> str:
    text: str = product.wait_mails(mira.email, 1, subject="password")[-1]["text"]
    return text


@write("post", "/v1/apps/{app}/registrations/{id}/resend")
def resend(product: Product, http: httpx.Client) -> Write:
    noor = person(product, http)
    noor.register()
    product.move_clock(21)
    return (
        (lambda body, **headers: noor.post(f"/registrations/{noor.flow['id']}/resend", body, **headers)),
        {},
        {"channel": "email"},
    )


@write("post", "/v1/apps/{app}/registrations/{id}/code")
def code(product: Product, http: httpx.Client) -> Write:
    noor = person(product, http)
    noor.register()
    right = noor.code()
    return (
        lambda body, **headers: noor.post(f"/registrations/{noor.flow['id']}/code", body, **headers),
        {"code": right},
        {"code": "123456"},
    )


@write("post", "/v1/apps/{app}/sign-ins/{id}/password")
def sign_in(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/sign-ins")
    path = f"/sign-ins/{mira.flow['id']}/password"
    return (lambda body, **headers: mira.post(path, body, **headers)), {"password": PASSWORD}, {"password": OTHER}


@write("post", "/v1/apps/{app}/username-reminders/{id}/resend")
def remind_again(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/username-reminders", email=new_email())
    product.move_clock(21)
    path = f"/username-reminders/{mira.flow['id']}/resend"
    return (lambda body, **headers: mira.post(path, body, **headers)), {}, {"channel": "email"}


@write("post", "/v1/apps/{app}/password-resets/{id}/resend")
def reset_again(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/password-resets")
    product.move_clock(21)
    path = f"/password-resets/{mira.flow['id']}/resend"
    return (lambda body, **headers: mira.post(path, body, **headers)), {}, {"channel": "email"}


@write("post", "/v1/apps/{app}/password-resets/{id}/code")
def reset_code(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/password-resets")
    right = CODE.findall(reset_mail(product, mira))[0]
    path = f"/password-resets/{mira.flow['id']}/code"
    return (lambda body, **headers: mira.post(path, body, **headers)), {"code": right}, {"code": "123456"}


@write("post", "/v1/apps/{app}/password-resets/{id}/password")
def reset_password(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/password-resets")
    right = CODE.findall(reset_mail(product, mira))[0]
    assert mira.post(f"/password-resets/{mira.flow['id']}/code", {"code": right}).status_code == 200
    path = f"/password-resets/{mira.flow['id']}/password"
    return (lambda body, **headers: mira.post(path, body, **headers)), {"password": NEW}, {"password": OTHER}


@write("post", "/v1/apps/{app}/links/confirm")
def confirm(product: Product, http: httpx.Client) -> Write:
    noor = person(product, http)
    noor.register()
    token = noor.link()
    return (lambda body, **headers: noor.post("/links/confirm", body, **headers)), {"token": token}, {"token": "x" * 43}


@write("post", "/v1/apps/{app}/links/renew")
def renew(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/password-resets")
    token = LINK.findall(reset_mail(product, mira))[0]
    product.move_clock(3601)
    stranger = person(product, http, mira.email)
    path = "/links/renew"
    return (
        lambda body, **headers: stranger.post(path, body, **headers),
        {"token": token, "client": "api"},
        {"token": "x" * 43, "client": "api"},
    )


@write("put", "/v1/me/password")
def change(product: Product, http: httpx.Client) -> Write:
    mira = person(product, http).activate()
    mira.sign_in()
    return (
        lambda body, **headers: http.put("/v1/me/password", json=body, headers={**mira.bearer, **headers}),
        {"current_password": PASSWORD, "password": NEW},
        {"current_password": NEW, "password": OTHER},
    )


@write("patch", "/v1/me")
def changed(product: Product, http: httpx.Client) -> Write:
    mira = person(product, http).activate()
    mira.sign_in()
    seen = {**mira.bearer, "If-Match": http.get("/v1/me", headers=mira.bearer).headers["etag"]}
    return (
        lambda body, **headers: http.patch("/v1/me", json=body, headers={**seen, **headers}),
        {"profile": {"given_name": "Bea"}},
        {"profile": {"given_name": "Mia"}},
    )


@write("patch", "/v1/me/notification-preferences")
def chosen(product: Product, http: httpx.Client) -> Write:
    mira = person(product, http).activate()
    mira.sign_in()
    path = "/v1/me/notification-preferences"
    off, on = ({"items": [{"kind": "account", "channel": "email", "wanted": wanted}]} for wanted in (False, True))
    return (lambda body, **headers: http.patch(path, json=body, headers={**mira.bearer, **headers})), off, on


def member(product: Product, http: httpx.Client) -> Member:
    mira = person(product, http).activate()
    mira.sign_in()
    return Member(mira)


def protected(product: Product, http: httpx.Client) -> Member:
    """By an address, beside the password."""
    mira = member(product, http)
    mira.add_address()
    product.move_clock(21)
    return mira


def mine(one: Member, path: str, body: Body, other: Body, *, method: str = "POST", grant: str | None = None) -> Write:
    return (lambda body, **headers: one.call(method, path, body, grant, **headers)), body, other


ADD = {"action": "factor.add", "payload": {"kind": "totp"}}


@write("post", "/v1/me/step-ups")
def step_up(product: Product, http: httpx.Client) -> Write:
    return mine(member(product, http), "step-ups", ADD, {**ADD, "payload": {"kind": "phone"}})


@write("post", "/v1/me/step-ups/{id}/password")
def step_up_password(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    flow = mira.call("POST", "step-ups", ADD).json()["id"]
    return mine(mira, f"step-ups/{flow}/password", {"password": PASSWORD}, {"password": OTHER})


@write("post", "/v1/me/step-ups/{id}/challenges")
def step_up_challenge(product: Product, http: httpx.Client) -> Write:
    mira = protected(product, http)
    flow = mira.call("POST", "step-ups", ADD).json()["id"]
    return mine(mira, f"step-ups/{flow}/challenges", {"form": "code"}, {"form": "code", "channel": "email"})


@write("post", "/v1/me/step-ups/{id}/code")
def step_up_code(product: Product, http: httpx.Client) -> Write:
    mira = protected(product, http)
    flow = mira.call("POST", "step-ups", ADD).json()["id"]
    assert mira.call("POST", f"step-ups/{flow}/challenges", {"form": "code"}).status_code == 202
    return mine(mira, f"step-ups/{flow}/code", {"code": mira.mailed("to confirm it")}, {"code": "123456"})


@write("post", "/v1/me/factors")
def factor(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    return mine(
        mira, "factors", {"kind": "totp"}, {"kind": "totp", "name": "another"}, grant=mira.grant("factor.add", {"kind": "totp"})
    )


@write("post", "/v1/me/factors/{id}/confirm")
def factor_confirmed(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    pending = mira.add("email", target=mira.one.email)["id"]
    return mine(mira, f"factors/{pending}/confirm", {"code": mira.mailed("Confirm")}, {"code": "123456"})


@write("patch", "/v1/me/factors/{id}")
def factor_named(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    return mine(mira, f"factors/{mira.add('totp')['id']}", {"name": "one"}, {"name": "another"}, method="PATCH")


@write("post", "/v1/apps/{app}/sign-ins/{id}/challenges")
def challenge(product: Product, http: httpx.Client) -> Write:
    mira = protected(product, http)
    mira.one.sign_in()
    path = f"/sign-ins/{mira.one.flow['id']}/challenges"
    return (lambda body, **headers: mira.one.post(path, body, **headers)), {"form": "code"}, {"form": "link"}


@write("post", "/v1/apps/{app}/sign-ins/{id}/code")
def factor_code(product: Product, http: httpx.Client) -> Write:
    mira = protected(product, http)
    mira.one.sign_in()
    assert mira.one.post(f"/sign-ins/{mira.one.flow['id']}/challenges", {"form": "code"}).status_code == 202
    right, path = mira.mailed("sign in to"), f"/sign-ins/{mira.one.flow['id']}/code"
    return (lambda body, **headers: mira.one.post(path, body, **headers)), {"code": right}, {"code": "123456"}


JUNK = {"id": "AAAA", "rawId": "AAAA", "type": "public-key"}
OTHER_PROOF = {"credential": {**JUNK, "response": {"clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA"}}}


@write("post", "/v1/apps/{app}/sign-ins/{id}/passkey")
def passkey(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    mira.add_passkey()
    mira.one.begin_sign_in()
    path = f"/sign-ins/{mira.one.flow['id']}/passkey"
    options = http.get(mira.one.url(path), headers=mira.one.headers).json()["public_key"]
    right = {"credential": mira.device.get(options)}
    return (lambda body, **headers: mira.one.post(path, body, **headers)), right, OTHER_PROOF


@write("post", "/v1/me/step-ups/{id}/passkey")
def step_up_by_passkey(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    mira.add_passkey()
    flow = mira.call("POST", "step-ups", {"action": "factor.add", "payload": {"kind": "totp"}}).json()["id"]
    options = mira.call("GET", f"step-ups/{flow}/passkey").json()["public_key"]
    return mine(mira, f"step-ups/{flow}/passkey", {"credential": mira.device.get(options)}, OTHER_PROOF)


def adds(product: Product, http: httpx.Client) -> Person:
    """A sign-in that must add a factor."""
    found = person(product, http).activate()
    found.app = "required"
    assert found.sign_in().json()["actions"] == ["factor"]
    return found


@write("post", "/v1/apps/{app}/sign-ins/{id}/factors")
def required_factor(product: Product, http: httpx.Client) -> Write:
    mira = adds(product, http)
    path = f"/sign-ins/{mira.flow['id']}/factors"
    return (lambda body, **headers: mira.post(path, body, **headers)), {"kind": "totp"}, {"kind": "totp", "name": "another"}


@write("post", "/v1/apps/{app}/sign-ins/{id}/factors/{factor}/confirm")
def required_factor_confirmed(product: Product, http: httpx.Client) -> Write:
    mira = adds(product, http)
    path = f"/sign-ins/{mira.flow['id']}/factors"
    pending = mira.post(path, {"kind": "email", "target": mira.email}).json()["id"]
    right = Member(mira).mailed("Confirm this")
    return (lambda body, **headers: mira.post(f"{path}/{pending}/confirm", body, **headers)), {"code": right}, {"code": "123456"}


def contact(value: str) -> Body:
    return {"kind": "email", "value": value, "client": "api"}


def moving(mira: Member, value: str) -> Body:
    """A change of address, which waits; whoever asked has the token of its flow from now on."""
    grant = mira.grant("contact.change", {"kind": "email", "target": value})
    return mira.one.take(mira.call("POST", "contact-changes", contact(value), grant))


@write("post", "/v1/me/contact-changes")
def moved(product: Product, http: httpx.Client) -> Write:
    mira, value = member(product, http), new_email()
    grant = mira.grant("contact.change", {"kind": "email", "target": value})
    return mine(mira, "contact-changes", contact(value), contact(new_email()), grant=grant)


@write("post", "/v1/me/identifiers")
def one_more(product: Product, http: httpx.Client) -> Write:
    mira, value = member(product, http), new_email()
    grant = mira.grant("contact.add", {"kind": "email", "target": value})
    return mine(mira, "identifiers", contact(value), contact(new_email()), grant=grant)


@write("patch", "/v1/me/identifiers/{id}")
def first_of_them(product: Product, http: httpx.Client) -> Write:
    mira, value = member(product, http), new_email()
    grant = mira.grant("contact.add", {"kind": "email", "target": value})
    flow = mira.one.take(mira.call("POST", "identifiers", contact(value), grant))["id"]
    for to, source in ((value, "new"), (mira.one.email, "old")):
        subject = "Confirm this address" if source == "new" else "Do you allow"
        right = CODE.findall(product.wait_mails(to, subject=subject)[-1]["text"])[0]
        body = {"code": right, "source": source}
        assert mira.call("POST", f"contact-changes/{flow}/code", body, **mira.one.headers).status_code == 200
    items = mira.call("GET", "identifiers").json()["items"]
    wanted = next(one["id"] for one in items if one["value"] == value)
    grant = mira.grant("contact.primary", {"identifier_id": wanted})
    first, other = {"primary": True}, {"primary": True, "language": "de"}
    return mine(mira, f"identifiers/{wanted}", first, other, method="PATCH", grant=grant)


@write("post", "/v1/me/contact-changes/{id}/code")
def contact_code(product: Product, http: httpx.Client) -> Write:
    mira, value = member(product, http), new_email()
    path = f"contact-changes/{moving(mira, value)['id']}/code"
    right = CODE.findall(product.wait_mails(value, subject="Confirm this address")[-1]["text"])[0]
    own = mira.one.headers
    return (lambda body, **headers: mira.call("POST", path, body, **own, **headers)), {"code": right}, {"code": "123456"}


@write("post", "/v1/me/contact-changes/{id}/resend")
def contact_again(product: Product, http: httpx.Client) -> Write:
    mira = member(product, http)
    path = f"contact-changes/{moving(mira, new_email())['id']}/resend"
    product.move_clock(21)
    own = mira.one.headers
    return (lambda body, **headers: mira.call("POST", path, body, **own, **headers)), {}, {"channel": "email"}


@write("post", "/v1/apps/{app}/sign-ins/{id}/social")
def to_a_provider(product: Product, http: httpx.Client) -> Write:
    mira = begun(product, http, "/sign-ins")
    path = f"/sign-ins/{mira.flow['id']}/social"
    return (lambda body, **headers: mira.post(path, body, **headers)), {"provider": "local"}, {"provider": "another"}


@write("post", "/v1/apps/{app}/sign-ins/{id}/registration")
def newcomer(product: Product, http: httpx.Client) -> Write:
    noor = named_elsewhere(product, http)
    path = f"/sign-ins/{noor.flow['id']}/registration"
    return (lambda body, **headers: noor.post(path, body, **headers)), {"profile": {"given_name": "Noor"}}, {"profile": {}}


def named_elsewhere(product: Product, http: httpx.Client) -> Person:
    """A sign-in in which a provider has named somebody new."""
    noor = person(product, http)
    noor.take(noor.post("/sign-ins", {"client": "api"}))
    out = noor.post(f"/sign-ins/{noor.flow['id']}/social", {"provider": "local"}).json()["redirect_to"]
    back = Elsewhere(product.stack.provider_url, sub=uuid4().hex, email=noor.email, email_verified="on").confirm(out)
    assert http.get(back.removeprefix(product.origin), headers=noor.headers).status_code == 200
    return noor


@write("post", "/v1/me/step-ups/{id}/social")
def step_up_elsewhere(product: Product, http: httpx.Client) -> Write:
    noor = named_elsewhere(product, http)
    noor.take(noor.post(f"/sign-ins/{noor.flow['id']}/registration", {}))
    flow = Member(noor).call("POST", "step-ups", {"action": "sessions.end"}).json()["id"]
    path = f"step-ups/{flow}/social"
    return (
        (lambda body, **headers: Member(noor).call("POST", path, body, **headers)),
        {"provider": "local"},
        {"provider": "another"},
    )


@write("post", "/v1/me/linked-identities")
def link(product: Product, http: httpx.Client) -> Write:
    mira = person(product, http).activate()
    mira.sign_in()
    member, body = Member(mira), {"provider": "local"}
    grant = member.grant("identity.link", body)
    return (
        (lambda body, **headers: member.call("POST", "linked-identities", body, grant, **headers)),
        body,
        {"provider": "another"},
    )


# Their first answer needs a policy that none of these applications has; the service behind is the same as its neighbours'.
ELSEWHERE = {
    ("post", "/v1/apps/{app}/registrations/{id}/password"),
    ("post", "/v1/apps/{app}/sign-ins/{id}/action"),
}


class TestEveryWrite:
    def test_the_table_is_whole(self) -> None:
        paths = json.loads(API.read_text())["paths"]
        every = {
            (method, path) for path, found in paths.items() for method in found if method in {"post", "put", "patch", "delete"}
        }
        assert every - NOT_OURS - ELSEWHERE == set(WRITES)

    @pytest.mark.parametrize("operation", sorted(WRITES), ids=" ".join)
    def test_another_body_under_the_same_key(self, product: Product, http: httpx.Client, operation: tuple[str, str]) -> None:
        send, body, other = WRITES[operation](product, http)
        key = {"Idempotency-Key": str(uuid4())}
        first = send(body, **key)
        assert first.status_code in {200, 201, 202, 204}, first.text
        again, reused = send(body, **key), send(other, **key)
        for answer in (first, again):
            if answer.content:
                product.secrets |= {answer.json()[name] for name in ("flow_token", "grant") if answer.json().get(name)}
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")
