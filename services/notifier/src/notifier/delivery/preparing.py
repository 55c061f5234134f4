"""From a row to a message that can be handed over, or to the reason why it can't be or must not. Writes nothing."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.messages import Contact, MessageContent, Secrets
from latchkey_contracts.notifier import Channel
from latchkey_contracts.sealed import Sealed
from latchkey_contracts.templates import TEMPLATES
from servicekit import numbers
from servicekit.clock import Clock
from servicekit.errors import NotFound
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration, Resolved
from servicekit.sealing import Opener, SealBroken, SealExpired

from notifier.channels.base import Message, Text
from notifier.fraud import rules as fraud
from notifier.suppression.rules import fingerprint
from notifier.switches.service import Switches
from notifier.templates.render import NotRenderable, Renderer
from notifier.templates.segments import segments

from . import rules
from .states import Ended
from .store import StoredMessage

HOLD = timedelta(seconds=5)
EXPIRED = "its time was over before it could leave"


@dataclass(frozen=True)
class Ready:
    """What is needed to hand one message over."""

    row: StoredMessage
    lease: UUID
    message: Message
    resolved: Resolved
    content: MessageContent
    recipient: bytes
    units: int | None  # segments of an SMS
    land: numbers.Land | None  # of a number; a mail has none, and costs nothing
    cost: int

    @property
    def channel(self) -> Channel:
        return self.row.channel


@dataclass(eq=False)
class Over(Exception):
    """It ends without leaving."""

    state: Ended
    reason: str
    content: MessageContent | None = None


@dataclass(eq=False)
class Waits(Exception):
    """Not now, and nobody was asked; `due`: look again after so long, else after the usual delay."""

    reason: str
    due: timedelta | None = None


class Preparing:
    def __init__(
        self,
        *,
        clock: Clock,
        opener: Opener,
        keys: Keys,
        renderer: Renderer,
        configuration: Configuration,
        switches: Switches,
    ) -> None:
        self._clock = clock
        self._opener = opener
        self._keys = keys
        self._renderer = renderer
        self._configuration = configuration
        self._switches = switches

    def prepare(self, row: StoredMessage, lease: UUID) -> Ready:
        """Raises Over or Waits."""
        if row.expires_at <= self._clock.now():
            raise Over("expired", EXPIRED)
        try:
            content, resolved = self.open(row), self._configuration.application(row.application)
        except SealExpired:
            raise Over("expired", EXPIRED) from None
        except SealBroken as error:
            raise Over("failed", f"the envelope can't be opened: {error}") from None
        except NotFound:
            raise Waits("the application is not known yet") from None
        to = rules.address(content, row.channel)
        if to is None:
            raise Over("failed", f"there is no address for {row.channel}", content)
        content = _for_way(content, row.channel, to)
        land = None if row.channel == "email" else numbers.Land.of(to)
        self._check_allowed(row, resolved.notification, land)
        self._check_switches(row, land.code if land else None)
        try:
            message = self._compose(row, content, resolved)
        except NotRenderable as error:
            raise Over("failed", str(error), content) from None
        recipient = fingerprint(self._keys.secret("lookup"), row.channel, to)
        units = segments(message.body).count if isinstance(message, Text) else None
        paid = fraud.paid(resolved.notification, row.channel)
        cost = fraud.cost(paid, land, units or 1) if paid is not None else 0
        return Ready(row, lease, message, resolved, content, recipient, units, land, cost)

    def open(self, row: StoredMessage) -> MessageContent:
        """One envelope, or two where identity sealed whom to reach and another service what to say. Raises SealExpired, SealBroken."""
        sealed = Sealed.model_validate(row.sealed)
        if row.contact is None:
            return self._opener.open(sealed, MessageContent)
        contact = self._opener.open(Sealed.model_validate(row.contact), Contact)
        secrets = self._opener.open(sealed, Secrets)
        return MessageContent(**contact.model_dump(), **secrets.model_dump())

    def words(self, row: StoredMessage) -> Message:
        """What a message says; for a call that asks. Raises SealExpired, SealBroken, NotFound, NotRenderable."""
        content, resolved = self.open(row), self._configuration.application(row.application)
        to = rules.address(content, row.channel) or content.to
        return self._compose(row, _for_way(content, row.channel, to), resolved)

    def resolved(self, row: StoredMessage) -> Resolved:
        """Raises NotFound."""
        return self._configuration.application(row.application)

    def _compose(self, row: StoredMessage, content: MessageContent, resolved: Resolved) -> Message:
        now = self._clock.now()
        return self._renderer.compose(row.channel, row.template, row.language, resolved, content, str(row.id), now)

    @staticmethod
    def _check_allowed(row: StoredMessage, policy: NotificationPolicy, land: numbers.Land | None) -> None:
        """What the notification policy says against it. Security notices by e-mail can't be switched off (NOT-3)."""
        channel, template = row.channel, TEMPLATES[row.template]
        setting = policy.templates.get(row.template)
        if setting is not None and not setting.enabled and not template.essential:
            raise Over("suppressed", "template_disabled")
        if not getattr(policy, channel).enabled and not (channel == "email" and template.security):
            raise Over("suppressed", "channel_disabled")
        paid = fraud.paid(policy, channel)
        if paid is not None and (reason := numbers.against(paid, land)) is not None:
            if reason == "country":
                numbers.CLOSED.labels(channel, (land and land.region) or numbers.NO_REGION).inc()
            raise Over("suppressed", reason)

    def _check_switches(self, row: StoredMessage, land: str | None) -> None:
        """FRD-11. A security notice waits even where all else is dropped (NOT-3)."""
        off = self._switches.check(row.channel, land, row.application)
        if off is not None and off.drop and row.lane > 0:
            raise Over("suppressed", "channel_off")
        if off is not None:
            raise Waits("the channel is switched off", HOLD)


def _for_way(content: MessageContent, channel: Channel, to: str) -> MessageContent:
    """The same content for the way that it goes now."""
    if content.channel == channel:
        return content
    proven_at = next((other.proven_at for other in content.others if (other.channel, other.to) == (channel, to)), None)
    return content.model_copy(update={"channel": channel, "to": to, "proven_at": proven_at})
