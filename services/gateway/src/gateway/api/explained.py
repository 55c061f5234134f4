"""When each problem happens and what to do about it: for the page `/problems/<code>`, docs/problems.md and the OpenAPI document.

For whoever builds on the API, so in English only; customers read the title, which is translated.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Explained:
    """`says`: what the document has beside the head, with example values."""

    when: str
    do: str
    says: dict[str, Any] = field(default_factory=dict)


_AT = "2026-11-24T14:17:01.818048Z"
_AGAIN = "Start the flow again; nothing that was entered counts any more."

EXPLAINED: dict[str, Explained] = {
    "malformed_request": Explained(
        "The body isn't JSON, has a name twice, or path or query can't be read as UTF-8.",
        "Correct the client. The same request fails again.",
    ),
    "session_required": Explained(
        "There is no session token, or its session has ended: signed out, too old, unused for too long, or ended by a new password.",
        "Let the customer sign in, then call again.",
    ),
    "caller_not_allowed": Explained(
        "A service was called by another one that has no business there. Callers of the public API never see it.",
        "Look at the configuration of the services and at who holds which key.",
    ),
    "code_wrong": Explained(
        "The code isn't that of the flow's newest message.",
        "Ask for it again, and say how many tries are left. After the fifth wrong one no code of the flow works.",
        {"tries_left": 4},
    ),
    "passkey_wrong": Explained(
        "The passkey is not one of this account, or not for this flow: another challenge or one that is too old, another site, a signature "
        "that isn't its own. A passkey that nobody has is answered alike.",
        "Ask for fresh options and try again, or offer another way. Too many wrong ones end the flow.",
        {"tries_left": 4},
    ),
    "credentials_wrong": Explained(
        "No account has this name and this password together. Which of them is wrong is never told.",
        "Ask again; offer the way for a forgotten password. Many wrong tries are slowed down, whoever makes them.",
    ),
    "cross_site_request": Explained(
        "A browser sent it from another site, or a script of ours forgot `Latchkey-Client: web`.",
        "From a browser: call from pages of the product's own origin, with that header. From anywhere else: send no cookies and no `Origin`.",
    ),
    "feature_disabled": Explained(
        "The policy of the application has this switched off.",
        "Don't offer it. `GET /v1/apps/{app}` says what is offered.",
    ),
    "match_wrong": Explained(
        "A link was confirmed in another window with a number that isn't the one the asking window shows. The link has ended.",
        "In the window that asked, let another message be sent.",
    ),
    "more_proof_required": Explained(
        "What was proven so far isn't enough for this account; or a passkey was used without fingerprint, face or screen lock, which makes it one factor only.",
        "Go on with one of the ways that the flow names; of a passkey, let the browser verify its user.",
    ),
    "social_denied": Explained(
        "The customer, or the provider, broke it off: nothing was confirmed there.", "Offer the same way again, and the others."
    ),
    "social_refused": Explained(
        "The provider's answer isn't valid (its signature, its nonce, its age, whom it is for), it refused our code, or what it has proven "
        "opens no account here. Which of these is in our log, not here.",
        "Let the customer begin again; if it stays so, the operator looks at the provider's settings.",
    ),
    "identity_taken": Explained(
        "This account elsewhere signs in to another account of the same identity store.",
        "Let the customer unlink it there first, or use another one.",
    ),
    "last_way_in": Explained(
        "It is the last thing that signs in to the account.", "Let the customer set a password or link another account first."
    ),
    "provider_unavailable": Explained(
        "The provider, another company's server, can't be reached, is too slow, or answers what can't be understood.",
        "Offer the other ways to sign in; try again in a while.",
    ),
    "not_allowed_by_policy": Explained(
        "The policy of the application doesn't allow this to this customer.", "Don't offer it; a person at support may help."
    ),
    "step_up_required": Explained(
        "A session alone isn't enough for this: it needs a step-up made for this very action and these very things.",
        "`POST /v1/me/step-ups` with the `action` and the `payload` of this answer; `methods` says by what it can be done, best first: `password`, or the "
        "`kind` of each factor that will do. Once that flow is complete, repeat the call with its "
        "`grant` as `Latchkey-Step-Up`: it is good for that one call, within five minutes.",
        {"action": "factor.add", "payload": {"kind": "totp"}, "methods": ["passkey", "totp"]},
    ),
    "link_malformed": Explained(
        "The token is not one of ours or not whole, or belongs to another application. Mail programs sometimes cut links.",
        "Let the customer open the link once more or copy all of it; else ask for a new message.",
    ),
    "not_found": Explained(
        "Nothing has this address: no such application, no such flow, or a flow that somebody else started. These are never told apart.",
        "Check the address and whether the flow's token or cookie was sent.",
    ),
    "method_not_allowed": Explained("The address exists, but not for this method.", "See `Allow` in the answer."),
    "idempotency_key_reused": Explained(
        "This `Idempotency-Key` came before with another body, or its first call is still at work.",
        "Use a new key for each new thing to do, and the same key only to repeat the very same call.",
    ),
    "link_other_browser": Explained(
        "The link works, but another window asked for it. Nothing was consumed.",
        "Confirm it again with `match`: the two digits that the asking window shows. For an activation the chosen `password` will do, too.",
    ),
    "step_missing": Explained(
        "The flow isn't that far, or this step isn't asked for.", "Read the flow; `next` names the steps that are possible now."
    ),
    "version_conflict": Explained(
        "It was changed since it was read. With `If-Match` the status is 412.", "Read it again, and change what is there now."
    ),
    "precondition_required": Explained(
        "What two windows could change at once was to be changed without `If-Match`.",
        "Read it, and send its `ETag` as `If-Match`.",
    ),
    "code_burned": Explained(
        "Five wrong codes were tried in this flow, so none of its codes works any more.",
        "Use the link of the mail, which still works, or start again.",
    ),
    "code_expired": Explained("The code's life is over, or a newer message has replaced it.", "Let another message be sent."),
    "flow_ended": Explained(
        "The flow is too old, has done its work, or something else has made it void: a new password, a lock, too many wrong tries.",
        _AGAIN,
    ),
    "link_ended": Explained(
        "The link was ended: a wrong number was typed, another link of the flow won, or the account's password changed since.",
        "Start again from the page that sent it.",
    ),
    "link_expired": Explained(
        "The link's life is over.", "`POST /v1/apps/{app}/links/renew` sends a fresh one to the same address."
    ),
    "link_superseded": Explained(
        "A newer message has left, and only the newest link works.",
        "Open the newest message, or let `POST /v1/apps/{app}/links/renew` send another.",
    ),
    "link_used": Explained("The link has done its work before; a link works once.", "Nothing; what it was for is done."),
    "body_too_large": Explained(
        "The body has more than 64 KiB (a provider's callback: 32 KiB).", "Send less. The same request fails again."
    ),
    "unsupported_media_type": Explained("The body isn't `application/json`.", "Send JSON, and say so in `Content-Type`."),
    "username_taken": Explained(
        "Somebody else has this username, so a registration can't have it.", "Let the customer choose another one."
    ),
    "validation_failed": Explained(
        "Fields are missing, unknown, of the wrong type or out of bounds, or a password doesn't suit the rules.",
        "Show each `message` of `errors` next to its field; `field` is a JSON pointer into the body.",
    ),
    "too_many_requests": Explained(
        "Too early for another message, too many tries for one identifier, or too many calls from one network.",
        "Wait as long as `Retry-After` says, and no shorter.",
        {"retry_after_seconds": 20, "available_at": _AT},
    ),
    "internal_error": Explained(
        "A fault of ours. What was asked may or may not have happened.",
        "Repeat the call with the same `Idempotency-Key`. If it stays, tell the operator the `request_id`.",
    ),
    "overloaded": Explained(
        "A part of the product is busy or away. Nothing was done, or it was and a repeat will say so.",
        "Wait as long as `Retry-After` says, then repeat the call with the same `Idempotency-Key`.",
        {"retry_after_seconds": 2},
    ),
}
