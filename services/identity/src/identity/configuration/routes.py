"""POST /internal/configuration (latchkey apply) and GET /v1/apps/{app}."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Body
from latchkey_contracts.http import apps
from servicekit.caller import CallerDep, allow
from servicekit.configuration import Resolved

from .service import ConfigurationService, readable

APPLY = "/internal/configuration"
BODY_LIMITS = {APPLY: 4 * 1024 * 1024}  # an operator's file with hundreds of applications


def router(configuration: ConfigurationService) -> APIRouter:
    routes = APIRouter()

    @routes.post(APPLY, dependencies=[allow("operator")])
    async def apply(document: Annotated[Any, Body()]) -> dict[str, Any]:
        return await configuration.apply(document)

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
        brand=application.brand.model_dump(mode="json", exclude_none=True),
        languages=list(application.languages),
        identifiers=[apps.IdentifierField(kind=kind, required=one.use == "required") for kind, one in store.used().items()],
        attributes=[
            apps.AttributeField(
                name=one.name,
                type=one.type,
                label=readable(application, said, one.label),
                required=one.required,
                options=[{"value": option, "label": option} for option in one.options] if one.options else None,
            )
            for one in store.attributes
            if one.at_registration == "shown"
        ],
        consents=[
            apps.ConsentField(
                id=one.id,
                version=one.version,
                mandatory=one.mandatory,
                title=readable(application, said, one.title),
                text=readable(application, said, one.text),
                hash=sha256(readable(application, said, one.text).encode()).hexdigest(),
            )
            for one in application.consents
        ],
        password=apps.PasswordRule(min_length=store.password.min_length, max_length=store.password.max_length),
        features={
            "registration": policy.registration.enabled,
            "activation": policy.registration.activation and store.verifiable,
            "password_last": policy.password_input.defer,
        },
    )
