"""What a link's page says and does, by what the link is for: one row for each purpose."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.http.links import LinkInfo, LinkPurpose

from .words import N_


@dataclass(frozen=True)
class LinkPage:
    """`press`: the page with the one button. `digits`: what the asking window's number does, for a link that a window waits for.

    `personal`: who is signed in as somebody else must choose first (LNK-4). `renewed`: a fresh one can be sent (R19); `by_reset`:
    only where one may reset by oneself (D14). `by_password`: the password of the registration does instead of the number (REG-3).
    `signs_up`: whoever needs another one signs up again, `signs_in`: signs in again; of others a new password is the way on. `locks`: one
    that is too old is made up for by a new password, which ends every session, too. `inside`: of what is asked for in the account;
    `undoes`: it takes a change of the account back.
    """

    press: str
    digits: str = N_("Type its two digits to go on there.")
    personal: bool = True
    renewed: bool = False
    by_reset: bool = False
    by_password: bool = False
    signs_up: bool = False
    signs_in: bool = False
    locks: bool = False
    inside: bool = False
    undoes: bool = False


PURPOSES: dict[LinkPurpose, LinkPage] = {
    "activation": LinkPage(
        "activate.html", N_("Type its two digits to activate your account."), renewed=True, by_password=True, signs_up=True
    ),
    "password_reset": LinkPage(
        "reset_press.html", N_("Type its two digits to set a new password there."), renewed=True, by_reset=True
    ),
    "sign_in": LinkPage("sign_in_press.html", N_("Type its two digits to sign in there."), signs_in=True),
    "freeze": LinkPage("freeze.html", personal=False, locks=True),
    "contact_change": LinkPage("contact_press.html", N_("Type its two digits to confirm it there."), inside=True),
    "contact_revert": LinkPage("contact_undo.html", personal=False, locks=True, undoes=True),
    "recovery_cancel": LinkPage("stop_recovery.html", personal=False),
}
# On which page a flow that a link is part of goes on, by its kind.
WAITS = {
    "registration": "check-messages?flow={}",
    "password_reset": "reset?flow={}",
    "sign_in": "sign-in/{}/code",
    "contact_change": "account/personal/changes/{}",
}
# A link of nobody knows what for, or of a newer service.
_OTHER = LinkPage("link_incomplete.html")
_STATES = {
    "other_browser": "link_elsewhere.html",
    "expired": "link_expired.html",
    "used": "link_used.html",
    "superseded": "link_superseded.html",
    "ended": "link_ended.html",
}
# What was done by the press, where no flow goes on with it.
DONE = {
    "activated": "activated.html",
    "confirmed_elsewhere": "link_done.html",
    "frozen": "frozen.html",
    "cancelled": "recovery_stopped.html",
    "reverted": "contact_undone.html",
}


def of(purpose: LinkPurpose | None) -> LinkPage:
    return PURPOSES.get(purpose, _OTHER) if purpose else _OTHER


def waits(kind: str, flow: UUID | str) -> str:
    """Behind the application's part of the address."""
    return WAITS[kind].format(flow)


def renewable(info: LinkInfo, *, can_reset: bool) -> bool:
    row = of(info.purpose)
    return info.renewable and row.renewed and (can_reset or not row.by_reset)


def shown(info: LinkInfo) -> tuple[str, int]:
    """The page of a link's state and its status. What would have stopped a recovery says how that ended (REC-12)."""
    if info.purpose == "recovery_cancel" and (info.over or info.state != "valid"):
        return "recovery_stopped.html" if info.over == "cancelled" else "recovery_over.html", 410
    page = of(info.purpose).press if info.state == "valid" else _STATES.get(info.state, "link_incomplete.html")
    return page, {"valid": 200, "other_browser": 200, "malformed": 404}.get(info.state, 410)
