"""The provider's pages: who do you want to be? For whoever tries the product out; in English alone."""

from collections.abc import Mapping
from html import escape

from .grants import Asked

# Invented people; the second one's address is not verified there.
PEOPLE = (
    {"sub": "1001", "given_name": "Noor", "family_name": "Haddad", "email": "noor@posteo.example", "email_verified": "on"},
    {"sub": "1002", "given_name": "Jonas", "family_name": "Brandt", "email": "jonas@posteo.example", "email_verified": ""},
    {"sub": "1003", "given_name": "Sam", "family_name": "", "email": "", "email_verified": ""},
)
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 30rem; margin: 2rem auto; padding: 0 1rem; }
button { font: inherit; padding: .6rem 1rem; width: 100%; text-align: start; margin-block: .25rem; cursor: pointer; }
label { display: block; margin-block: .6rem; } input:not([type=checkbox]) { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }
"""
_PASSED_ON = (
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )


def _hidden(values: Mapping[str, str]) -> str:
    return "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in values.items())


def choose(_asked: Asked, given: Mapping[str, str]) -> str:
    passed = _hidden({name: given[name] for name in _PASSED_ON if name in given})
    again = "<p>The site asks you to confirm anew who you are.</p>" if given.get("prompt") == "login" else ""
    people = "".join(
        f'<form method="post" action="/authorize">{passed}{_hidden(one)}<button>{escape(_name(one))}</button></form>'
        for one in PEOPLE
    )
    own = (
        f'<form method="post" action="/authorize">{passed}<label>Address <input name="email" autocomplete="off"></label>'
        '<label><input type="checkbox" name="email_verified" checked> the address is verified here</label>'
        '<label>First name <input name="given_name" autocomplete="off"></label><label>Last name <input name="family_name" autocomplete="off"></label>'
        '<label>Number of the account (sub); empty: the address <input name="sub" autocomplete="off"></label><button>Go on as this person</button></form>'
    )
    deny = f'<form method="post" action="/authorize">{passed}<button name="deny" value="1">Deny</button></form>'
    return _page(
        "Who do you want to be?",
        f"<p>A provider of this machine, for trying out. Nobody here is real.</p>{again}{people}<h2>Somebody else</h2>{own}<h2>Nobody</h2>{deny}",
    )


def _name(one: Mapping[str, str]) -> str:
    address = one["email"] or "no address"
    return (
        f"{one['given_name']} {one['family_name']}".strip()
        + f", {address}"
        + (" (not verified)" if one["email"] and not one["email_verified"] else "")
    )


def post(url: str, answer: Mapping[str, str]) -> str:
    """OAuth 2.0 Form Post Response Mode."""
    return _page(
        "One moment",
        f'<form method="post" action="{escape(url)}">{_hidden(answer)}<button>Go on</button></form>'
        "<script>document.forms[0].submit()</script>",
    )


def refused() -> str:
    return _page(
        "This request isn't one that was agreed",
        "<p>Client, address, scope or code challenge are not what this provider knows.</p>",
    )


def home(issuer: str) -> str:
    return _page(
        "Local provider",
        f"<p>{escape(issuer)} is an OpenID provider for trying Latchkey out. Sign in at the portal to meet it.</p>",
    )
