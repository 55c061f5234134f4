"""A stand-in for Twilio's REST API 2010-04-01: messages and calls, with its fields, its errors and its signed callbacks."""

import asyncio
import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from servicekit.clock import Clock
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .callbacks import Callbacks, message_of
from .faults import Faults
from .lines import Port
from .store import Message, Store
from .twiml import Conversation, Document

RECEIPT_SECONDS = 0.05  # between what happens and what is told
# Twilio's codes of errors: what they say, and their HTTP status.
ERRORS = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "Url is not a valid URL"),
    21211: (400, "The 'To' number is not a valid phone number"),
    21212: (400, "The 'From' number is not a valid phone number"),
    21213: (400, "'From' phone number required to create a Call"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' or 'MessagingServiceSid' parameter is required"),
    21604: (400, "A 'To' phone number is required"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
}
UNREACHABLE = "30003"
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_URL = re.compile(r"https?://[^\s/]+\S*")
_BEFORE = {"temporary": 20429, "permanent": 21211, "server_error": 20500, "unsubscribed": 21610}


class TwilioStandIn:
    def __init__(
        self, provider: Mapping[str, Any], store: Store, faults: Faults, callbacks: Callbacks, clock: Clock, port: int
    ) -> None:
        self._name = provider["name"]
        self._sid, self._token = provider["account_sid"], provider["auth_token"]
        self._store, self._faults, self._callbacks, self._clock = store, faults, callbacks, clock
        base = "/2010-04-01/Accounts/{account}"
        routes = [
            Route(f"{base}/Messages.json", self._message, methods=["POST"]),
            Route(f"{base}/Calls.json", self._call, methods=["POST"]),
            Route("/{rest:path}", self._nothing, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
        self.port = Port(Starlette(routes=routes), port)

    async def _nothing(self, request: Request) -> Response:
        return _error(20404) if self._known(request) else _error(20003)

    async def _message(self, request: Request) -> Response:
        form = await _form(request)
        return await self._take(request, "sms", form, _wrong_message(form))

    async def _call(self, request: Request) -> Response:
        form = await _form(request)
        return await self._take(request, "voice", form, _wrong_call(form))

    async def _take(self, request: Request, channel: str, form: dict[str, str], wrong: int | None) -> Response:
        if not self._known(request):
            return _error(20003)
        if request.path_params["account"] != self._sid:
            return _error(20404)
        if wrong is not None:
            return _error(wrong)
        fault = self._faults.take(channel, self._name)
        if fault in _BEFORE:
            return _error(_BEFORE[fault])
        if fault == "time_out":
            await asyncio.sleep(3600)
        sid = ("SM" if channel == "sms" else "CA") + secrets.token_hex(16)
        resource = self._text(sid, form, fault) if channel == "sms" else self._ring(sid, form, fault)
        if fault == "cut":
            self.port.cut(request)
        return _error(20500) if fault == "accepted_500" else JSONResponse(resource, 201)

    def _known(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").partition(" ")
        right = base64.b64encode(f"{self._sid}:{self._token}".encode()).decode()
        return given[0].lower() == "basic" and hmac.compare_digest(given[2].encode(), right.encode())

    # --- messages ----------------------------------------------------------------------------------------------------

    def _text(self, sid: str, form: dict[str, str], fault: str | None) -> dict[str, Any]:
        message = self._keep(sid, "sms", form, text=form["Body"], state="accepted")
        if form.get("StatusCallback") and fault != "no_receipt":
            self._callbacks.later(self._tell_message(message, sid, form, reached=fault != "undelivered"))
        elif fault == "undelivered":
            self._store.became(message.id, "undelivered")
        now = format_datetime(self._clock.now())
        return {
            **self._common("Messages", sid, form, now),
            "body": form["Body"],
            "num_segments": "0" if "MessagingServiceSid" in form else str(_segments(form["Body"])),
            "num_media": "0",
            "direction": "outbound-api",
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "date_sent": None,
            "error_code": None,
            "error_message": None,
            "status": "accepted" if "MessagingServiceSid" in form else "queued",
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{self._sid}/Messages/{sid}/Media.json"},
        }

    async def _tell_message(self, message: Message, sid: str, form: dict[str, str], *, reached: bool) -> None:
        said = {"AccountSid": self._sid, "ApiVersion": "2010-04-01", "MessageSid": sid, "SmsSid": sid, "To": form["To"]}
        if "MessagingServiceSid" in form:
            said["MessagingServiceSid"] = form["MessagingServiceSid"]
        said["From"] = form.get("From", "+15005550006")
        last = {"SmsStatus": "delivered"} if reached else {"SmsStatus": "undelivered", "ErrorCode": UNREACHABLE}
        for told in ({"SmsStatus": "sent"}, last):
            await asyncio.sleep(RECEIPT_SECONDS)
            if told is last:
                self._store.became(message.id, last["SmsStatus"])
            await self._callbacks.form(form["StatusCallback"], {**said, **told, "MessageStatus": told["SmsStatus"]}, self._token)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _ring(self, sid: str, form: dict[str, str], fault: str | None) -> dict[str, Any]:
        self._callbacks.later(self._conduct(sid, form, fault))
        return {
            **self._common("Calls", sid, form, None),
            "to_formatted": form["To"],
            "from_formatted": form["From"],
            **dict.fromkeys(("parent_call_sid", "phone_number_sid", "start_time", "end_time", "duration", "answered_by")),
            **dict.fromkeys(("forwarded_from", "group_sid", "caller_name", "trunk_sid")),
            "direction": "outbound-api",
            "queue_time": "0",
            "status": "queued",
            "subresource_uris": {
                name.lower(): f"/2010-04-01/Accounts/{self._sid}/Calls/{sid}/{name}.json"
                for name in ("Notifications", "Recordings", "Payments", "Events", "Siprec", "Streams", "Transcriptions")
            },
        }

    async def _conduct(self, sid: str, form: dict[str, str], fault: str | None) -> None:
        await asyncio.sleep(RECEIPT_SECONDS)
        unanswered = {"busy": "busy", "no_answer": "no-answer", "undelivered": "failed"}.get(fault or "")
        if unanswered is not None:
            self._keep(sid, "voice", form, text=f"[{unanswered.replace('-', ' ')}]", state=unanswered.replace("-", " "))
            await self._tell_call(sid, form, unanswered, 0, fault)
            return
        machine = fault == "answering_machine" or self._faults.machine(self._name)
        said = self._said(sid, form, "in-progress")

        async def fetch(url: str, method: str, more: Mapping[str, str]) -> Document:
            answer = await self._callbacks.form(url, {**said, **more}, self._token, method=method)
            if answer is None:
                return Document(0, "", b"")
            return Document(answer.status_code, answer.headers.get("content-type", ""), answer.content)

        talk = Conversation(fetch, keys="" if machine else "1", most_seconds=float(form.get("TimeLimit", "14400")))
        if machine:
            talk.lines.append("[answering machine]")
        await talk.hold(form["Url"], form.get("Method", "POST"))
        state = "answering machine" if machine else "answered"
        seconds = {"seconds": f"{talk.seconds:.0f}", **({"error": talk.error} if talk.error else {})}
        self._keep(sid, "voice", form, text=talk.transcript, state=state, more=seconds)
        await self._tell_call(sid, form, "completed", round(talk.seconds), fault)

    async def _tell_call(self, sid: str, form: dict[str, str], status: str, seconds: int, fault: str | None) -> None:
        if not form.get("StatusCallback") or fault == "no_receipt":
            return
        await asyncio.sleep(RECEIPT_SECONDS)
        told = {
            **self._said(sid, form, status),
            "CallDuration": str(seconds),
            "Duration": str(-(-seconds // 60)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
            "Timestamp": format_datetime(self._clock.now()),
        }
        await self._callbacks.form(form["StatusCallback"], told, self._token, method=form.get("StatusCallbackMethod", "POST"))

    def _said(self, sid: str, form: dict[str, str], status: str) -> dict[str, str]:
        """What every request about a call carries."""
        numbers = {"From": form["From"], "Caller": form["From"], "To": form["To"], "Called": form["To"]}
        return {
            "AccountSid": self._sid,
            "ApiVersion": "2010-04-01",
            "CallSid": sid,
            "CallStatus": status,
            "Direction": "outbound-api",
            **numbers,
        }

    # --- both --------------------------------------------------------------------------------------------------------

    def _common(self, kind: str, sid: str, form: dict[str, str], now: str | None) -> dict[str, Any]:
        return {
            "sid": sid,
            "account_sid": self._sid,
            "api_version": "2010-04-01",
            "date_created": now,
            "date_updated": now,
            "from": form.get("From"),
            "to": form["To"],
            "price": None,
            "price_unit": "USD",
            "uri": f"/2010-04-01/Accounts/{self._sid}/{kind}/{sid}.json",
        }

    def _keep(
        self, sid: str, channel: str, form: dict[str, str], *, text: str, state: str, more: Mapping[str, str] | None = None
    ) -> Message:
        return self._store.add(
            channel=channel,
            to=form["To"],
            subject=None,
            text=text,
            html=None,
            headers={"provider": self._name, "sid": sid, "from": form.get("From", ""), **(more or {})},
            message_id=message_of(form.get("StatusCallback", "")),
            state=state,
        )


async def _form(request: Request) -> dict[str, str]:
    """Nothing but a form is read; of anything else Twilio sees no parameters."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        return {}


def _wrong_message(form: Mapping[str, str]) -> int | None:
    """The code of the first thing that is wrong."""
    checks = (
        (21604, bool(form.get("To"))),
        (21211, _NUMBER.fullmatch(form.get("To", "")) is not None),
        (21603, bool(form.get("From") or form.get("MessagingServiceSid"))),
        (21212, not form.get("From") or _NUMBER.fullmatch(form["From"]) is not None),
        (21602, bool(form.get("Body"))),
        (21617, len(form.get("Body", "")) <= 1600),
        (21609, not form.get("StatusCallback") or _URL.fullmatch(form["StatusCallback"]) is not None),
    )
    return next((code for code, fine in checks if not fine), None)


def _wrong_call(form: Mapping[str, str]) -> int | None:
    checks = (
        (21201, bool(form.get("To"))),
        (21211, _NUMBER.fullmatch(form.get("To", "")) is not None),
        (21213, bool(form.get("From"))),
        (21212, _NUMBER.fullmatch(form.get("From", "")) is not None),
        (21205, _URL.fullmatch(form.get("Url", "")) is not None),
        (21609, not form.get("StatusCallback") or _URL.fullmatch(form["StatusCallback"]) is not None),
    )
    return next((code for code, fine in checks if not fine), None)


def _segments(body: str) -> int:
    """How many parts Twilio says: 160 septets or 70 UCS-2 units in one, 153 or 67 in several; close enough for a stand-in."""
    plain = body.isascii()
    units = len(body) if plain else len(body.encode("utf-16-be")) // 2
    one, many = (160, 153) if plain else (70, 67)
    return 1 if units <= one else -(-units // many)


def _error(code: int) -> Response:
    status, message = ERRORS[code]
    document = {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if status == 401 else {}
    return JSONResponse(document, status, headers)
