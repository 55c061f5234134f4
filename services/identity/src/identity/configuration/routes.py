"""POST /internal/configuration (latchkey apply) and GET /v1/apps/{app}."""

from dataclasses import asdict
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Body
from latchkey_contracts.configuration import Application, Consent
from latchkey_contracts.http import apps
from servicekit.process.configuration import Resolved
from servicekit.spoken import spelt
from servicekit.web.caller import CallerDep, allow

from identity.accounts.values import asked

from .service import ConfigurationService

APPLY = "/internal/configuration"
FRIENDLY_URLS = "/internal/friendly-urls"
BODY_LIMITS = {APPLY: 4 * 1024 * 1024}  # an operator's file with hundreds of applications


def router(configuration: ConfigurationService) -> APIRouter:
    routes = APIRouter()

    @routes.post(APPLY, dependencies=[allow("operator")])
    async def apply(document: Annotated[Any, Body()]) -> dict[str, Any]:
        return await configuration.apply(document)

    @routes.get(FRIENDLY_URLS, dependencies=[allow("operator")])
    async def friendly_urls() -> list[dict[str, Any]]:
        """Of every application, and how each is spelt on the phone (E31)."""
        found = sorted(configuration.friendly_urls(), key=lambda one: (one.application, one.url))
        return [{**asdict(one), "spelt": spelt(one.url)} for one in found]

    @routes.get("/v1/apps/{app}")
    async def application(app: str, caller: CallerDep) -> apps.Application:
        return describe(configuration.application(app), caller.language)

    return routes


def describe(found: Resolved, language: str | None) -> apps.Application:
    application, store, policy = found.application, found.store, found.policy
    said = language or application.default_language
    return apps.Application(
        slug=application.slug,
        name=application.brand.name,
        brand={
            **application.brand.model_dump(mode="json", exclude_none=True),
            "support_text": application.brand.support(said, application.default_language),
        },
        languages=list(application.languages),
        identifiers=[apps.IdentifierField(kind=kind, required=one.use == "required") for kind, one in store.used().items()],
        attributes=[
            asked(application, said, attribute) for attribute in store.attributes if attribute.at_registration == "shown"
        ],
        consents=[_consent(application, said, consent) for consent in application.consents],
        password=apps.PasswordRule(min_length=store.password.min_length, max_length=store.password.max_length),
        social=[apps.SocialOption(name=one.name, label=one.said) for one in application.social],
        features={
            "registration": policy.registration.enabled,
            "activation": policy.registration.activation and store.verifiable,
            "password_last": policy.password_last and store.always_reached,
        },
    )


def _consent(application: Application, said: str, consent: Consent) -> apps.ConsentField:
    """`hash`: of the text that is shown, in that language; a decision names it."""
    text = application.readable(said, consent.text)
    return apps.ConsentField(
        id=consent.id,
        version=consent.version,
        mandatory=consent.mandatory,
        title=application.readable(said, consent.title),
        text=text,
        hash=sha256(text.encode()).hexdigest(),
    )
