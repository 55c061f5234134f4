"""An operator's own texts (docs/configuration.md): data with names in it. HTML is cleaned after it was filled in, so that nothing gets past (WEB-14)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import nh3
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import PARTS, TEMPLATES
from markupsafe import Markup, escape
from servicekit import brands
from servicekit.logging import get_logger
from servicekit.own_texts import fill, problems

from .facts import one_line

TAGS = {
    "a", "b", "bdi", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "li", "ol", "p", "small", "span",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"*": {"dir", "lang"}, "a": {"href"}, "th": {"scope", "colspan", "rowspan"}, "td": {"colspan", "rowspan"}}
SCHEMES = {"https", "http", "mailto", "tel"}
log = get_logger(__name__)


def texts(
    policy: NotificationPolicy, template: str, language: str, channel: Channel, facts: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """By part, in this one language. One that couldn't be applied today (a newer release wrote it) counts for nothing: ours go out.

    So do ours where a text speaks of a link or a code, come what may, and the message has none.
    """
    setting = policy.templates.get(template)
    text = setting.texts.get(language) if setting is not None else None  # type: ignore[call-overload]
    if text is None:
        return {}
    found = {part: said for part, said in text.model_dump().items() if said is not None and PARTS[part] == channel}
    if ("text" in found) != ("html" in found) or any(not _usable(template, part, said) for part, said in found.items()):
        log.warning("templates.own_text_refused", template=template, language=language, channel=channel)
        return {}
    gaps = [name for name in ("link", "code") if facts is not None and not facts[name]]
    return {} if any(_needs(said, name) for said in found.values() for name in gaps) else found


@lru_cache(maxsize=1000)
def _needs(text: str, name: str) -> bool:
    return bool(re.search(rf"\{{\{{\s*{name}\s*\}}\}}", text)) and not re.search(rf"\{{%\s*if\s+{name}\s*%\}}", text)


@lru_cache(maxsize=1000)
def _usable(template: str, part: str, text: str) -> bool:
    return template in TEMPLATES and not list(problems(template, part, text))


def values(facts: Mapping[str, Any]) -> dict[str, str]:
    """As an operator's text knows them: all are texts, and what is not there is empty."""
    return {name: str(value or "") for name, value in facts.items() if not isinstance(value, list)}


def line(text: str, facts: Mapping[str, Any]) -> str:
    return one_line(fill(text, values(facts)))


def lines(text: str, facts: Mapping[str, Any]) -> str:
    """With its line breaks."""
    return "\n".join(one_line(one) for one in fill(text, values(facts)).splitlines()).strip()


def html(text: str, facts: Mapping[str, Any], brand: Brand) -> Markup:
    return Markup(_cleaner(brand).clean(fill(text, values(facts), lambda value: str(escape(value)))))  # noqa: S704 - cleaned


@lru_cache(maxsize=256)
def _cleaner(brand: Brand) -> nh3.Cleaner:
    """Scripts, styles, pictures and handlers go, tags are closed, and what stays looks like the rest of the mail."""
    light = brands.tokens(brand)["light"]
    quiet = f"border-top:1px solid {light['line']};padding:10px 0;text-align:inherit;vertical-align:top;"
    return nh3.Cleaner(
        tags=TAGS,
        clean_content_tags={"script", "style", "title", "template", "noscript"},
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        url_relative="deny",
        link_rel=None,
        set_tag_attribute_values={
            "a": {"class": "accent", "style": f"color:{light['accent']};"},
            "h1": {"style": "margin:0 0 12px;font-size:24px;line-height:30px;"},
            "h2": {"style": "margin:0 0 8px;font-size:19px;line-height:26px;"},
            "h3": {"style": "margin:0 0 8px;font-size:16px;line-height:25px;"},
            "p": {"style": "margin:0 0 16px;"},
            "td": {"class": "rule", "style": quiet},
            "th": {"class": "rule", "style": quiet},
        },
    )
