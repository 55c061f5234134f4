"""From a template and what it needs to a page. No inline styles or scripts; every asset has its content's hash in its name."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from latchkey_contracts.http.sign_in import SessionInfo
from servicekit import brands
from servicekit.devices import parts

from . import i18n, purposes, times

FOLDER = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def environment(language: str) -> Environment:
    """One for each language, so that its templates are compiled once."""
    found = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = i18n.catalogue(language)
    found.install_gettext_callables(catalogue.gettext, catalogue.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return found


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """{name with hash: (content, type)}."""
    found = {}
    for path in sorted((FOLDER / "static").iterdir()):
        content = path.read_bytes()
        found[f"{path.stem}.{sha256(content).hexdigest()[:12]}{path.suffix}"] = (content, _TYPES[path.suffix])
    return found


@cache
def asset_url(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return "/static/" + next(asset for asset in assets() if asset.startswith(f"{stem}.") and asset.endswith(f".{suffix}"))


def brand_style(brand: Brand) -> tuple[str, str]:
    """Name (with hash) and content of a brand's style sheet."""
    text = brands.stylesheet(brand)
    return f"brand.{sha256(text.encode()).hexdigest()[:12]}.css", text


@dataclass(frozen=True)
class PageContext:
    """What every page knows: whose it is, in which language, for whom."""

    application: Application
    language: str
    nonce: str
    here: str  # the address that shows this page when it is opened again, with its flow
    csrf: str
    now: datetime
    signed_in: bool = False
    session_ends: datetime | None = None  # unless it is used again before
    can_reset: bool = False  # D14: by oneself
    edits_personal: bool = False
    home: str | None = None  # the application whose help and sign-in this page leads to

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.application.timezone)


def session_ends(session: SessionInfo, now: datetime) -> datetime:
    """This page counts as use, so the idle time begins anew; the absolute end doesn't move."""
    return min(now + timedelta(seconds=session.idle_seconds), session.expires_at)


def render(template: str, page: PageContext, **values: Any) -> str:
    brand = page.application.brand
    shared: dict[str, Any] = {
        "app": page.application,
        "brand": brand,
        "base": f"/{page.application.slug}",
        "home": page.home,
        "language": page.language,
        "direction": "rtl" if page.language in i18n.RIGHT_TO_LEFT else "ltr",
        "languages": [(one, i18n.NAMES[one]) for one in i18n.offered(page.application)],
        "here": page.here,
        "in_language": lambda code: f"{page.here}{'&' if '?' in page.here else '?'}ui_locales={code}",
        "nonce": page.nonce,
        "csrf": page.csrf,
        "signed_in": page.signed_in,
        "session_ends": page.session_ends,
        "can_reset": page.can_reset,
        "edits_personal": page.edits_personal,
        "seconds_left": int((page.session_ends - page.now).total_seconds()) if page.session_ends else 0,
        "asset": asset_url,
        "brand_css": f"/static/{page.application.slug}/{brand_style(brand)[0]}",
        "moment": lambda at: times.moment(at, page.now, page.zone, page.language),
        "on": lambda at: times.moment(at, page.now, page.zone, page.language, inside=True),
        "clock_minutes": lambda at: f"{at.astimezone(page.zone):%H:%M}",
        "clock_time": lambda at: times.clock_time(at, page.zone),
        "day": lambda at: times.day(at, page.now, page.zone, page.language),
        "device": parts,
        "link_page": purposes.of,
        "tel": lambda phone: f"tel:{re.sub(r'[^0-9+]', '', phone)}",
        "support_text": brand.support(page.language, page.application.default_language),
        "named": {},  # the page's fields by their labels, for the error summary
        "errors": {},
        "values": {},
        **dict.fromkeys(("done", "notice", "passkey", "problem", "trouble")),
        "link": "",
        "wait": 0,
        "now": page.now,
    }
    return environment(page.language).get_template(template).render({**shared, **values})
