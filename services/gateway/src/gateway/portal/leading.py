"""Where pages of an application may lead, beside our own (WEB-10)."""

from latchkey_contracts.configuration import Application

from gateway.web.headers import origins


def targets(application: Application) -> list[str]:
    """Its registered addresses, and the providers that it signs in with: browsers hold the redirect after a form against it."""
    return origins([*application.return_urls, *(origin for one in application.social for origin in one.origins)])
