"""One application with its texts, and messages composed for it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from latchkey_contracts.configuration import AccessPolicy, IdentityStore, NotificationPolicy, SelfServicePolicy
from latchkey_contracts.messages import MessageContent
from notifier.channels.base import Call, Mail, Text
from notifier.templates.render import Renderer
from notifier.templates.sample import sample
from servicekit.process.configuration import Resolved

ORIGIN = "https://id.example"
FOOT = {"postal_line": "Elmstead Energy, Lindenstraße 1, 04103 Leipzig", "support_phone": "0800 555 0142"}
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # 13:00 in Berlin


def resolved(application: Any, texts: dict[str, Any] | None = None) -> Resolved:
    """`texts`: by template, as in a notification policy."""
    templates = {name: {"texts": one} for name, one in (texts or {}).items()}
    policy = NotificationPolicy.model_validate({"name": "Default", "templates": templates})
    return Resolved(
        application, IdentityStore(name="Default"), SelfServicePolicy(name="Default"), policy, AccessPolicy(name="Default")
    )


def xml(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


Compose = Callable[..., Any]


@pytest.fixture
def compose(application) -> Compose:
    """compose(channel, template, language, texts=own texts, now=..., brand=..., anything of the content=...)."""
    renderer = Renderer("no-reply@localhost", ORIGIN)

    def make(
        channel: str,
        template: str,
        language: str = "en",
        *,
        texts: Any = None,
        now: datetime = NOW,
        test: bool = False,
        brand: Any = None,
        **changes,
    ) -> Mail | Text | Call:
        foot = {name: getattr(application.brand, name) or one for name, one in FOOT.items()}
        shown = application.brand.model_copy(update={**foot, **(brand or {})})
        served = resolved(application.model_copy(update={"brand": shown}), texts)
        content = sample(template, channel, origin=ORIGIN, slug="demo", now=NOW)
        content = MessageContent(**{**content.model_dump(), **changes})
        return renderer.compose(channel, template, language, served, content, "id", now, test=test)

    return make
