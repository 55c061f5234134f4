"""SMS and voice by Twilio's REST API 2010-04-01: Messages, Calls, TwiML, signed callbacks.

A call is created with a URL that Twilio asks for what to say. The first answer asks for a key; the code is said only in the
answer to that key, so that no mailbox ever records it (PST-4).
"""

import base64
import hmac
from collections.abc import Iterable
from hashlib import sha1
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

import orjson
from latchkey_contracts.notifier import Channel
from servicekit.web.transport import Answer

from . import http
from .base import Call, Callback, CallStep, Forged, Message, Pause, Receipt, Refused, Spoken, Text, Transient

RINGS_SECONDS = 25
CALL_SECONDS = 60  # PST-4, FRD-7
KEY_SECONDS = 10
OPTED_OUT = 21610  # "attempt to send to an unsubscribed recipient"
# Of https://www.twilio.com/docs/api/errors: what is about the number that is written to ends the message ...
OF_THE_RECIPIENT = frozenset({13224, 21201, 21211, 21214, 21217, 21265, 21401, 21604, OPTED_OUT, 21614, 21635})
# ... what is about this message or the way to that country may go by another provider; the rest is about us: our number, our account.
OF_THE_MESSAGE = frozenset({13223, 21219, 21215, 21408, 21602, 21612, 21617})
# Voices that speak the language, so that digits are read in it (WEB-18). Amazon's, because only they know <break>: a
# <Pause> lasts whole seconds.
VOICES = {
    "en": ("Polly.Amy", "en-GB"),
    "de": ("Polly.Vicki", "de-DE"),
    "fr": ("Polly.Lea", "fr-FR"),
    "es": ("Polly.Lucia", "es-ES"),
    "ar": ("Polly.Zeina", "arb"),
}
_SMS = {"sent": "accepted", "delivered": "delivered", "undelivered": "failed", "failed": "failed", "canceled": "failed"}
_UNANSWERED = {"busy", "no-answer", "failed", "canceled"}


def signature(token: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and the sorted parameters, base64."""
    signed = url + "".join(name + value for name, value in sorted(parameters))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), sha1)).decode()


class TwilioProvider:
    repeatable = keyed = False  # Twilio knows no idempotency key here

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        sender: str,
        url: str = "https://api.twilio.com",
        name: str = "twilio",
        channels: frozenset[Channel] = frozenset({"sms", "voice"}),
        connect_seconds: float = 2.0,
        timeout_seconds: float = 4.0,
    ) -> None:
        """`sender`: a number in E.164, or the sid of a messaging service (MG...), which can't call."""
        self.name = name
        self.channels = channels
        self._base = f"{url.rstrip('/')}/2010-04-01/Accounts/{account_sid}"
        self._token = auth_token
        self._sender = sender
        account = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._headers = {"authorization": f"Basic {account}", "content-type": "application/x-www-form-urlencoded"}
        self._http = http.client(connect_seconds, timeout_seconds)

    def written(self, message: Message) -> Message:
        return message

    async def send(self, message: Message, *, callback_url: str, expires_in: float, hurry: bool = False) -> str | None:  # noqa: ARG002 - always in a hurry
        if isinstance(message, Text):
            sender = "MessagingServiceSid" if self._sender.startswith("MG") else "From"
            form = {sender: self._sender, "Body": message.body, "StatusCallback": callback_url}
            # Not handed on by Twilio once it is of no use (EVT-9): 1 to 36,000 s.
            form["ValidityPeriod"] = str(int(min(max(expires_in, 1), 36_000)))
            path = "Messages.json"
        else:
            form = {
                "From": self._sender,
                "Url": f"{callback_url}&step=answer",
                "Method": "POST",
                "StatusCallback": callback_url,
                "Timeout": str(RINGS_SECONDS),
                "TimeLimit": str(CALL_SECONDS),
            }
            path = "Calls.json"
        form["To"] = message.to
        answer = await http.post(self._http, f"{self._base}/{path}", self._headers, urlencode(form).encode(), _refused)
        found = _object(answer.content).get("sid")
        return found[:200] if isinstance(found, str) else None

    def read(self, callback: Callback) -> list[Receipt] | CallStep:
        try:
            parameters = parse_qsl(callback.body.decode(), keep_blank_values=True)
            query = parse_qs(urlsplit(callback.url).query)
        except ValueError:
            raise Forged("not a form") from None
        given = callback.headers.get("x-twilio-signature", "")
        if not hmac.compare_digest(signature(self._token, callback.url, parameters).encode(), given.encode()):
            raise Forged("the signature is wrong")
        said = dict(parameters)
        try:
            message_id = UUID(query["message"][0])
        except (KeyError, ValueError):
            raise Forged("it names no message") from None
        step = query.get("step", [""])[0]
        if step in {"answer", "key"}:
            return CallStep(message_id, key_pressed=step == "key" and bool(said.get("Digits")))
        return _receipts(message_id, said)

    async def close(self) -> None:
        await self._http.close()


def _refused(answer: Answer) -> Refused | Transient:
    code = _object(answer.content).get("code")
    if not isinstance(code, int):
        return Transient(f"http {answer.status}")
    if code in OF_THE_RECIPIENT:
        return Refused(f"twilio {code}", opted_out=code == OPTED_OUT)
    return Transient(f"twilio {code}", down=code not in OF_THE_MESSAGE)


def _receipts(message_id: UUID, said: dict[str, str]) -> list[Receipt]:
    error = f"twilio {said['ErrorCode']}" if said.get("ErrorCode") else None
    if (status := said.get("MessageStatus")) is not None:
        state = _SMS.get(status)
        return [Receipt(message_id, state, error or status if state == "failed" else None)] if state else []  # type: ignore[arg-type]
    status = said.get("CallStatus", "")
    if status in _UNANSWERED:
        return [Receipt(message_id, "failed", error or status)]
    if status == "completed":
        # Delivered is what was heard, and that was told by the key; a call that ended without is none.
        return [Receipt(message_id, "failed", "no key was pressed")]
    return []


def _object(content: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def twiml(call: Call | None, key_url: str | None) -> str:
    """What Twilio is to say: with `key_url` the prompt that waits for a key, without it what follows; no call: hang up."""
    if call is None:
        return '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'
    if key_url is None:
        said = f'<Pause length="1"/>{_say(call.language, *call.script)}'
    else:
        gather = f'<Gather input="dtmf" numDigits="1" timeout="{KEY_SECONDS}" method="POST" action={quoteattr(key_url)}>'
        said = f"{gather}{_say(call.language, call.prompt)}</Gather>"
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{said}<Hangup/></Response>'


def _say(language: str, *parts: Spoken) -> str:
    voice, spoken = VOICES.get(language, VOICES["en"])
    said = (f'<break time="{part.seconds * 1000:.0f}ms"/>' if isinstance(part, Pause) else escape(part) for part in parts)
    return f"<Say voice={quoteattr(voice)} language={quoteattr(spoken)}>{' '.join(said)}</Say>"
