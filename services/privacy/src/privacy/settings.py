"""Settings of the privacy service: so far those of every service."""

from servicekit.settings import ServiceSettings


class PrivacySettings(ServiceSettings):
    pass
