"""STP-5: steps can't be skipped or changed in order: each POST of each flow, from each state that a flow of its kind can be in.

Which operations there are is read from the gateway's own list, so that a new one is walked, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from gateway.api.operations import OPERATIONS
from testkit.stack import PASSWORD, Person, Product, eventually, new_email, person

from .factors import Member
from .test_password_reset import NEW, forgetful

# What a state allows: by the last part of the path. Everything else is refused there, or changes nothing and gives nothing.
LEGAL: dict[tuple[str, str], set[str]] = {
    ("registrations", "check_your_messages"): {"resend", "code"},
    ("registrations", "activated"): set(),
    ("sign-ins", "password"): {"password", "social"},
    ("sign-ins", "needs_factor"): {"challenges", "code"},
    ("sign-ins", "needs_action"): {"action"},
    ("sign-ins", "complete"): set(),
    ("sign-ins", "ended"): set(),
    ("password-resets", "check_your_messages"): {"resend", "code"},
    ("password-resets", "new_password"): {"password"},
    ("password-resets", "complete"): set(),
    ("username-reminders", "check_your_messages"): {"resend"},
    ("step-ups", "password"): {"password"},
    ("step-ups", "needs_factor"): {"challenges", "code"},
    ("step-ups", "complete"): set(),
    ("step-ups", "ended"): set(),
    ("contact-changes", "check_your_messages"): {"resend", "code"},
    ("contact-changes", "ended"): set(),
    ("factors", "pending"): {"confirm"},
    ("factors", "active"): set(),
}
# As a step that is due would be taken.
BODIES: dict[str, Any] = {
    "password": {"password": PASSWORD},
    "code": {"code": "123456"},
    "confirm": {"code": "123456"},
    "challenges": {"form": "code"},
    "resend": {},
    "social": {"provider": "local"},
    "action": {"username": f"mira{uuid4().hex[:8]}"},
}
REFUSED = {"step_missing", "flow_ended", "not_found", "code_burned"}


def operations() -> dict[str, list[str]]:
    """Last parts of the paths of the POSTs that a flow of a kind has."""
    found: dict[str, list[str]] = {}
    for one in OPERATIONS:
        head, flow, last = one.path.partition("/{id}/")
        if one.method == "POST" and flow:
            found.setdefault(head.rsplit("/", 1)[1], []).append(last)
    return found


@dataclass
class Flow:
    """Of a kind, in a state, as whoever began it reaches it. `begun`: what it was answered with."""

    kind: str
    status: str
    path: str
    http: httpx.Client
    headers: dict[str, str]
    begun: dict[str, Any] = field(default_factory=dict)

    def read(self) -> str:
        answer = self.http.get(self.path, headers=self.headers)
        return str(answer.json().get("status", answer.json().get("code")))

    def post(self, last: str, *, kind: str | None = None) -> httpx.Response:
        """`kind`: as if it were a flow of that one."""
        path = self.path if kind is None else self.path.replace(f"/{self.kind}/", f"/{kind}/")
        body = None if last == "resend" and "/factors/" in path else BODIES.get(last, {})
        return self.http.post(f"{path}/{last}", json=body, headers=self.headers)


class Walk:
    """Brings flows into their states, each by the steps that lead there."""

    def __init__(self, product: Product, http: httpx.Client) -> None:
        self.product, self.http = product, http
        product.secrets.update({NEW})

    def person(self, **identifiers: str) -> Person:
        one = person(self.product, self.http)
        if not identifiers:
            return one.activate()
        one.register(identifiers={"email": one.email, **identifiers})
        one.confirm()
        return one

    def public(self, one: Person, kind: str, status: str) -> Flow:
        path = one.url(f"/{kind}/{one.flow['id']}")
        return Flow(kind, status, path, self.http, dict(one.headers), dict(one.flow))

    def mine(self, one: Person, kind: str, status: str, begun: dict[str, Any]) -> Flow:
        return Flow(kind, status, f"/v1/me/{kind}/{begun['id']}", self.http, dict(one.bearer), begun)

    def registrations(self) -> Iterator[Flow]:
        one = person(self.product, self.http)
        one.register()
        yield self.public(one, "registrations", "check_your_messages")
        yield self.public(self.person(), "registrations", "activated")

    def sign_ins(self, guarded: Member, name: str) -> Iterator[Flow]:
        plain = self.person()
        plain.begin_sign_in()
        yield self.public(plain, "sign-ins", "password")
        plain.begin_sign_in()
        for _ in range(3):
            plain.post(f"/sign-ins/{plain.flow['id']}/password", {"password": "not the password at all"})
        yield self.public(plain, "sign-ins", "ended")
        plain.sign_in()
        yield self.public(plain, "sign-ins", "complete")
        guarded.one.sign_in()
        yield self.public(guarded.one, "sign-ins", "needs_factor")
        guarded.one.sign_in()
        for _ in range(5):
            guarded.enter("000000")
        yield self.public(guarded.one, "sign-ins", "ended")
        late = self.person(username=name)  # taken, so another one is asked for
        late.sign_in()
        yield self.public(late, "sign-ins", "needs_action")

    def resets(self) -> Iterator[Flow]:
        for status in ("check_your_messages", "new_password", "complete"):
            one = forgetful(self.person())
            one.ask()
            if status != "check_your_messages":
                assert one.confirm().status_code == 200
            if status == "complete":
                assert one.choose().status_code == 200
            yield self.public(one, "password-resets", status)

    def reminders(self) -> Iterator[Flow]:
        one = person(self.product, self.http)
        one.take(one.post("/username-reminders", {"email": new_email(), "client": "api"}))
        yield self.public(one, "username-reminders", "check_your_messages")

    def signed_in(self, plain: Member, guarded: Member) -> Iterator[Flow]:
        asked = {"action": "factor.add", "payload": {"kind": "totp"}}

        def begin(member: Member) -> dict[str, Any]:
            return dict(member.call("POST", "step-ups", asked).json())

        yield self.mine(plain.one, "step-ups", "password", begin(plain))
        done = begin(plain)
        plain.call("POST", f"step-ups/{done['id']}/password", {"password": PASSWORD})
        yield self.mine(plain.one, "step-ups", "complete", done)
        over = begin(plain)
        for _ in range(3):
            plain.call("POST", f"step-ups/{over['id']}/password", {"password": "not the password at all"})
        yield self.mine(plain.one, "step-ups", "ended", over)
        yield self.mine(plain.one, "factors", "pending", plain.add("totp"))
        yield from self.changes(Member(self.person()))
        yield self.mine(guarded.one, "step-ups", "needs_factor", begin(guarded))
        yield self.mine(guarded.one, "factors", "active", guarded.call("GET", "factors").json()["items"][0])

    def changes(self, member: Member) -> Iterator[Flow]:
        """Of the address: one that was cancelled, and one that waits."""
        member.one.sign_in()
        for status in ("ended", "check_your_messages"):
            value = new_email()
            grant = member.grant("contact.change", {"kind": "email", "target": value})
            begun = member.call("POST", "contact-changes", {"kind": "email", "value": value}, grant).json()
            if status == "ended":
                member.call("DELETE", f"contact-changes/{begun['id']}")
            yield self.mine(member.one, "contact-changes", status, begun)

    def all(self) -> Iterator[Flow]:
        name = f"mira{uuid4().hex[:8]}"
        self.person(username=name)
        plain, guarded = Member(self.person()), Member(self.person())
        for member in (plain, guarded):
            member.one.sign_in()
        guarded.add_app()
        guarded.one.sign_in()
        guarded.enter(guarded.app())
        self.product.move_clock(31)
        yield from self.signed_in(plain, guarded)
        yield from self.registrations()
        yield from self.sign_ins(guarded, name)
        yield from self.resets()
        yield from self.reminders()


@pytest.fixture(scope="module")
def flows(product: Product) -> Iterator[list[Flow]]:
    eventually(product.all_ready, seconds=60)
    with product.client() as client:
        found = list(Walk(product, client).all())
        for one in found:
            for secret in ("grant", "flow_token"):
                product.secrets.update({one.begun[secret]} if one.begun.get(secret) else set())
        yield found


def test_every_state_is_reached(flows: list[Flow]) -> None:
    """And every kind of flow that has steps is among them."""
    assert {(one.kind, one.status) for one in flows} == set(LEGAL)
    assert [(one.kind, one.read()) for one in flows] == [(one.kind, one.status) for one in flows]
    assert set(operations()) == {kind for kind, _ in LEGAL}


def test_what_a_state_does_not_allow_changes_nothing(flows: list[Flow]) -> None:
    wrong = []
    for one in flows:
        for last in operations()[one.kind]:
            if last in LEGAL[one.kind, one.status]:
                continue
            answer = one.post(last)
            said, gave = answer.json(), set(answer.json()) & {"session"} if answer.status_code < 300 else set()
            known = last in BODIES
            is_refused = 400 <= answer.status_code < 500 and (said["code"] in REFUSED or not known)
            stands = answer.status_code == 200 and said["status"] == one.status and not gave  # the very same once more
            if not (is_refused or stands) or one.read() != one.status:
                wrong.append((one.kind, one.status, last, answer.status_code, said.get("code", said.get("status")), one.read()))
    assert not wrong


def test_no_step_of_another_kind_of_flow(flows: list[Flow]) -> None:
    """OTP-4, LNK-7: an id says nothing to anybody but its own kind."""
    wrong = []
    for one in flows:
        for kind, lasts in operations().items():
            alike = one.path.startswith("/v1/me/") == (kind in {"step-ups", "factors"})
            for last in lasts if alike and kind != one.kind else ():
                answer = one.post(last, kind=kind)
                if answer.status_code not in {404, 422} or one.read() != one.status:
                    wrong.append((one.kind, one.status, kind, last, answer.status_code))
    assert not wrong


def test_nothing_goes_on_days_later(product: Product, flows: list[Flow]) -> None:
    """Whatever a flow waited for: only a registration can still be asked for a fresh message."""
    product.move_clock(2 * 86400)
    wrong = []
    for one in flows:
        for last in operations()[one.kind]:
            answer = one.post(last)
            if answer.status_code < 400 and (one.kind, last) != ("registrations", "resend"):
                wrong.append((one.kind, one.status, last, answer.status_code, answer.json()))
            assert answer.status_code < 500, (one, last)
    assert not wrong
