"""The JSON API (api.md §2, §3): typed at the edge, passed to the service that owns it under the same path."""

import base64
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from latchkey_contracts.http import account, apps, links, recovery, registration, sign_in
from latchkey_contracts.http.callbacks import PassedOn, ProviderAnswer
from latchkey_contracts.http.common import Problem
from pydantic import BaseModel
from servicekit.client import InternalClient
from servicekit.errors import BodyTooLarge, ServiceError, SessionRequired
from servicekit.http import JSONResponse
from starlette.responses import Response

from gateway.web.visitor import Visitor

from .service import Gateway

Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
# What a provider's signature may cover; nothing else of a callback is of use to anybody.
SIGNED_HEADERS = ("content-type", "x-twilio-signature", "webhook-id", "webhook-timestamp", "webhook-signature")
MAX_CALLBACK = 32 * 1024


async def _visitor(request: Request) -> Visitor:  # async: FastAPI runs plain functions in a thread, for many times the price
    found: Visitor = request.scope["latchkey.visitor"]
    return found


VisitorDep = Annotated[Visitor, Depends(_visitor)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: every route may also be malformed, cross-site, too often or too much."""
    texts = {status: set[str]() for status in (400, 403, 404, 413, 415, 422, 429, 503, *statuses)}
    for cls in ServiceError.registry.values():
        if cls.status in texts:
            texts[cls.status].add(cls.code)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = {"Retry-After": {"description": "Whole seconds", "schema": {"type": "integer"}}}
    return {
        status: {
            "description": ", ".join(sorted(codes)) or "Problem",
            "content": content,
            **({"headers": headers} if status in {429, 503} else {}),
        }
        for status, codes in sorted(texts.items())
    }


def _body(model: BaseModel) -> Any:
    return model.model_dump(mode="json", exclude_unset=True)


def router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}", responses=problems(409, 410))

    async def answer(visitor: Visitor, flow: Any, status: int = 200) -> Response:
        response = JSONResponse(None, status)
        body = await gateway.finish(visitor, flow, response)
        body.pop("typed", None)  # for our own pages; here it would make answers differ by what was sent (ENU-1)
        response.body = response.render(body)
        response.headers["content-length"] = str(len(response.body))
        gateway.set_flow_cookie(response, visitor)
        return response

    async def begin(request: Request, visitor: Visitor, body: Any) -> None:
        await gateway.limit("start", request, visitor)
        await gateway.with_session(visitor)
        gateway.ensure_flow(request, visitor, api=getattr(body, "client", None) == "api")

    async def start(
        request: Request, visitor: Visitor, path: str, body: Any, status: int, peer: InternalClient | None = None
    ) -> Response:
        await begin(request, visitor, body)
        return await answer(visitor, await gateway.call(request, visitor, "POST", path, _body(body), peer=peer), status)

    async def go_on(
        request: Request, visitor: Visitor, path: str, body: Any, status: int = 200, peer: InternalClient | None = None
    ) -> Response:
        await gateway.limit("try", request, visitor)
        await gateway.with_session(visitor)
        return await answer(visitor, await gateway.call(request, visitor, "POST", path, _body(body), peer=peer), status)

    async def read(request: Request, visitor: Visitor, path: str, peer: InternalClient | None = None) -> Response:
        return await answer(visitor, await gateway.call(request, visitor, "GET", path, peer=peer))

    @routes.get("", response_model=apps.Application, tags=["application"], summary="What a sign-up page needs to know")
    async def application(request: Request, app: Slug, visitor: VisitorDep) -> Response:
        return JSONResponse(await gateway.call(request, visitor, "GET", f"/v1/apps/{app}"))

    @routes.post("/registrations", status_code=202, response_model=registration.RegistrationFlow, tags=["registration"])
    async def register(request: Request, app: Slug, body: registration.RegistrationRequest, visitor: VisitorDep) -> Response:
        """Starts a registration; the answer is the same for new and known identifiers."""
        return await start(request, visitor, f"/v1/apps/{app}/registrations", body, 202)

    @routes.get("/registrations/{id}", response_model=registration.RegistrationFlow, tags=["registration"])
    async def read_registration(request: Request, app: Slug, id: UUID, visitor: VisitorDep) -> Response:
        return await read(request, visitor, f"/v1/apps/{app}/registrations/{id}")

    @routes.post(
        "/registrations/{id}/resend", status_code=202, response_model=registration.RegistrationFlow, tags=["registration"]
    )
    async def resend(request: Request, app: Slug, id: UUID, body: registration.ResendRequest, visitor: VisitorDep) -> Response:
        """Sends link and code again; 429 with Retry-After when too early."""
        return await go_on(request, visitor, f"/v1/apps/{app}/registrations/{id}/resend", body, 202)

    @routes.post("/registrations/{id}/code", response_model=registration.RegistrationFlow, tags=["registration"])
    async def code(request: Request, app: Slug, id: UUID, body: registration.CodeRequest, visitor: VisitorDep) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/registrations/{id}/code", body)

    @routes.post("/registrations/{id}/password", response_model=registration.RegistrationFlow, tags=["registration"])
    async def password(
        request: Request,
        app: Slug,
        id: UUID,
        body: registration.NewPasswordRequest,
        visitor: VisitorDep,
    ) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/registrations/{id}/password", body)

    @routes.post("/sign-ins", response_model=sign_in.SignInFlow, tags=["sign-in"])
    async def sign_in_start(request: Request, app: Slug, body: sign_in.SignInRequest, visitor: VisitorDep) -> Response:
        return await start(request, visitor, f"/v1/apps/{app}/sign-ins", body, 200)

    @routes.get("/sign-ins/{id}", response_model=sign_in.SignInFlow, tags=["sign-in"])
    async def read_sign_in(request: Request, app: Slug, id: UUID, visitor: VisitorDep) -> Response:
        return await read(request, visitor, f"/v1/apps/{app}/sign-ins/{id}")

    @routes.post("/sign-ins/{id}/password", response_model=sign_in.SignInFlow, tags=["sign-in"])
    async def sign_in_password(
        request: Request, app: Slug, id: UUID, body: sign_in.PasswordRequest, visitor: VisitorDep
    ) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/sign-ins/{id}/password", body)

    @routes.post("/sign-ins/{id}/action", response_model=sign_in.SignInFlow, tags=["sign-in"])
    async def action(request: Request, app: Slug, id: UUID, body: sign_in.RequiredActionRequest, visitor: VisitorDep) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/sign-ins/{id}/action", body)

    @routes.post("/username-reminders", status_code=202, response_model=recovery.ReminderFlow, tags=["recovery"])
    async def remind(request: Request, app: Slug, body: recovery.ReminderRequest, visitor: VisitorDep) -> Response:
        """Accepted whatever the address; the usernames go to it alone."""
        return await start(request, visitor, f"/v1/apps/{app}/username-reminders", body, 202, gateway.recovery)

    @routes.get("/username-reminders/{id}", response_model=recovery.ReminderFlow, tags=["recovery"])
    async def read_reminder(request: Request, app: Slug, id: UUID, visitor: VisitorDep) -> Response:
        return await read(request, visitor, f"/v1/apps/{app}/username-reminders/{id}", gateway.recovery)

    @routes.post("/username-reminders/{id}/resend", status_code=202, response_model=recovery.ReminderFlow, tags=["recovery"])
    async def remind_again(request: Request, app: Slug, id: UUID, body: recovery.ResetResend, visitor: VisitorDep) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/username-reminders/{id}/resend", body, 202, gateway.recovery)

    @routes.post("/password-resets", status_code=202, response_model=recovery.ResetFlow, tags=["recovery"])
    async def reset(request: Request, app: Slug, body: recovery.ResetRequest, visitor: VisitorDep) -> Response:
        """Accepted whatever the identifier; changes nothing before the proof."""
        return await start(request, visitor, f"/v1/apps/{app}/password-resets", body, 202, gateway.recovery)

    @routes.get("/password-resets/{id}", response_model=recovery.ResetFlow, tags=["recovery"])
    async def read_reset(request: Request, app: Slug, id: UUID, visitor: VisitorDep) -> Response:
        return await read(request, visitor, f"/v1/apps/{app}/password-resets/{id}", gateway.recovery)

    @routes.post("/password-resets/{id}/resend", status_code=202, response_model=recovery.ResetFlow, tags=["recovery"])
    async def reset_again(request: Request, app: Slug, id: UUID, body: recovery.ResetResend, visitor: VisitorDep) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/password-resets/{id}/resend", body, 202, gateway.recovery)

    @routes.post("/password-resets/{id}/code", response_model=recovery.ResetFlow, tags=["recovery"])
    async def reset_code(request: Request, app: Slug, id: UUID, body: registration.CodeRequest, visitor: VisitorDep) -> Response:
        return await go_on(request, visitor, f"/v1/apps/{app}/password-resets/{id}/code", body, 200, gateway.recovery)

    @routes.post("/password-resets/{id}/password", response_model=recovery.ResetFlow, tags=["recovery"])
    async def reset_password(
        request: Request, app: Slug, id: UUID, body: registration.NewPasswordRequest, visitor: VisitorDep
    ) -> Response:
        """Ends every session; none comes of it."""
        return await go_on(request, visitor, f"/v1/apps/{app}/password-resets/{id}/password", body, 200, gateway.recovery)

    @routes.post("/total-loss-recoveries", status_code=202, response_model=recovery.TotalLossFlow, tags=["recovery"])
    async def total_loss(request: Request, app: Slug, body: recovery.TotalLossRequest, visitor: VisitorDep) -> Response:
        """Without the mailbox: takes effect after the policy's delay, announced every day, ended by one press in any notice."""
        return await start(request, visitor, f"/v1/apps/{app}/total-loss-recoveries", body, 202, gateway.recovery)

    @routes.post("/links/inspect", response_model=links.LinkInfo, tags=["links"])
    async def inspect(request: Request, app: Slug, body: links.InspectRequest, visitor: VisitorDep) -> Response:
        """What a link is for and whether it works; changes nothing."""
        await gateway.limit("try", request, visitor)
        await gateway.with_session(visitor)
        return JSONResponse(await gateway.call_link(request, visitor, f"/v1/apps/{app}/links/inspect", _body(body)))

    @routes.post(
        "/links/confirm",
        response_model=registration.RegistrationFlow
        | recovery.ResetFlow
        | links.ConfirmedElsewhere
        | links.Frozen
        | links.Cancelled,
        tags=["links"],
    )
    async def confirm(request: Request, app: Slug, body: links.ConfirmRequest, visitor: VisitorDep) -> Response:
        await gateway.limit("try", request, visitor)
        await gateway.with_session(visitor)
        gateway.ensure_flow(request, visitor, api=visitor.api)
        return await answer(visitor, await gateway.call_link(request, visitor, f"/v1/apps/{app}/links/confirm", _body(body)))

    @routes.post(
        "/links/renew", status_code=202, response_model=registration.RegistrationFlow | recovery.ResetFlow, tags=["links"]
    )
    async def renew(request: Request, app: Slug, body: links.RenewRequest, visitor: VisitorDep) -> Response:
        await begin(request, visitor, body)
        return await answer(visitor, await gateway.call_link(request, visitor, f"/v1/apps/{app}/links/renew", _body(body)), 202)

    return routes


def me_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1", responses=problems(401), tags=["signed in"])

    async def signed_in(visitor: Visitor) -> Visitor:
        await gateway.with_session(visitor)
        if visitor.session is None:
            raise SessionRequired
        return visitor

    @routes.get("/session", response_model=sign_in.SessionInfo)
    async def session(visitor: VisitorDep) -> Response:
        """Who am I. (Answered in front of this route; it stands here for the documentation and unusual requests.)"""
        found = (await signed_in(visitor)).session
        return JSONResponse(found.model_dump(mode="json") if found else None)

    @routes.delete("/session", status_code=204)
    async def sign_out(request: Request, visitor: VisitorDep) -> Response:
        await signed_in(visitor)
        response = Response(status_code=204)
        await gateway.sign_out(request, visitor, response)
        return response

    @routes.get("/me", response_model=sign_in.Me)
    async def me(request: Request, visitor: VisitorDep) -> Response:
        return JSONResponse(await gateway.call(request, await signed_in(visitor), "GET", "/v1/me"))

    @routes.put("/me/password", status_code=204)
    async def password(request: Request, body: account.PasswordChange, visitor: VisitorDep) -> Response:
        """The current password first; all other sessions end unless told otherwise."""
        await gateway.limit("try", request, visitor)
        await gateway.call(request, await signed_in(visitor), "PUT", "/v1/me/password", _body(body))
        return Response(status_code=204)

    @routes.get("/me/sessions")
    async def sessions(request: Request, visitor: VisitorDep) -> Response:
        return JSONResponse(await gateway.call(request, await signed_in(visitor), "GET", "/v1/me/sessions"))

    return routes


def callbacks_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(prefix="/v1", responses=problems(), tags=["providers"])

    @routes.post("/callbacks/{provider}")
    async def callback(
        request: Request, provider: Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,39}$")], visitor: VisitorDep
    ) -> Response:
        """Receipts, bounces, and calls that ask what to say, signed by the provider; passed on to the notifier, which checks that."""
        body: bytes = request.scope["latchkey.body"]
        if len(body) > MAX_CALLBACK:
            raise BodyTooLarge
        query = f"?{request.url.query}" if request.url.query else ""
        passed_on = PassedOn(
            # The configured origin, never what the caller says in Host: the provider signed the address that it was given.
            url=f"{gateway.settings.origin}{request.url.path}{query}"[:2000],
            headers={name: request.headers[name][:1000] for name in SIGNED_HEADERS if name in request.headers},
            content=base64.b64encode(body).decode(),
        )
        path = f"/internal/callbacks/{provider}"
        found = await gateway.notifier.request("POST", path, caller=visitor.caller(), json=passed_on.model_dump())
        answer = ProviderAnswer.model_validate(found)
        return Response(answer.body, answer.status, media_type=answer.content_type)

    return routes


__all__ = ["Problem", "callbacks_router", "me_router", "problems", "router"]
