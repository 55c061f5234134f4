"""Settings of the gateway, beside those of every service."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from maxminddb import InvalidDatabaseError
from pydantic import Field, field_validator
from servicekit.process.settings import ServiceSettings, in_production, only_for_tests

from gateway.limits.asn import open_asn
from gateway.web.addresses import networks


class GatewaySettings(ServiceSettings):
    trusted_proxies: str = Field("", description="Networks (CIDR, comma separated) whose X-Forwarded-For counts (THR-4)")
    # Generous: many customers may sit behind one address (E2); what one identifier may get is counted in identity.
    starts_per_minute: int = Field(300, ge=1, description="Flows that one network (/32, /64) may start in a minute")
    tries_per_minute: int = Field(600, ge=1, description="Passwords, codes and numbers that one network may try in a minute")
    # What many share (THR-1), as multiples of one network's.
    asn_times: int = Field(20, ge=1, description="An autonomous system may do so many times what one network may")
    application_times: int = Field(100, ge=1, description="All customers of one application may do so many times that")
    all_times: int = Field(200, ge=1, description="Everybody together may do so many times that")
    connections_per_address: int = Field(
        256, ge=1, description="Connections that one network (/32, /64) may have at a time; trusted proxies may have any number"
    )
    asn_database: Path | None = Field(None, description="MMDB file of autonomous systems; unreadable refuses the start")
    inbox_url: Annotated[str | None, in_production(only_for_tests)] = None
    local_provider_url: Annotated[str | None, in_production(only_for_tests)] = None
    session_cache: int = Field(50_000, ge=100)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("asn_database")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        try:
            open_asn(path)
        except OSError as error:
            raise ValueError(f"can't be read: {error.strerror}") from None
        except InvalidDatabaseError:
            raise ValueError("is no MMDB file") from None
        return path

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        return networks(self.trusted_proxies)
