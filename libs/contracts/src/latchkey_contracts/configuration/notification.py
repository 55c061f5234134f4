"""How messages go out: channels, countries, money, and an operator's own words."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from .parts import Duration, Part, between, configuration_id


class EmailChannel(Part):
    enabled: bool = True
    providers: list[str] = Field(default_factory=list, max_length=5, description="Names in order; none: all there are")


Country = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{0,3}|[A-Z]{2})$")]


class PaidChannel(EmailChannel):
    """SMS or voice: closed but for the countries named, so that nobody pumps money into strange networks (FRD-1).

    A country is a region by ISO 3166 (`JM`), or the dial code of the region that has it first: `+1` are the United States alone,
    `+44` Great Britain, `+7` Russia.
    """

    countries: list[Country] = Field(default_factory=list, max_length=300)
    monitored: list[Country] = Field(
        default_factory=list,
        max_length=300,
        description="Of the open ones: where class, range, share and pace of numbers are recorded and refuse nothing. Money caps hold",
    )
    price: float = Field(default=0.25, ge=0, le=100, description="Of a segment or a call, where no country's is named")
    prices: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default_factory=dict, description="By country, as above; a region goes before its dial code"
    )


class Fallback(Part):
    """E15: where a message was not delivered, or nothing is known of it for `after`, it goes another way while its code lives.

    Of an e-mail nothing more is known than that it was taken: it goes another way only where it is refused.
    """

    email: list[Literal["sms", "voice"]] = Field(default_factory=list)
    sms: list[Literal["voice", "email"]] = Field(default_factory=list)
    voice: list[Literal["sms", "email"]] = Field(default_factory=list)
    after: Duration = between("10 s", "300 s", "30 s")


Amount = Annotated[float, Field(ge=0, le=1_000_000)]


class Strangers(Part):
    """Numbers that nobody has proven for a day (FRD-6)."""

    enabled: bool = Field(
        default=False,
        description="Also where neither the number nor an address of its account is proven: for accounts that begin with a phone",
    )
    per_hour: Amount = 5
    per_day: Amount = 20


class Spending(Part):
    """What SMS and voice of an application may cost, in the currency of the prices (FRD-3, INV-12). Hours, days and months are UTC's.

    Half of each is for everybody, three tenths more for numbers that were proven a day ago or before, the rest for security notices.
    """

    per_hour: Amount = 20
    per_day: Amount = 100
    per_month: Amount | None = Field(default=None, description="None: as many days as there are")
    countries: dict[Country, Amount] = Field(
        default_factory=dict, description="Of one country a day; a region goes before its dial code"
    )
    strangers: Strangers = Strangers()


class TemplateText(Part):
    """An operator's own words in one language. text and html go together; html stands inside of the layout, scripts and styles removed."""

    subject: str | None = Field(default=None, min_length=1, max_length=200)
    text: str | None = Field(default=None, min_length=1, max_length=10_000)
    html: str | None = Field(default=None, min_length=1, max_length=20_000)
    sms: str | None = Field(default=None, min_length=1, max_length=600)
    voice: str | None = Field(default=None, min_length=1, max_length=300, description="Said in less than a minute (PST-4)")


class TemplateSetting(Part):
    enabled: bool = True
    texts: dict[Literal["en", "ar", "de", "es", "fr"], TemplateText] = Field(default_factory=dict)


class NotificationPolicy(Part):
    """docs/configuration.md. The channels' credentials are the notifier's settings, not here."""

    name: str = Field(min_length=1, max_length=60)
    email: EmailChannel = EmailChannel()
    sms: PaidChannel = PaidChannel()
    voice: PaidChannel = PaidChannel()
    fallback: Fallback = Fallback()
    spending: Spending = Spending()
    templates: dict[str, TemplateSetting] = Field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return configuration_id("notification_policy", self.name)
