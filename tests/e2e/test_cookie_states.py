"""Whatever state a browser's cookies are in, the next press works or its page comes again with what was typed; never a dead end."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from gateway.portal import pages as portal_pages
from playwright.sync_api import Error, Page, Route, expect
from testkit.stack import CODE, LINK, PASSWORD, Person, Product, eventually, new_email, person

from .factors import Member
from .tab import Shown, Tab
from .window import Visitor, heading

NEW = "a wholly new password for it"
ONCE_MORE = "Please press once more"
BEGUN_ELSEWHERE = "This can’t be opened here"
GONE = "There’s nothing here"
NOBODYS = "This way isn’t there any more"  # for somebody else


@pytest.fixture(scope="module")
def member(product: Product) -> Person:
    with product.client() as client:
        eventually(product.all_ready, seconds=60)
        found = person(product, client).activate()
        found.sign_in()
        product.secrets.add(NEW)
        yield found


@pytest.fixture(scope="module")
def guarded(product: Product, member: Person) -> Member:
    """Who has an app and an address as well; signed in by the API."""
    return guarded_person(product, member.http, app=True)


@pytest.fixture(scope="module")
def keyed(product: Product, member: Person) -> Member:
    """Who has a passkey; at an application without activation, so the session is there at once."""
    found = at_once(product, member.http)
    found.add_passkey()
    return found


@pytest.fixture(scope="module")
def late(product: Product, member: Person) -> Person:
    """Whose username was taken meanwhile, so another one is asked for at each sign-in (D32)."""
    name = f"okafor.{new_email()[7:13]}"
    early, found = person(product, member.http), person(product, member.http)
    for one in (early, found):
        one.register(identifiers={"email": one.email, "username": name})
        one.confirm()
    return found


@pytest.fixture
def tab(product: Product, http: httpx.Client) -> Tab:
    return Tab(product)


def signed_in(tab: Tab, member: Person, password: str = PASSWORD) -> Shown:
    page = tab.press(tab.open("/demo/sign-in"), identifier=member.email)
    page = tab.press(page, password=password)
    assert page.title.startswith("Hello"), (page.url, page.title)
    return page


# --- every page with a form ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """`open`: leads to the page. `typed`: what is filled in. `kept`: the field that must come again. `arrived`: where a press leads.

    `route`: of the gateway, that its press comes to. `flow`: it belongs to a flow, so without the cookie of that flow the page says how to
    go on. `button`: which press says what it does. `of`: the fixture whose pages these are.
    """

    route: str
    open: Callable[[Tab, Person], Shown]
    typed: dict[str, str]
    arrived: tuple[str, ...]
    action: str | None = None
    kept: str | None = None
    flow: bool = False
    personal: bool = False
    button: str | None = None
    of: Literal["member", "guarded", "keyed", "late"] = "member"

    def leads(self, page: Shown) -> bool:
        """Whether what is pressed on this page comes to its route."""
        path = page.form(self.action).action.split("?")[0]
        return re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.route)), path) is not None

    def filled(self, page: Shown) -> dict[str, str]:
        found = re.search(rf'<button[^>]* name="{self.button}" value="([^"]+)"', page.main) if self.button else None
        return self.typed | ({self.button: found[1]} if self.button and found else {})


def registered(tab: Tab, member: Person) -> Shown:
    return tab.press(tab.open("/demo/sign-up"), email=new_email(), given_name="Mira", password=PASSWORD)


def named(tab: Tab, member: Person, app: str = "") -> Shown:
    return tab.press(tab.open(f"/{app or member.app}/sign-in"), identifier=member.email)


def asked_reset(tab: Tab, member: Person) -> Shown:
    return tab.press(tab.open("/demo/reset"), identifier=new_email())


def asked_reminder(tab: Tab, member: Person) -> Shown:
    return tab.press(tab.open("/demo/help/username"), email=new_email())


def activation_link(tab: Tab, member: Person) -> Shown:
    """Opened where it was asked for."""
    email = new_email()
    tab.press(tab.open("/demo/sign-up"), email=email, given_name="Mira", password=PASSWORD)
    return tab.open(f"/demo/l/{LINK.findall(tab.product.wait_mails(email)[0]['text'])[0]}")


def link_elsewhere(tab: Tab, member: Person) -> Shown:
    """Opened where it wasn't asked for."""
    other = person(tab.product, member.http)
    other.register()
    return tab.open(f"/demo/l/{other.link()}")


def guarded_person(product: Product, http: httpx.Client, *, app: bool = False) -> Member:
    """Signed in, with an address as second step."""
    found = Member(person(product, http).activate())
    found.one.sign_in()
    if app:
        found.add_app()
    found.add_address(found.app() if app else None)
    return found


def at_once(product: Product, http: httpx.Client) -> Member:
    found = Member(Person(product, http, new_email(), app="open"))
    assert found.one.register().json()["status"] == "complete"
    return found


def named_with_password(tab: Tab, one: Person) -> Shown:
    return tab.press(named(tab, one), "/password", password=one.password)


second_step = named_with_password


def methods(tab: Tab, one: Person) -> Shown:
    return tab.open(second_step(tab, one).url.replace("/code", "/methods"))


def sign_in_link(tab: Tab, member: Person) -> Shown:
    """Opened where it was asked for; of somebody new, for one account has few messages an hour."""
    one = guarded_person(tab.product, member.http).one
    page = methods(tab, one)
    sent = re.search(r'name="send" value="([^"]+\.link)"', page.html)
    assert sent is not None
    assert tab.press(page, "/methods", send=sent[1]).title == "Open the link in your mail"
    return tab.open(f"/demo/l/{LINK.findall(tab.product.wait_mails(one.email, subject='link to sign in')[0]['text'])[0]}")


def inside(path: str) -> Callable[[Tab, Person], Shown]:
    """A page of who is signed in already."""

    def open_it(tab: Tab, one: Person) -> Shown:
        tab.open("/demo/sign-in")
        tab.set("latchkey_session", one.session_token)
        return tab.open(path)

    return open_it


def held(path: str) -> Callable[[Tab, Person], Shown]:
    """A page of the first of the ways."""

    def open_it(tab: Tab, one: Person) -> Shown:
        first = Member(one).call("GET", "factors").json()["items"][0]["id"]
        return inside(f"/{one.app}/account/security/ways/{first}/{path}")(tab, one)

    return open_it


def offered(tab: Tab, member: Person) -> Shown:
    """To somebody new: whoever has said "don't ask again" once isn't asked again."""
    return inside("/open/account/passkey-offer")(tab, at_once(tab.product, member.http).one)


def begun_way(tab: Tab, member: Person) -> Shown:
    one = at_once(tab.product, member.http)
    one.add("totp")
    return inside("/open/account/security")(tab, one.one)


def trusting(tab: Tab, member: Person) -> Shown:
    one = at_once(tab.product, member.http)
    one.add_app()
    one.trust_here()
    return inside("/open/account/security")(tab, one.one)


def moving(tab: Tab, member: Person) -> Shown:
    """A change that was asked for in another window: it can be ended in this one."""
    one, value = at_once(tab.product, member.http), new_email()
    grant = one.grant("contact.change", {"kind": "email", "target": value})
    flow = one.call("POST", "contact-changes", {"kind": "email", "value": value, "client": "api"}, grant).json()
    tab.product.secrets.add(flow["flow_token"])
    return inside(f"/open/account/personal/changes/{flow['id']}")(tab, one.one)


def further(page: str = "") -> Callable[[Tab, Person], Shown]:
    """A page about a second address, which is confirmed."""

    def open_it(tab: Tab, member: Person) -> Shown:
        one, value = Member(Person(tab.product, member.http, new_email(), app="lost").activate()), new_email()
        one.one.sign_in()
        grant = one.grant("contact.add", {"kind": "email", "target": value})
        flow = one.one.take(one.call("POST", "identifiers", {"kind": "email", "value": value, "client": "api"}, grant))
        for to, source, subject in ((value, "new", "Confirm this address"), (one.one.email, "old", "Do you allow")):
            code = CODE.findall(tab.product.wait_mails(to, subject=subject)[-1]["text"])[0]
            typed = {"code": code, "source": source}
            assert one.call("POST", f"contact-changes/{flow['id']}/code", typed, **one.one.headers).status_code == 200
        second = next(item["id"] for item in one.call("GET", "identifiers").json()["items"] if item["value"] == value)
        return inside(f"/lost/account/personal{page.format(second)}")(tab, one.one)

    return open_it


def two_sessions(tab: Tab, member: Person) -> Shown:
    one = at_once(tab.product, member.http).one
    one.sign_in()
    return inside("/open/account/security")(tab, one)


def must_add(kind: str = "") -> Callable[[Tab, Person], Shown]:
    """Where a second factor is required: signing in leads to adding one."""

    def open_it(tab: Tab, one: Person) -> Shown:
        page = tab.press(named(tab, one, "required"), "/password", password=PASSWORD)
        return tab.open(f"{page.url}/{kind}") if kind else page

    return open_it


def required_app(tab: Tab, one: Person) -> Shown:
    return tab.press(must_add()(tab, one), "/factors/add", kind="totp")


def link_to_renew(tab: Tab, member: Person) -> Shown:
    page = link_elsewhere(tab, member)
    tab.product.move_clock(21)  # the spacing of two mails
    return page


def stepping_up(tab: Tab, member: Person) -> Shown:
    return tab.press(portal("/demo/account/security/add")(tab, member), "/security/add", kind="totp")


def new_app(tab: Tab, member: Person) -> Shown:
    member.sign_in()  # the session from before may have been signed out in another tab
    return portal(f"/demo/account/security/ways/{Member(member).add('totp')['id']}")(tab, member)


def opened(path: str) -> Callable[[Tab, Person], Shown]:
    return lambda tab, _member: tab.open(path)


def portal(path: str) -> Callable[[Tab, Person], Shown]:
    def open_it(tab: Tab, member: Person) -> Shown:
        signed_in(tab, member)
        return tab.open(path)

    return open_it


def newcomer(tab: Tab, member: Person) -> Shown:
    """Whom the provider has named, and nobody here is yet."""
    page = tab.press(tab.open("/demo/sign-in"), "/sign-in/social")
    return tab.press(page, "/authorize", sub=uuid4().hex, email=new_email(), given_name="Noor")


def unlinking(tab: Tab, member: Person) -> Shown:
    one = at_once(tab.product, member.http)
    linked = one.link()["id"]
    return inside(f"/open/account/security/identities/{linked}/unlink")(tab, one.one)


SOMEBODY = "somebody@posteo.example"
PAGES = {
    "sign-in": Case("/{app}/sign-in", opened("/demo/sign-in"), {"identifier": SOMEBODY}, ("Enter your password",), kept="identifier"),
    "password": Case("/{app}/sign-in/{flow}/password", named, {"password": PASSWORD}, ("Hello", "Sign in"), action="/password", flow=True),
    "sign-up": Case("/{app}/sign-up", opened("/demo/sign-up"), {"email": SOMEBODY, "given_name": "Mira", "password": "short"},
        ("Create your account",), kept="email",
    ),
    "check your mail": Case("/{app}/check-messages", registered, {"code": "12345x"}, ("Check your mail",), flow=True),
    "reset": Case("/{app}/reset", opened("/demo/reset"), {"identifier": SOMEBODY}, ("Check your mail",), kept="identifier"),
    "reset, waiting": Case("/{app}/reset", asked_reset, {"code": "12345x"}, ("Check your mail",), action="flow=", flow=True),
    "username": Case("/{app}/help/username", opened("/demo/help/username"), {"email": SOMEBODY}, ("Check your mail",), kept="email"),
    "username, waiting": Case("/{app}/help/username", asked_reminder, {"resend": "1"}, ("Check your mail",), action="flow=", flow=True),
    "lost mailbox": Case("/{app}/help/lost-mailbox", opened("/lost/help/lost-mailbox"), {"identifier": SOMEBODY, "email": "now@posteo.example"}, ("Now we wait",), kept="email"
    ),
    "activation": Case("/{app}/l", activation_link,
        {},
        ("Your account is ready", "Which number does your other window show?", "Activate your account?"),  # signed out first
    ),
    "link elsewhere": Case("/{app}/l", link_elsewhere, {"match": "1"}, ("Which number does your other window show?",)),
    "change password": Case("/{app}/account/security/password", portal("/demo/account/security/password"), {"current_password": "not it at all, no", "password": NEW, "password_again": NEW},
        ("Change your password", "Sign in"), action="/security/password", personal=True,
    ),
    "notifications": Case(
        "/{app}/account/notifications", portal("/demo/account/notifications"), {}, ("What we write to you about", "Sign in"), action="/account/notifications", personal=True
    ),
    "second step": Case("/{app}/sign-in/{flow}/code", second_step, {"code": ""}, ("Enter the code",), action="/code", flow=True, of="guarded"),
    "methods": Case("/{app}/sign-in/{flow}/methods", methods, {}, ("Enter the code", "How shall we check it’s you?"), action="/methods", flow=True, button="send", of="guarded"
    ),
    "sign-in link": Case("/{app}/l", sign_in_link, {}, ("Hello", "Which number does your other window show?", "Sign in here?")  # signed out first, as somebody else
    ),
    "add a way": Case("/{app}/account/security/add", portal("/demo/account/security/add"), {"kind": "totp"}, ("Confirm it’s you", "Sign in"), action="/security/add", personal=True
    ),
    "add an address": Case("/{app}/account/security/add/{kind}", portal("/demo/account/security/add/email"), {"target": SOMEBODY}, ("Confirm it’s you", "Sign in"), action="/add/email",
        kept="target", personal=True,
    ),
    "fresh authentication": Case("/{app}/account/step-up/{flow}", stepping_up, {"password": ""}, ("Confirm it’s you", "Add a way", "Sign in"), action="/step-up/", personal=True
    ),
    "new app": Case("/{app}/account/security/ways/{factor}", new_app, {"code": ""}, ("Set up", "Sign in"), action="/ways/", personal=True),
    "name a way": Case("/{app}/account/security/ways/{factor}/name", held("name"), {"name": "Mine"}, ("Sign-in & security", NOBODYS, "Sign in"), action="/name", personal=True, of="guarded"),
    "remove a way": Case("/{app}/account/security/ways/{factor}/remove", held("remove"), {}, ("Confirm it’s you", NOBODYS, "Sign in"), action="/remove", personal=True, of="guarded"),
    "newly required": Case(
        "/{app}/sign-in/{flow}/action", named_with_password, {"username": "no"}, ("Choose a username",), action="/action", kept="username",
        flow=True, of="late",
    ),
    "passkey as second step": Case(
        "/{app}/sign-in/{flow}/passkey", second_step, {"credential": "{}"}, ("One more step",), action="/passkey", flow=True, of="keyed"
    ),
    "a required way": Case(
        "/{app}/sign-in/{flow}/factors/add", must_add(), {"kind": "totp"}, ("Set up your authenticator app",), action="/factors/add", flow=True
    ),
    "a required address": Case(
        "/{app}/sign-in/{flow}/factors/add/{kind}", must_add("email"), {"target": "nowhere"}, ("Add an e-mail address",),
        action="/add/email", kept="target", flow=True,
    ),
    "a required app": Case(
        "/{app}/sign-in/{flow}/factors/ways/{factor}", required_app, {"code": ""}, ("Set up your authenticator app",), action="/ways/", flow=True
    ),
    "link, renewed": Case("/{app}/l/renew", link_to_renew, {}, ("Check your mail",), action="/l/renew"),
    "its own address": Case(
        "/{app}/account/security/add/{kind}", portal("/demo/account/security/add/email"), {}, ("Confirm it’s you", "Sign in"),
        action="/add/email", personal=True, button="own",
    ),
    "passkey's name": Case(
        "/{app}/account/security/ways/{factor}/passkey", held("passkey"), {"name": "Mira’s laptop"}, ("Your passkey is ready", GONE, "Sign in"),
        action="/passkey", kept="name", personal=True, of="keyed",
    ),
    "passkey's offer": Case(
        "/{app}/account/passkey-offer", offered, {}, ("Hello", "Sign in"), action="/passkey-offer", personal=True
    ),
    "cancel a way": Case(
        "/{app}/account/security/ways/{factor}/cancel", begun_way, {}, ("Sign-in & security", "Sign in"), action="/cancel", personal=True
    ),
    "trust no more": Case(
        "/{app}/account/security/devices", trusting, {}, ("Sign-in & security", "Sign in"), action="/security/devices", personal=True
    ),
    "end a session": Case(
        "/{app}/account/security/sessions", two_sessions, {}, ("Confirm it’s you", "Sign-in & security", "Sign in"), action="/security/sessions",
        personal=True,
    ),
    "own name": Case(
        "/{app}/account/personal/{part}", inside("/open/account/personal/name"), {"given_name": "Mira"}, ("Personal information", "Sign in"),
        action="/personal/name", kept="given_name", personal=True, of="keyed",
    ),
    "own language": Case(
        "/{app}/account/personal/{part}", inside("/open/account/personal/language"), {"language": "en"}, ("Personal information", "Sign in"),
        action="/personal/language", personal=True, of="keyed",
    ),
    "another address": Case(
        "/{app}/account/personal/contacts/{kind}", inside("/open/account/personal/contacts/email"), {"value": SOMEBODY},
        ("Confirm it’s you", "Sign in"), action="/contacts/email", kept="value", personal=True, of="keyed",
    ),
    "a change that waits": Case(
        "/{app}/account/personal/changes/{change}", moving, {"cancel": "1"}, ("Personal information", "Sign in"), action="/changes/",
        personal=True,
    ),
    "the first address": Case(
        "/{app}/account/personal/identifiers/{one}/first", further(), {}, ("Confirm it’s you", "Personal information", "Sign in"),
        action="/first", personal=True,
    ),
    "an address less": Case(
        "/{app}/account/personal/identifiers/{one}/remove", further("/identifiers/{}/remove"), {},
        ("Confirm it’s you", "Personal information", "Sign in"), action="/remove", personal=True,
    ),
    "continue with a provider": Case("/{app}/sign-in/social", opened("/demo/sign-in"), {}, ("Who do you want to be?",), action="/sign-in/social"),
    "account of somebody new": Case(
        "/{app}/sign-in/{flow}/account", newcomer, {"given_name": "Noor"}, ("Hello",), action="/account", kept="given_name", flow=True
    ),
    "link an account elsewhere": Case(
        "/{app}/account/security/identities", inside("/open/account/security"), {}, ("Confirm it’s you", "Sign-in & security", "Sign in"),
        action="/security/identities", personal=True, of="keyed",
    ),
    "unlink it": Case(
        "/{app}/account/security/identities/{identity}/unlink", unlinking, {}, ("Confirm it’s you", "Sign-in & security", "Sign in"),
        action="/unlink", personal=True,
    ),
    "sign out": Case("/{app}/sign-out", portal("/demo/account"), {}, ("Sign in",), action="/sign-out", personal=True),
}  # fmt: skip


# --- every state of cookies -----------------------------------------------------------------------------------------------------


def as_they_are(tab: Tab, other: Person) -> None:
    pass


def dead_session(tab: Tab, other: Person) -> None:
    tab.set("latchkey_session", "d" * 43)


def another_s_session(tab: Tab, other: Person) -> None:
    """Somebody else has signed in in another tab."""
    tab.set("latchkey_session", other.session_token)


def signed_out_elsewhere(tab: Tab, other: Person) -> None:
    tab.drop("latchkey_session")


def foreign_flow(tab: Tab, other: Person) -> None:
    tab.set("latchkey_flow", "f" * 43)


def malformed(tab: Tab, other: Person) -> None:
    for name in list(tab.cookies):
        tab.set(name, "%00,x")
    tab.set("latchkey_session", "short")


def absent(tab: Tab, other: Person) -> None:
    tab.drop()


def older_key(tab: Tab, other: Person) -> None:
    """What was sealed with a key that has gone; the page's own token is of that key, too (see `spoilt`)."""
    for name, value in tab.cookies.items():
        if name.startswith(("latchkey_again", "latchkey_link")):
            tab.set(name, value[:-4] + ("AAAA" if not value.endswith("AAAA") else "BBBB"))


STATES = (as_they_are, dead_session, another_s_session, signed_out_elsewhere, foreign_flow, malformed, absent, older_key)
WITHOUT_THE_FLOW = {foreign_flow, malformed, absent}


def spoilt(page: Shown, state: object) -> Shown:
    if state is not older_key:
        return page
    html = re.sub(r'name="csrf" value="\w+"', f'name="csrf" value="{"0" * 128}"', page.html)
    return Shown(page.status, page.url, html)


def test_every_form_is_in_the_table() -> None:
    """What a page's press may come to stands above, with what becomes of it in every state."""
    pressed = {one.path for pages in portal_pages.PAGES for one in pages.routes.routes if "POST" in getattr(one, "methods", ())}
    assert pressed == {case.route for case in PAGES.values()}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
def test_every_page_in_every_state(
    tab: Tab, member: Person, guarded: Member, keyed: Member, late: Person, http: httpx.Client, name: str, state
) -> None:
    """SES-8, E4, WEB-5: what was pressed happens, or nothing happens and the page comes again, and then it works."""
    case = PAGES[name]
    page = case.open(tab, {"member": member, "guarded": guarded.one, "keyed": keyed.one, "late": late}[case.of])
    assert case.leads(page), (page.url, page.title)
    state(tab, member)
    page = spoilt(page, state)
    for _ in range(3):
        page = tab.press(page, case.action, **case.filled(page))
        assert page.status not in {403, 500, 503} or "wasn" not in page.title, (page.status, page.title)
        assert page.title != "We couldn’t be sure it was you", "a dead end"
        assert page.status < 500
        if ONCE_MORE not in page.html:
            break
        if case.kept is not None:
            asked = next(form for form in page.forms if case.kept in form.fields)
            assert asked.fields[case.kept] == case.typed[case.kept], "what was typed comes again"
        assert PASSWORD not in page.html
        assert NEW not in page.html
    if case.flow and state in WITHOUT_THE_FLOW:
        assert page.title in {BEGUN_ELSEWHERE, "Sign in"}, "the flow is another browser's now"
        assert page.ways, "and there is a way on"
        return
    if page.title == "Open the link in your mail again":
        assert state is older_key
        return
    assert page.title.startswith(case.arrived), (page.url, page.title)
    again = tab.open(page.url)
    assert (again.status, again.title) == (page.status, page.title), "reload shows the same"
    if not case.personal and state is dead_session:
        assert "latchkey_session" not in tab.cookies or tab.cookies["latchkey_session"] != "d" * 43, "a dead one goes"


class TestRefusedAllTheSame:
    """SES-8: who isn't surely one of our own pages does nothing, and is told so."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "none", "Origin": "null"},
            {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        ],
    )
    def test_from_elsewhere(self, tab: Tab, member: Person, headers: dict[str, str]) -> None:
        """Also with a token that is right: login CSRF."""
        page = named(tab, member)
        form = page.form("/password")
        answer = tab.client.post(form.action, data={**form.fields, "password": PASSWORD}, headers=headers)
        assert answer.status_code == 403
        assert "latchkey_session" not in tab.cookies

    def test_a_forged_token_does_nothing(self, tab: Tab, member: Person) -> None:
        page = named(tab, member)
        page = tab.press(page, "/password", password=PASSWORD, csrf="0" * 128)
        assert ONCE_MORE in page.html
        assert "latchkey_session" not in tab.cookies

    def test_another_browser_s_form(self, product: Product, tab: Tab, member: Person) -> None:
        """Login CSRF: an attacker's own page, sent by the victim's browser."""
        theirs = named(Tab(product), member)
        tab.open("/demo/sign-in")
        page = tab.press(theirs, "/password", password=PASSWORD)
        assert "latchkey_session" not in tab.cookies
        assert page.title == "Sign in"


class TestAnotherTab:
    def test_signed_in_as_somebody_else(self, product: Product, http: httpx.Client, tab: Tab, member: Person) -> None:
        """SES-8: the page of the one changes nothing of the other's, not even by signing out."""
        mira, kim = (person(product, http).activate() for _ in range(2))
        signed_in(tab, mira)
        password, home = tab.open("/demo/account/security/password"), tab.open("/demo/account")
        tab.drop("latchkey_session")
        signed_in(tab.another(), kim)
        typed = {"current_password": PASSWORD, "password": NEW, "password_again": NEW}
        page = tab.press(password, "/security/password", **typed)
        assert (page.title, ONCE_MORE in page.html) == ("Change your password", True)
        page = tab.press(home, "/sign-out")
        assert ONCE_MORE in page.html
        assert tab.open("/demo/account").title.startswith("Hello")
        assert kim.sign_in().status_code == 200
        assert mira.sign_in().status_code == 200, "both passwords are as they were"

    def test_a_link_s_page(self, product: Product, http: httpx.Client, tab: Tab, member: Person) -> None:
        """LNK-4: somebody has signed in since it was opened; she chooses first."""
        page = activation_link(tab, member)
        assert page.title == "Activate your account?"
        signed_in(tab.another(), member)
        page = tab.press(page)
        assert page.title.startswith("You’re signed in as ")

    def test_two_links_in_two_tabs(self, product: Product, http: httpx.Client, tab: Tab) -> None:
        """LNK-1, LNK-8: each press is for the link whose page was seen, and each tab shows its own again."""
        kim = person(product, http).activate()
        kim.sign_in()
        body = {"current_password": PASSWORD, "password": NEW, "end_other_sessions": False}
        assert http.put("/v1/me/password", json=body, headers=kim.bearer).status_code == 204
        freeze = LINK.findall(product.wait_mails(kim.email, subject="was changed")[0]["text"])[0]
        first = activation_link(tab, kim)
        second = tab.another().open(f"/demo/l/{freeze}")
        assert [first.title, second.title] == ["Activate your account?", "Lock your account?"]
        assert freeze not in second.html + second.url
        assert [tab.open(one.url).title for one in (first, second)] == [first.title, second.title]
        assert tab.press(first).title == "Your account is ready"
        assert kim.sign_in(NEW).status_code == 200, "nobody was locked"
        assert tab.another().press(second).title == "Your account is locked"
        assert kim.sign_in(NEW).status_code == 403

    def test_a_form_whose_link_nobody_can_read(self, tab: Tab, member: Person) -> None:
        """The page comes again with its own link, and nothing is done."""
        page = activation_link(tab, member)
        again = tab.press(page, link="x" * 80)
        assert again.title == "Open the link in your mail again"
        assert tab.press(page).title == "Your account is ready"


class TestLinkIsGone:
    @pytest.mark.parametrize("path", ["/demo/l", "/demo/l?link=0123456789ab"])
    def test_opened_plainly_or_in_another_browser(self, tab: Tab, path: str) -> None:
        """E4, LNK-8: says what happened and leads on; the link isn't "incomplete"."""
        page = tab.open(path)
        assert (page.status, page.title) == (410, "Open the link in your mail again")
        assert page.ways == ["/demo/sign-in", "/demo/help"]

    def test_after_ten_minutes_the_button_still_works(self, product: Product, tab: Tab, member: Person) -> None:
        """The page that stayed open carries its link itself."""
        page = activation_link(tab, member)
        tab.drop(*(name for name in tab.cookies if name.startswith("latchkey_link")))
        assert tab.open(page.url).title == "Open the link in your mail again"
        assert tab.press(page).title == "Your account is ready"


# --- the journey goes on after every way a session can end --------------------------------------------------------------------


def idle(product: Product, tab: Tab, one: Person) -> str:
    product.move_clock(31 * 60)
    return PASSWORD


def revoked(product: Product, tab: Tab, one: Person) -> str:
    """By a change of the password elsewhere."""
    one.sign_in()
    body = {"current_password": PASSWORD, "password": NEW, "end_other_sessions": True}
    assert one.http.put("/v1/me/password", json=body, headers=one.bearer).status_code == 204
    return NEW


def own_reset(product: Product, tab: Tab, one: Person) -> str:
    page = tab.press(tab.open("/demo/reset"), identifier=one.email)
    token = LINK.findall(product.wait_mails(one.email, subject="Set a new")[0]["text"])[0]
    page = tab.press(tab.open(f"/demo/l/{token}"))
    assert page.title == "Choose a new password", page.url
    assert tab.press(page, password=NEW, password_again=NEW).title == "Your new password is set"
    return NEW


def freeze(product: Product, tab: Tab, one: Person) -> str:
    """ "This wasn't me", pressed in this very browser; then a new password, here, too."""
    revoked(product, tab, one)
    link = LINK.findall(product.wait_mails(one.email, subject="was changed")[0]["text"])[0]
    assert tab.press(tab.open(f"/demo/l/{link}")).title == "Your account is locked"
    return own_reset(product, tab, one)


def signed_out(product: Product, tab: Tab, one: Person) -> str:
    """In another tab."""
    other = tab.another()
    assert other.press(other.open("/demo/account"), "/sign-out").title == "Sign in"
    return PASSWORD


@pytest.mark.parametrize("end", [idle, revoked, own_reset, freeze, signed_out], ids=lambda one: one.__name__)
@pytest.mark.parametrize("goes_on", ["sign in", "reset", "activate", "change password", "sign out"])
def test_goes_on_after_a_session_has_ended(product: Product, http: httpx.Client, tab: Tab, end, goes_on: str) -> None:
    """SES-4, SES-8: in the browser that was signed in, with a page that stood open, too."""
    one = person(product, http).activate()
    signed_in(tab, one)
    before = {"change password": "/demo/account/security/password", "sign out": "/demo/account"}
    stood_open = tab.open(before.get(goes_on, "/demo/account"))
    password = end(product, tab, one)
    alone = {"Latchkey-Client": "web"}
    eventually(lambda: tab.client.get("/v1/session", headers=alone).status_code == 401)  # every gateway has heard of it (SES-4)
    if goes_on == "change password":
        page = tab.press(
            stood_open, "/security/password", current_password=password, password=NEW + "!", password_again=NEW + "!"
        )
        assert page.title == "Sign in"
        assert "latchkey_session" not in tab.cookies
        page = tab.press(page, identifier=one.email)
        assert tab.press(page, password=password).title == "Change your password", "back where she was"
    elif goes_on == "sign out":
        assert tab.press(stood_open, "/sign-out").title == "Sign in"
    elif goes_on == "reset":
        assert tab.press(tab.open("/demo/reset"), identifier=new_email()).title == "Check your mail"
    elif goes_on == "activate":
        assert tab.press(activation_link(tab, one)).title == "Your account is ready"
    else:
        signed_in(tab, one, password)


# --- in Chromium --------------------------------------------------------------------------------------------------------------


def steady(page: Page, title: str) -> None:
    """Reload, back and forward show pages, never a browser's own error."""
    expect(heading(page)).to_have_text(title)
    try:
        page.reload()
    except Error as error:  # a waiting page that goes on by itself at that very moment
        if "ERR_ABORTED" not in error.message:
            raise
    expect(heading(page)).to_have_text(title)
    page.go_back()
    expect(heading(page)).not_to_be_empty()
    assert page.url.startswith("http")
    page.go_forward()
    expect(heading(page)).to_have_text(title)


# In one go, as Playwright looks at nothing while a page is on its way. Answers what the button said of itself.
PRESSED_AND_STOPPED = """async (button) => {
    const seen = [], later = (time) => new Promise((done) => setTimeout(done, time));
    new MutationObserver(() => seen.push(button.getAttribute("aria-disabled"))).observe(button, { attributes: true });
    button.click();
    await later(100);
    window.stop();
    await later(3200);
    return seen;
}"""


@pytest.mark.browser
class TestBackReloadAndStop:
    """WEB-5: every press is answered with a redirect."""

    def test_sign_in(self, product: Product, http: httpx.Client, window: Visitor) -> None:
        mira, page = person(product, http).activate(), window.page
        window.open("/demo/sign-in")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator("#identifier-error")).to_be_visible()
        steady(page, "Sign in")
        expect(page.locator("#identifier-error")).to_be_visible()
        page.get_by_label("E-mail or username").fill(mira.email)
        page.get_by_role("button", name="Continue", exact=True).click()
        steady(page, "Enter your password")
        page.get_by_label("Password", exact=True).fill("not the password at all")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("That didn’t match")).to_be_visible()
        steady(page, "Enter your password")
        page.get_by_role("button", name="I forgot my password").click()
        steady(page, "Set a new password")
        expect(page.get_by_label("E-mail or username")).to_have_value(mira.email)
        page.go_back()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        steady(page, "Hello")
        page.goto(f"{product.origin}/demo/account/security/password")
        page.get_by_role("button", name="Save new password").click()
        steady(page, "Change your password")
        page.get_by_role("button", name="Sign out").click()
        steady(page, "Sign in")

    def test_sign_up_and_activate(self, product: Product, open_window) -> None:
        window, email = open_window(), new_email()
        page = window.page
        window.sign_up(email, "short")
        steady(page, "Create your account")
        expect(page.get_by_label("E-mail")).to_have_value(email)
        window.sign_up(email)
        steady(page, "Check your mail")
        page.get_by_label("Or type the code").fill("12345x")
        page.get_by_role("button", name="Continue", exact=True).click()
        expect(page.locator("#code-error")).to_be_visible()
        steady(page, "Check your mail")
        other = open_window().page
        other.goto(f"{product.origin}/demo/l/{LINK.findall(product.wait_mails(email)[0]['text'])[0]}")
        other.get_by_role("button", name="Confirm").click()
        expect(other.locator("#match-error")).to_be_visible()
        steady(other, "Which number does your other window show?")
        other.get_by_label("Two digits").fill(page.locator(".number strong").inner_text())
        other.get_by_role("button", name="Confirm").click()
        steady(other, "Done. Your other window goes on by itself.")

    def test_help(self, product: Product, window: Visitor) -> None:
        page = window.page
        for path, field, button in (
            ("/demo/reset", "E-mail or username", "Continue"),
            ("/demo/help/username", "E-mail", "Send my username"),
        ):
            window.open(path)
            page.get_by_label(field).fill(new_email())
            page.get_by_role("button", name=button).click()
            steady(page, "Check your mail")
        window.open("/lost/help/lost-mailbox")
        page.get_by_label("E-mail or username").fill(new_email())
        page.get_by_label("An address you can read now").fill(new_email())
        page.get_by_role("button", name="Start").click()
        steady(page, "Now we wait")

    def test_stop_leaves_the_button_alive(self, window: Visitor) -> None:
        """A slow submit that was stopped can be pressed again, without a reload."""
        page = window.open("/demo/sign-in")

        def hold(_route: Route) -> None:
            """Never answered."""

        page.route("**/demo/sign-in", hold)
        page.get_by_label("E-mail or username").fill(new_email())
        button = page.get_by_role("button", name="Continue", exact=True)
        assert button.evaluate(PRESSED_AND_STOPPED) == ["true", None]
        page.unroute("**/demo/sign-in")
        button.click()
        expect(heading(page)).to_have_text("Enter your password")


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_back_to_a_registered_address_of_another_origin(
    product: Product, http: httpx.Client, open_window, shop: str, script: bool
) -> None:
    """WEB-10, WEB-12: Chromium holds the redirect after the password against form-action."""
    mira, window = person(product, http).activate(), open_window(script=script)
    window.expected.add(shop.removesuffix("/welcome"))
    page = window.open(f"/demo/sign-in?return_to={quote(shop, safe='')}")
    page.get_by_label("E-mail or username").fill(mira.email)
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password", exact=True).fill("not the password at all")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(shop)
    expect(heading(page)).to_have_text("Welcome to the shop")
