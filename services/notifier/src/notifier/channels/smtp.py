"""E-mail by SMTP with pooled connections, STARTTLS or TLS, login (RFC 5321, RFC 3207, RFC 4954)."""

import asyncio
import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from functools import lru_cache
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import idna
from latchkey_contracts.notifier import Channel
from servicekit.clock import Clock

from . import signing
from .base import Callback, CallStep, Mail, Message, Receipt, Refused, Transient, Unknown

IDLE_SECONDS = 30.0
LONGEST_LINE = 990  # RFC 5322: 998
LONGEST_WORD = 75  # RFC 2047
SHUTTING_DOWN = 421  # RFC 5321 §3.8: for everybody
LOGIN_FIRST = 530  # RFC 4954 §6: our credentials, so every message's trouble and not this one's
WIRE = compat32.clone(linesep="\r\n")
_BREAKS = re.compile(r"[\r\n\x00]+")


def _line(text: str) -> str:
    """A header is one line, whatever a name contains (header injection)."""
    return _BREAKS.sub(" ", text).strip()


def _encoded(text: str, header: str) -> str:
    """Encoded words of at most 75 characters, each on a line of its own (RFC 2047 §2)."""
    return Header(text, "utf-8", header_name=header).encode(maxlinelen=LONGEST_WORD)


@lru_cache(maxsize=256)
def _sender(name: str, address: str) -> str:
    return formataddr((name, address)) if name.isascii() else f"{_encoded(name, 'From')} <{address}>"


def on_the_wire(address: str) -> str:
    """Its domain as every mail server knows it (REG-6, RFC 5890); the mailbox as its owner writes it. Raises Refused."""
    mailbox, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{mailbox}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        raise Refused("the address's domain is none") from None


def compose(mail: Mail, at: datetime) -> bytes:
    """multipart/alternative with a stable Message-ID (NOT-4, RFC 3834), ready for the wire.

    By the library's older classes: its newer ones parse every header they are given, for twice the notifier's whole work.
    """
    # 128 random bits are in no part; the library would look through all parts for its own.
    message = MIMEMultipart("alternative", boundary=f"=_{secrets.token_hex(16)}")
    message["From"] = _sender(_line(mail.sender_name), mail.sender_address)
    # A mailbox beyond ASCII goes as it is (SMTPUTF8, RFC 6532); surrogates are how the library carries its bytes.
    message["To"] = _line(mail.to).encode().decode("ascii", "surrogateescape")
    subject = _line(mail.subject)
    message["Subject"] = subject if subject.isascii() else _encoded(subject, "Subject")
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.message_id}@{mail.sender_address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = mail.language
    for text, subtype in ((mail.text, "plain"), (mail.html, "html")):
        # 7bit where it is plain ASCII in lines that SMTP carries, else base64: both without work per character.
        short = text.isascii() and all(len(line) < LONGEST_LINE for line in text.splitlines())
        if short:
            message.attach(MIMEText(text, subtype, "us-ascii"))
        else:
            message.attach(MIMEText(text.replace("\n", "\r\n"), subtype, "utf-8"))  # RFC 2046 §4.1.1: lines end with CRLF
    return message.as_bytes(policy=WIRE)


class SmtpProvider:
    channels: frozenset[Channel] = frozenset({"email"})
    keyed = False
    repeatable = True  # under one Message-ID, which mail servers and clients hold for one mail (docs/decisions/0004)

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        name: str = "smtp",
        connect_seconds: float = 4.0,
        timeout_seconds: float = 20.0,
        callback_key: bytes | None = None,
    ) -> None:
        """`connect_seconds`: for everything before the mail itself, after which another provider may have it."""
        self.name = name
        self._clock = clock
        self._callback_key = callback_key
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._host, self._port = parts.hostname or "localhost", parts.port or (465 if parts.scheme == "smtps" else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = parts.scheme == "smtps"
        # require: refuse a server without; offered: use it where the server has it; never: development only.
        mode = query.get("starttls", ["offered" if self._host in {"127.0.0.1", "localhost"} else "require"])[0]
        self._start_tls = {"require": True, "offered": None, "never": False}[mode]
        self._verify = query.get("verify", ["on"])[0] != "off"
        self._connect_seconds = connect_seconds
        self._timeout = timeout_seconds
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []

    def written(self, message: Message) -> Mail:
        assert isinstance(message, Mail)  # noqa: S101 - its only channel
        if message.content is not None:
            return message
        mail = replace(message, to=on_the_wire(message.to))
        try:
            return replace(mail, content=compose(mail, datetime.now(UTC)))
        except (ValueError, MessageError) as error:
            raise Refused(f"the mail can't be written: {type(error).__name__}") from None

    async def send(self, message: Message, *, callback_url: str, expires_in: float) -> str | None:  # noqa: ARG002 - SMTP has neither
        mail = self.written(message)
        assert mail.content is not None  # noqa: S101 - written
        client = await self._begin(mail)
        try:
            await client.data(mail.content)
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            raise self._refusal(error.code) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise Unknown(type(error).__name__) from None
        except BaseException:
            client.close()
            raise
        self._idle.append((asyncio.get_running_loop().time(), client))
        return None

    def read(self, callback: Callback) -> list[Receipt] | CallStep:
        """Bounces and complaints, told by whatever reads the mailboxes for them."""
        return signing.receipts(self._callback_key, callback, self._clock.now().timestamp())

    async def _begin(self, mail: Mail) -> aiosmtplib.SMTP:
        """A connection on which sender and recipient are said; nothing of the mail has left yet."""
        client: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(self._connect_seconds):
                client, fresh = await self._take()
                try:
                    await self._envelope(client, mail)
                except (aiosmtplib.SMTPServerDisconnected, ConnectionError):
                    if fresh:
                        raise
                    # The server had closed an idle connection; nothing was said on it yet.
                    client = await self._connect()
                    await self._envelope(client, mail)
        except BaseException as error:
            if client is not None:
                client.close()
            if isinstance(error, aiosmtplib.SMTPResponseException):
                raise self._refusal(error.code) from None
            if isinstance(error, (aiosmtplib.SMTPException, OSError, TimeoutError)):
                raise Transient(type(error).__name__, down=True) from None
            raise
        return client

    @staticmethod
    async def _envelope(client: aiosmtplib.SMTP, mail: Mail) -> None:
        options = [] if mail.to.isascii() else ["SMTPUTF8"]
        if options:
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            if not client.supports_extension("SMTPUTF8"):
                raise Refused("the mail server takes no mailbox beyond ASCII")
        try:
            await client.mail(mail.sender_address, options=options, encoding="utf-8")
        except aiosmtplib.SMTPResponseException as error:
            # The sender is this application's own: a no to it is no word about anybody else's mail, nor about who is written to.
            # So it may go later, once the operator has mended it, or by another provider.
            raise Transient(f"smtp {error.code} to the sender", down=error.code in {SHUTTING_DOWN, LOGIN_FIRST}) from None
        await client.rcpt(mail.to, encoding="utf-8")

    @staticmethod
    def _refusal(code: int) -> Exception:
        if code >= 500 and code != LOGIN_FIRST:
            return Refused(f"smtp {code}")
        return Transient(f"smtp {code}", down=code in {SHUTTING_DOWN, LOGIN_FIRST})

    async def _take(self) -> tuple[aiosmtplib.SMTP, bool]:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, client = self._idle.pop()
            if now - since < IDLE_SECONDS and client.is_connected:
                return client, False
            client.close()
        return await self._connect(), True

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._timeout,
            use_tls=self._tls,
            start_tls=False if self._tls else self._start_tls,
            validate_certs=self._verify,
            username=self._user,
            password=self._password,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPResponseException as error:  # a greeting or login that says no is about us, not about one mail
            raise Transient(f"smtp {error.code} at the start", down=True) from None
        return client

    async def close(self) -> None:
        for _, client in self._idle:
            client.close()
        self._idle.clear()
