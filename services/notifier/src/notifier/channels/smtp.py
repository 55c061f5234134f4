"""E-mail by SMTP with pooled connections, STARTTLS or TLS, login (RFC 5321, RFC 3207, RFC 4954)."""

import asyncio
import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from functools import lru_cache

import aiosmtplib
import idna
from latchkey_contracts.notifier import Channel
from servicekit.clock import Clock

from . import signing
from .base import Callback, CallStep, Mail, Message, Picture, Receipt, Refused, Transient, Unknown
from .refusals import refusal
from .smtp_server import SmtpServer

IDLE_SECONDS = 30.0
LONGEST_LINE = 990  # RFC 5322: 998
LONGEST_WORD = 75  # RFC 2047
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
            part: MIMEBase = MIMEText(text, subtype, "us-ascii")
        else:
            part = MIMEText(text.replace("\n", "\r\n"), subtype, "utf-8")  # RFC 2046 §4.1.1: lines end with CRLF
        message.attach(part if subtype == "plain" or mail.picture is None else _with(mail.picture, part))
    return message.as_bytes(policy=WIRE)


def _with(picture: Picture, html: MIMEBase) -> MIMEBase:
    """The HTML and the picture in it (RFC 2387), which mail programs then don't list as an attachment."""
    both = MIMEMultipart("related", boundary=f"=_{secrets.token_hex(16)}", type="text/html")
    both.attach(html)
    image = MIMEImage(picture.png, "png")
    image["Content-ID"] = f"<{picture.name}>"
    image["Content-Disposition"] = "inline"
    both.attach(image)
    return both


class SmtpProvider:
    channels: frozenset[Channel] = frozenset({"email"})
    keyed = False
    repeatable = True  # under one Message-ID, which mail servers and clients hold for one mail (docs/decisions/0004)

    def __init__(
        self, server: SmtpServer, *, clock: Clock, ehlo: str, name: str = "smtp", callback_key: bytes | None = None
    ) -> None:
        """`ehlo`: the name that we say we have, where the server's address names none."""
        self.name = name
        self._clock = clock
        self._callback_key = callback_key
        self._server = server
        self._ehlo = server.ehlo or ehlo
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

    async def send(
        self,
        message: Message,
        *,
        callback_url: str,  # noqa: ARG002 - SMTP has none
        expires_in: float,
        hurry: bool = False,
    ) -> str | None:
        mail = self.written(message)
        assert mail.content is not None  # noqa: S101 - written
        # Nothing leaves after its time, however long a server lets us wait (EVT-9).
        client = await self._begin(mail, min(self._server.times.patience, expires_in) if hurry else expires_in)
        try:
            await client.data(mail.content, timeout=self._server.times.content)
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            raise refusal("content", error.code, error.message) from None
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

    async def _begin(self, mail: Mail, seconds: float) -> aiosmtplib.SMTP:
        """A connection on which sender and recipient are said; nothing of the mail has left yet."""
        client: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(seconds):
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
            if isinstance(error, (aiosmtplib.SMTPException, OSError, TimeoutError)):
                raise Transient(type(error).__name__, down=True) from None
            raise
        return client

    @staticmethod
    async def _envelope(client: aiosmtplib.SMTP, mail: Mail) -> None:
        options = [] if mail.to.isascii() else ["SMTPUTF8"]
        if options and not client.supports_extension("SMTPUTF8"):
            raise Refused("the mail server takes no mailbox beyond ASCII")
        try:
            await client.mail(mail.sender_address, options=options, encoding="utf-8")
        except aiosmtplib.SMTPResponseException as error:
            raise refusal("sender", error.code, error.message) from None
        try:
            await client.rcpt(mail.to, encoding="utf-8")
        except aiosmtplib.SMTPResponseException as error:
            raise refusal("recipient", error.code, error.message) from None

    async def _take(self) -> tuple[aiosmtplib.SMTP, bool]:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, client = self._idle.pop()
            if now - since < IDLE_SECONDS and client.is_connected:
                return client, False
            client.close()
        return await self._connect(), True

    async def _connect(self) -> aiosmtplib.SMTP:
        """Greeted, secured, logged in, and known by our name."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._ehlo,
            timeout=server.times.step,
            use_tls=server.tls,
            start_tls=False,  # and no login: by hand below, since the library would try HELO where EHLO is refused
            validate_certs=server.verify,
        )
        try:
            await client.connect()
            await client.ehlo()
            offered = server.start_tls is None and client.supports_extension("starttls")
            if not server.tls and (server.start_tls or offered):
                await client.starttls()
                await client.ehlo()
            if server.user:
                await client.login(server.user, server.password or "")
        except aiosmtplib.SMTPResponseException as error:  # about us, not about one mail
            client.close()
            raise refusal("start", error.code, error.message) from None
        except BaseException:
            client.close()
            raise
        return client

    async def close(self) -> None:
        for _, client in self._idle:
            client.close()
        self._idle.clear()
