"""The base of every event, and what travels around it (CloudEvents 1.0 attributes and our extensions)."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

AuthType = Literal["user", "admin", "system", "unauthenticated"]


class Meta(BaseModel):
    """The attributes of one published event (docs/events.md); `source` and `id` together are unique for ever (EVT-2)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    source: str
    type: str
    time: datetime
    subject: str
    aggregateversion: int = Field(ge=1, description="Counts per subject and publishing service from 1 (EVT-4)")
    correlationid: str
    causationid: str | None = None
    traceparent: str | None = None
    authtype: AuthType = "system"
    tenant: str | None = None
    expirytime: datetime | None = None


class Event(BaseModel):
    """One fact that happened. Unknown fields are ignored, so that a reader survives a newer publisher (EVT-7)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    publisher: ClassVar[str]
    subject_field: ClassVar[str] = "account_id"
    waited_for: ClassVar[bool] = True  # False: it may be on its way for a second, together with others
    may_expire: ClassVar[bool] = False  # only what asks for something; a fact is true for ever (EVT-9)
    registry: ClassVar[dict[str, type["Event"]]] = {}

    _meta: Meta | None = PrivateAttr(default=None)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        event_type = cls.__dict__.get("event_type")
        if event_type is None:  # an abstract base
            return
        if Event.registry.setdefault(event_type, cls) is not cls:
            raise TypeError(f"two classes for event type {event_type}")
        publisher = event_type.split(".")[1]
        if event_type != f"latchkey.{publisher}.{event_type.split('.')[2]}.{event_type.rsplit('.', 1)[1]}":
            raise TypeError(f"not latchkey.<service>.<event>.v<n>: {event_type}")
        cls.publisher = publisher

    @property
    def subject(self) -> str:
        """The aggregate that the event is about; also the Kafka key, so its events stay in order."""
        return str(getattr(self, self.subject_field))

    @property
    def meta(self) -> Meta:
        """Present on events that were received; asking an event that was only made is a programming error."""
        if self._meta is None:
            raise LookupError("this event was not received from a topic")
        return self._meta

    def received(self, meta: Meta) -> "Event":
        self._meta = meta
        return self


class AccountEvent(Event):
    """An event about one account."""

    account_id: UUID


class CodeGuessing(Event):
    """Codes of this purpose are being guessed, a few for each of many people (OTP-6): far more than usual were wrong within the
    window. New codes are longer until the time named, which moves on while it lasts.
    """

    subject_field = "purpose"
    purpose: str
    wrong: int = Field(ge=0)
    correct: int = Field(ge=0)
    window_seconds: int = Field(ge=1)
    code_length: int
    until: datetime
