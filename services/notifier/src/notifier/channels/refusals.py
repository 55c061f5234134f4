"""Whom a mail server's no is about: the one who is written to, or us (REL-7, REL-8, REL-16).

The codes are those of IANA's registry "SMTP Enhanced Status Codes" (RFC 3463, 3886, 4468, 4865, 4954, 5248, 6531, 6710, 7293,
7372, 7504, 7505, 8689), https://www.iana.org/assignments/smtp-enhanced-status-codes/, without their class. Where a server gives
none, RFC 5321 §4.3.2 says what its three digits may mean at which step.
"""

import re
from enum import StrEnum
from typing import Literal, TypeAlias

from .base import Refused, Transient

Step: TypeAlias = Literal["start", "sender", "recipient", "content"]

SHUTTING_DOWN = 421  # RFC 5321 §3.8: for everybody
LOGIN = frozenset({454, 530, 534, 535, 538})  # RFC 4954 §6: our credentials, so every message's trouble and not this one's
NO_SUCH_MAILBOX = frozenset({550, 551, 552, 553, 556})  # RFC 5321 §4.3.2, RFC 7504: as answers to RCPT alone
_ENHANCED = re.compile(r"\s*[245]\.(\d{1,3})\.(\d{1,3})(?=\s|$)")


class About(StrEnum):
    MAILBOX = "mailbox"  # who is written to: the same at every provider, so the message ends
    SENDER = "sender"  # this application's own address: other applications have others
    MESSAGE = "message"  # this one mail: its size, form, priority
    ROUTE = "route"  # the way from there to the recipient: another provider may know one
    POLICY = "policy"  # what this provider wants of us
    SYSTEM = "system"  # this provider itself, and how much it takes of us


_M, _S, _G, _R, _P, _Y = About.MAILBOX, About.SENDER, About.MESSAGE, About.ROUTE, About.POLICY, About.SYSTEM
CODES: dict[str, tuple[About, str]] = {
    "0.0": (_P, "Other undefined Status"),  # says nothing, so the three digits do
    "1.0": (_M, "Other address status"),
    "1.1": (_M, "Bad destination mailbox address"),
    "1.2": (_M, "Bad destination system address"),
    "1.3": (_M, "Bad destination mailbox address syntax"),
    "1.4": (_M, "Destination mailbox address ambiguous"),
    "1.5": (_Y, "Destination address valid"),
    "1.6": (_M, "Destination mailbox has moved, No forwarding address"),
    "1.7": (_S, "Bad sender's mailbox address syntax"),
    "1.8": (_S, "Bad sender's system address"),
    "1.9": (_R, "Message relayed to non-compliant mailer"),
    "1.10": (_M, "Recipient address has null MX"),
    "2.0": (_M, "Other or undefined mailbox status"),
    "2.1": (_M, "Mailbox disabled, not accepting messages"),
    "2.2": (_M, "Mailbox full"),
    "2.3": (_M, "Message length exceeds administrative limit"),
    "2.4": (_M, "Mailing list expansion problem"),
    "3.0": (_Y, "Other or undefined mail system status"),
    "3.1": (_Y, "Mail system full"),
    "3.2": (_Y, "System not accepting network messages"),
    "3.3": (_Y, "System not capable of selected features"),
    "3.4": (_G, "Message too big for system"),
    "3.5": (_Y, "System incorrectly configured"),
    "3.6": (_G, "Requested priority was changed"),
    "4.0": (_R, "Other or undefined network or routing status"),
    "4.1": (_R, "No answer from host"),
    "4.2": (_R, "Bad connection"),
    "4.3": (_R, "Directory server failure"),
    "4.4": (_R, "Unable to route"),
    "4.5": (_Y, "Mail system congestion"),
    "4.6": (_R, "Routing loop detected"),
    "4.7": (_R, "Delivery time expired"),
    "5.0": (_G, "Other or undefined protocol status"),
    "5.1": (_G, "Invalid command"),
    "5.2": (_G, "Syntax error"),
    "5.3": (_G, "Too many recipients"),
    "5.4": (_G, "Invalid command arguments"),
    "5.5": (_G, "Wrong protocol version"),
    "5.6": (_P, "Authentication Exchange line is too long"),
    "6.0": (_G, "Other or undefined media error"),
    "6.1": (_G, "Media not supported"),
    "6.2": (_G, "Conversion required and prohibited"),
    "6.3": (_G, "Conversion required but not supported"),
    "6.4": (_G, "Conversion with loss performed"),
    "6.5": (_G, "Conversion Failed"),
    "6.6": (_G, "Message content not available"),
    "6.7": (_G, "Non-ASCII addresses not permitted for that sender/recipient"),
    "6.8": (_G, "UTF-8 string reply is required, but not permitted by the SMTP client"),
    "6.9": (_G, "UTF-8 header message cannot be transferred to one or more recipients, so the message must be rejected"),
    "6.10": (_G, "Duplicate of X.6.8, deprecated"),
    "7.0": (_P, "Other or undefined security status"),
    "7.1": (_P, "Delivery not authorized, message refused"),
    "7.2": (_M, "Mailing list expansion prohibited"),
    "7.3": (_P, "Security conversion required but not possible"),
    "7.4": (_P, "Security features not supported"),
    "7.5": (_P, "Cryptographic failure"),
    "7.6": (_P, "Cryptographic algorithm not supported"),
    "7.7": (_G, "Message integrity failure"),
    "7.8": (_P, "Authentication credentials invalid"),
    "7.9": (_P, "Authentication mechanism is too weak"),
    "7.10": (_P, "Encryption Needed"),
    "7.11": (_P, "Encryption required for requested authentication mechanism"),
    "7.12": (_P, "A password transition is needed"),
    "7.13": (_P, "User Account Disabled"),  # RFC 5248: the account that we log in with
    "7.14": (_P, "Trust relationship required"),
    "7.15": (_G, "Priority Level is too low"),
    "7.16": (_G, "Message is too big for the specified priority"),
    "7.17": (_M, "Mailbox owner has changed"),
    "7.18": (_M, "Domain owner has changed"),
    "7.19": (_P, "RRVS test cannot be completed"),
    "7.20": (_S, "No passing DKIM signature found"),
    "7.21": (_S, "No acceptable DKIM signature found"),
    "7.22": (_S, "No valid author-matched DKIM signature found"),
    "7.23": (_S, "SPF validation failed"),
    "7.24": (_S, "SPF validation error"),
    "7.25": (_P, "Reverse DNS validation failed"),
    "7.26": (_S, "Multiple authentication checks failed"),
    "7.27": (_S, "Sender address has null MX"),
    "7.28": (_Y, "Mail flood detected"),
    "7.29": (_P, "ARC validation failure"),
    "7.30": (_P, "REQUIRETLS support required"),
}
# A no to MAIL that speaks of our login or of the server is everybody's; any other is to this application's address: a policy there
# says as a rule whose addresses we may send from.
_EVERYBODYS = frozenset({"5.6", "7.8", "7.9", "7.10", "7.11", "7.12", "7.13", "7.14"})


def enhanced(text: str) -> str | None:
    """7.1 of "5.7.1 client host blocked". A code that is not registered is the general one of its subject (RFC 3463 §2)."""
    found = _ENHANCED.match(text)
    if found is None:
        return None
    subject, detail = int(found[1]), int(found[2])
    return next((code for code in (f"{subject}.{detail}", f"{subject}.0") if code in CODES), "0.0")


def about(step: Step, code: int, text: str) -> About:
    """`text`: what the server said after the three digits."""
    said = enhanced(text)
    if step == "start" or code == SHUTTING_DOWN or code in LOGIN:
        return About.SYSTEM
    if step == "sender":
        everybodys = said is not None and (CODES[said][0] == About.SYSTEM or said in _EVERYBODYS)
        return About.SYSTEM if everybodys else About.SENDER
    if said is not None and said != "0.0":
        return CODES[said][0]
    if step == "recipient":
        # 554 is none of RCPT's own answers: a relay says it of who sends.
        return About.MAILBOX if code in NO_SUCH_MAILBOX else About.POLICY
    # The mailbox was taken before; 550, 552 and 554 here are about what was sent, how much of it, or who sends it.
    return About.POLICY


def refusal(step: Step, code: int, text: str) -> Refused | Transient:
    """What the delivery makes of it: only what a mailbox is refused for ends a message; all else goes to the next provider, then waits.

    `down` where it is no word about this one mail: a permanent no to us by policy, and whatever is about the server itself.
    """
    subject = about(step, code, text)
    if step == "start":
        return Transient(f"smtp {code} at the start", down=True, at_once=True)
    said = enhanced(text)
    reason = f"smtp {code}" + (f" {str(code)[0]}.{said}" if said is not None else "")
    if code >= 500 and subject is About.MAILBOX:
        return Refused(reason)
    if step == "sender":
        reason += " to the sender"
    # "Later" by policy is a grey list as a rule, which is about this one pair of addresses.
    everybodys = subject is About.SYSTEM or (subject is About.POLICY and code >= 500)
    return Transient(reason, down=everybodys)
