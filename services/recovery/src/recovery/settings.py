"""Settings of the recovery service: so far those of every service."""

from servicekit.settings import ServiceSettings


class RecoverySettings(ServiceSettings):
    pass
