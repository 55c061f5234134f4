"""The offer of a passkey, between a press and where it leads (D12): only to a browser that says it can make one, and never in the way."""

from urllib.parse import urlencode

from .visit import Visit

# Where a sign-in leads, by what `to` says; nothing else is followed.
TO = {
    "password": "/account/security/password",
    "security": "/account/security",
    "add": "/account/security/add",
    "personal": "/account/personal",
    "notifications": "/account/notifications",
}
_LEADS = {"password_set": "/account?password_set=1", **TO}


def offered_first(visit: Visit, onward: str, *, when: bool) -> str:
    """Where a press leads that is followed by an offer. `when`: the policy makes one here; the browser must be able to as well."""
    able = (visit.typed or {}).get("passkeys") == "1"
    if not (when and able and visit.app.access.passkey.enabled):
        return onward
    to = next((name for name, path in _LEADS.items() if onward == f"{visit.base}{path}"), None)
    asked = {"to": to} if to else {"return_to": onward} if onward in visit.application.return_urls else {}
    return f"{visit.base}/account/passkey-offer" + (f"?{urlencode(asked)}" if asked else "")


def onward_of(visit: Visit) -> str:
    """Never anywhere but to our own pages and the application's registered addresses."""
    asked = visit.request.query_params
    if asked.get("return_to") in visit.application.return_urls:
        return asked["return_to"]
    return f"{visit.base}{_LEADS.get(asked.get('to', ''), '/account')}"
