"""Settings of the privacy service: so far those of every service."""

from servicekit.process.settings import ServiceSettings


class PrivacySettings(ServiceSettings):
    pass
