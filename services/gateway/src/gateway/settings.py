"""Settings of the gateway, beside those of every service."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import Field, field_validator
from servicekit.settings import ServiceSettings, in_production, only_for_tests


class GatewaySettings(ServiceSettings):
    trusted_proxies: str = Field("", description="Networks (CIDR, comma separated) whose X-Forwarded-For counts (THR-4)")
    # Generous: many customers may sit behind one address (E2); what one identifier may get is counted in identity.
    starts_per_minute: int = Field(300, ge=1, description="Flows that one network (/32, /64) may start in a minute")
    tries_per_minute: int = Field(600, ge=1, description="Passwords, codes and numbers that one network may try in a minute")
    inbox_url: Annotated[str | None, in_production(only_for_tests)] = None
    session_cache: int = Field(50_000, ge=100)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for one in filter(None, (part.strip() for part in value.split(","))):
            ip_network(one)
        return value

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        return [ip_network(one.strip()) for one in self.trusted_proxies.split(",") if one.strip()]
