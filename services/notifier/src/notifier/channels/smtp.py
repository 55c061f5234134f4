"""E-mail by SMTP with pooled connections, STARTTLS or TLS, login (RFC 5321, RFC 3207, RFC 4954)."""

import asyncio
import re
from datetime import UTC, datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from .base import Mail, Refused, Transient, Unknown

IDLE_SECONDS = 30.0
LONGEST_LINE = 990  # RFC 5322: 998
WIRE = compat32.clone(linesep="\r\n")
_BREAKS = re.compile(r"[\r\n\x00]+")


def _line(text: str) -> str:
    """A header is one line, whatever a name contains (header injection)."""
    return _BREAKS.sub(" ", text).strip()


def compose(mail: Mail, at: datetime) -> bytes:
    """multipart/alternative with a stable Message-ID (NOT-4, RFC 3834), ready for the wire.

    By the library's older classes: its newer ones parse every header they are given, for twice the notifier's whole work.
    """
    message = MIMEMultipart("alternative")
    message["From"] = formataddr((_line(mail.sender_name), mail.sender_address))
    # An address beyond ASCII goes as it is (SMTPUTF8, RFC 6532); surrogates are how the library carries its bytes.
    message["To"] = _line(mail.to).encode().decode("ascii", "surrogateescape")
    subject = _line(mail.subject)
    message["Subject"] = subject if subject.isascii() else Header(subject, "utf-8", header_name="Subject").encode()
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
    name = "smtp"

    def __init__(self, url: str, *, timeout_seconds: float = 20.0) -> None:
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
        self._timeout = timeout_seconds
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []

    async def send(self, mail: Mail) -> None:
        content = compose(mail, datetime.now(UTC))
        client, fresh = await self._take()
        try:
            try:
                await self._envelope(client, mail)
            except (aiosmtplib.SMTPServerDisconnected, ConnectionError):
                if fresh:
                    raise
                # The server had closed an idle connection; nothing was said on it yet.
                client = await self._connect()
                await self._envelope(client, mail)
            await self._data(client, content)
        except aiosmtplib.SMTPResponseException as error:
            self._close(client)
            raise self._refusal(error.code) from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            self._close(client)
            raise self._refusal(error.recipients[0].code) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self._close(client)
            raise Transient(type(error).__name__) from None
        except BaseException:
            self._close(client)
            raise
        self._idle.append((asyncio.get_running_loop().time(), client))

    async def _envelope(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        options = [] if mail.to.isascii() else ["SMTPUTF8"]
        await client.mail(mail.sender_address, options=options, encoding="utf-8")
        await client.rcpt(mail.to, encoding="utf-8")

    @staticmethod
    async def _data(client: aiosmtplib.SMTP, content: bytes) -> None:
        try:
            await client.data(content)
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError, TimeoutError) as error:
            raise Unknown(type(error).__name__) from None

    @staticmethod
    def _refusal(code: int) -> Exception:
        return Refused(f"smtp {code}") if code >= 500 else Transient(f"smtp {code}")

    async def _take(self) -> tuple[aiosmtplib.SMTP, bool]:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, client = self._idle.pop()
            if now - since < IDLE_SECONDS and client.is_connected:
                return client, False
            self._close(client)
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
        except aiosmtplib.SMTPAuthenticationError as error:
            raise Transient(f"smtp login {error.code}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Transient(type(error).__name__) from None
        return client

    @staticmethod
    def _close(client: aiosmtplib.SMTP) -> None:
        client.close()

    async def close(self) -> None:
        for _, client in self._idle:
            client.close()
        self._idle.clear()
