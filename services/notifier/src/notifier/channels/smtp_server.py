"""Where mail is handed over, and how long each step may take: `smtp://[user:password@]host[:port][?name=value&...]`, or smtps."""

from dataclasses import dataclass, fields
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

import idna

# RFC 5321 §4.5.3.2 gives each step minutes, since servers look things up before they answer. These are as patient as a message
# can be that somebody waits for; where another provider is there, `patience` is all that comes before the mail itself gets.
STEP_SECONDS = 60.0
CONTENT_SECONDS = 120.0
PATIENCE_SECONDS = 4.0
LONGEST_SECONDS = 600.0
MODES = {"require": True, "offered": None, "never": False}
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Times:
    """In seconds. `step`: connection, greeting, EHLO, TLS, login, MAIL, RCPT, each. `content`: from DATA to the server's yes.
    `patience`: everything before DATA together, where another provider waits to take the message (E15).
    """

    step: float = STEP_SECONDS
    content: float = CONTENT_SECONDS
    patience: float = PATIENCE_SECONDS


@dataclass(frozen=True)
class SmtpServer:
    """`start_tls`: True refuses a server without, None uses it where it is offered, False is for development only."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool
    start_tls: bool | None
    verify: bool
    ehlo: str | None
    times: Times

    @property
    def plain(self) -> bool:
        """Readable by others on the way."""
        return not self.tls and self.start_tls is not True

    @classmethod
    def of(cls, url: str) -> "SmtpServer":
        """Raises ValueError, without repeating a value."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("must be smtp://host or smtps://host")
        try:
            port = parts.port or (465 if parts.scheme == "smtps" else 587)
        except ValueError:
            raise ValueError("its port must be a number from 1 to 65535") from None
        said = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        times = {f"{one.name}_seconds": one.name for one in fields(Times)}
        if unknown := sorted(set(said) - {"starttls", "verify", "ehlo", *times}):
            raise ValueError(f"knows no {', '.join(unknown)}")
        mode = said.get("starttls", "offered" if parts.hostname in _LOCAL else "require")
        if mode not in MODES:
            raise ValueError(f"its starttls is one of {', '.join(MODES)}")
        return cls(
            host=parts.hostname,
            port=port,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=parts.scheme == "smtps",
            start_tls=MODES[mode],
            verify=said.get("verify", "on") != "off",
            ehlo=said.get("ehlo") or None,
            times=Times(**{field: _seconds(name, said[name]) for name, field in times.items() if name in said}),
        )


def ehlo_name(origin: str) -> str:
    """The host of an origin as EHLO says it: A-labels, an address in brackets (RFC 5321 §4.1.3)."""
    host = urlsplit(origin).hostname or "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _seconds(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found <= LONGEST_SECONDS:
        raise ValueError(f"its {name} must be more than 0 and at most {LONGEST_SECONDS:g}")
    return found
