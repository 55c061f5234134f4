"""Settings of the mfa service: so far those of every service."""

from servicekit.settings import ServiceSettings


class MfaSettings(ServiceSettings):
    pass
