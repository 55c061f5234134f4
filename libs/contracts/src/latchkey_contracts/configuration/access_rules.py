"""Rules of an access policy: where, when and on what a factor is asked for or not, and who isn't let in (docs/flows/access.md)."""

import re
from datetime import time
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .parts import Part

_TIME = re.compile(r"^([01][0-9]|2[0-3]):([0-5][0-9])$")
MINUTES_OF_A_DAY = 24 * 60


def _time(value: Any) -> Any:
    """YAML 1.1 takes 22:00 without quotes for a number to the base of sixty."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MINUTES_OF_A_DAY:
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _is_time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError("a time is written as 22:00")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError("a network is written as 192.0.2.0/24 or 2001:db8::/32, without bits of a host") from None


TimeOfDay = Annotated[str, BeforeValidator(_time), AfterValidator(_is_time)]
Network = Annotated[str, AfterValidator(_network)]
Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Conditions(Part):
    """All that are given must hold."""

    networks: list[Network] | None = Field(
        default=None, min_length=1, max_length=500, description="The customer's address is in one of these (CIDR)"
    )
    countries: list[Region] | None = Field(
        default=None,
        min_length=1,
        max_length=250,
        description="It belongs to one of these (ISO 3166-1 alpha-2). Needs a database of places; an address that isn't in it has no country",
    )
    new_device: bool | None = Field(
        default=None,
        description="true: nobody has signed in to the account in this browser or client before; false: somebody has",
    )
    improbable_travel: bool | None = Field(
        default=None,
        description="true: the last sign-in was more than 500 km away, and nobody travels so fast (900 km/h). Needs a database of places",
    )
    between: tuple[TimeOfDay, TimeOfDay] | None = Field(
        default=None, description='From and until, in the application\'s time zone; ["22:00", "06:00"] goes over midnight'
    )

    @property
    def given(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name) is not None]

    @property
    def places(self) -> bool:
        """Whether it takes a database of places."""
        return self.countries is not None or self.improbable_travel is not None

    @model_validator(mode="after")
    def _some_time(self) -> "Conditions":
        if self.between is not None and self.between[0] == self.between[1]:
            raise ValueError("between needs two different times")
        return self


class Rule(Part):
    """`deny` beats `require` beats `skip`, whichever stands first.

    `skip`: an enrolled factor isn't asked for. `require`: a factor is needed, on a trusted device, too; who has none adds one first.
    `deny`: nobody is let in.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="Stands in events and logs as the reason")
    effect: Literal["skip", "require", "deny"]
    when: Conditions

    @model_validator(mode="after")
    def _some_condition(self) -> "Rule":
        if not self.when.given:
            why = "without a condition it keeps everybody out" if self.effect == "deny" else "when needs at least one condition"
            raise ValueError(why)
        return self

    def times(self) -> tuple[time, time]:
        """Of one that has `between`."""
        assert self.when.between is not None  # noqa: S101 - as the docstring says
        first, last = (time.fromisoformat(one) for one in self.when.between)
        return first, last
