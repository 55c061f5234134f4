"""For operators: which messages there are, how each looks and sounds, and one sent to try it (E17)."""

import re
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import phonenumbers
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import PARTS, TEMPLATES
from servicekit.clock import Clock
from servicekit.errors import FieldError, NotFound, ValidationFailed
from servicekit.logging import get_logger
from servicekit.process.configuration import Configuration, Resolved

from notifier.channels.base import Call, Mail, Message, Provider, Refused, Text, Transient, Unknown
from notifier.channels.chain import Chain
from notifier.channels.twilio import TwilioProvider

from . import own
from .render import Renderer
from .sample import sample
from .segments import segments

EXPIRES_IN = 300.0
_MAILBOX = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
log = get_logger(__name__)


@dataclass(frozen=True)
class Try:
    provider: str
    outcome: str  # handed_over, not_sent, refused, unknown
    reason: str | None = None


class Templates:
    def __init__(self, renderer: Renderer, configuration: Configuration, chain: Chain, clock: Clock, origin: str) -> None:
        self._renderer = renderer
        self._configuration = configuration
        self._chain = chain
        self._clock = clock
        self._origin = origin

    def listing(self, slug: str) -> list[dict[str, Any]]:
        """Every template, with the languages in which this application has texts of its own."""
        resolved = self._application(slug)
        return [
            {
                "template": name,
                "lane": one.lane,
                "channels": list(one.channels),
                "enabled": name not in (policy := resolved.notification.templates) or policy[name].enabled,
                "own": {
                    channel: [language for language in LANGUAGES if own.texts(resolved.notification, name, language, channel)]
                    for channel in one.channels
                },
                "variables": sorted(one.variables),
                "required": {part: sorted(names) for part, names in one.required.items()},
            }
            for name, one in TEMPLATES.items()
        ]

    def preview(self, template: str, slug: str, language: str | None, channel: str) -> dict[str, Any]:
        """Raises ValidationFailed."""
        message, resolved = self._compose(template, slug, language, channel, None)
        texts = own.texts(resolved.notification, template, message.language, cast(Channel, channel))
        return {"language": message.language, "own": sorted(texts), **_parts(message)}

    async def send(self, template: str, slug: str, language: str | None, channel: str, to: str) -> list[Try]:
        """To the first provider that takes it, marked as a test. Raises ValidationFailed."""
        message, resolved = self._compose(template, slug, language, channel, to)
        tries: list[Try] = []
        for provider in self._chain.order(cast(Channel, channel), getattr(resolved.notification, channel).providers):
            tries.append(await self._hand_over(provider, message))
            if tries[-1].outcome != "not_sent":
                break
        outcome = tries[-1].outcome if tries else "no_provider"
        log.info("templates.test_sent", template=template, channel=channel, outcome=outcome)
        return tries

    async def _hand_over(self, provider: Provider, message: Message) -> Try:
        if isinstance(message, Call) and isinstance(provider, TwilioProvider):
            # It asks for the words when the call is answered, and a test is kept nowhere.
            return Try(provider.name, "not_sent", "its calls ask for their words later, which a test has none of")
        url = f"{self._origin}/v1/callbacks/{provider.name}?message={message.message_id}"
        try:
            await provider.send(message, callback_url=url, expires_in=EXPIRES_IN)
        except Transient as error:
            return Try(provider.name, "unknown" if error.counted else "not_sent", str(error))
        except Refused as error:
            return Try(provider.name, "refused", str(error))
        except Unknown as error:
            return Try(provider.name, "unknown", str(error))
        return Try(provider.name, "handed_over")

    def _application(self, slug: str) -> Resolved:
        try:
            return self._configuration.application(slug)
        except NotFound:
            there = ", ".join(self._configuration.slugs()) or "none yet"
            raise _invalid(("application", "There is no such application", there)) from None

    def _compose(self, template: str, slug: str, language: str | None, channel: str, to: str | None) -> tuple[Message, Resolved]:
        """With sample data. Everything that is wrong is told at once."""
        wrong: list[tuple[str, str, str]] = []
        known = TEMPLATES.get(template)
        if known is None:
            wrong.append(("template", "There is no such template", ", ".join(sorted(TEMPLATES))))
        elif channel not in known.channels:
            wrong.append(("channel", "This template is not sent that way", ", ".join(known.channels)))
        if language is not None and language not in LANGUAGES:
            wrong.append(("language", "There is no such language", ", ".join(LANGUAGES)))
        if to is not None and not _reachable(channel, to):
            wrong.append(
                ("to", "This is no address for that channel", "somebody@example.org for email, +49... for sms and voice")
            )
        if wrong:
            raise _invalid(*wrong)
        resolved, now = self._application(slug), self._clock.now()
        way = cast(Channel, channel)
        content = sample(template, way, to=to, origin=self._origin, slug=slug, now=now)
        said = language or resolved.application.default_language
        one = str(uuid4())
        return self._renderer.compose(way, template, said, resolved, content, one, now, test=to is not None), resolved


def _invalid(*wrong: tuple[str, str, str]) -> ValidationFailed:
    return ValidationFailed(
        [FieldError(f"/{field}", "invalid", f"{reason}; there are: {there}") for field, reason, there in wrong]
    )


def _reachable(channel: str, to: str) -> bool:
    if channel == "email":
        return _MAILBOX.fullmatch(to) is not None
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(to, None))
    except phonenumbers.NumberParseException:
        return False


def _parts(message: Message) -> dict[str, Any]:
    """By what an operator calls them (PARTS)."""
    if isinstance(message, Mail):
        sender = f"{message.sender_name} <{message.sender_address}>"
        return {"from": sender, **{part: getattr(message, part) for part, channel in PARTS.items() if channel == "email"}}
    if isinstance(message, Text):
        size = segments(message.body)
        return {"sms": message.body, "segments": size.count, "encoding": size.encoding, "units": size.units}
    return {"prompt": message.prompt, "voice": message.body}
