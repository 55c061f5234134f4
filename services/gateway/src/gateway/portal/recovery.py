"""Help, username reminder, password reset (R9-R19): the same words whoever is asked about, known or not (looks §6)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from servicekit import errors
from servicekit.configuration import Resolved
from servicekit.errors import ServiceError
from starlette.requests import Request
from starlette.responses import Response

from gateway.web.visitor import Visitor

from .shared import PageTools, Slug, time

CHANNELS = ("email", "sms", "voice")


class RecoveryPages(PageTools):
    def add_to(self, routes: APIRouter) -> None:
        self._help(routes)
        self._reminder(routes)
        self._reset(routes)

    # --- which way -----------------------------------------------------------------------------------------------------------

    def _help(self, routes: APIRouter) -> None:
        @routes.get("/{app}/help")
        async def help_page(request: Request, app: Slug) -> Response:
            """Only the ways that the policy allows; with none left it is the page of real people."""
            resolved = self.application(app)
            ways = {"username": reminds(resolved), "password": resolved.policy.password_reset.enabled}
            template = "help.html" if any(ways.values()) else "help_people.html"
            lost = resolved.policy.total_loss_recovery.enabled
            return self.page(
                request, self.visitor(request), resolved.application, template, ways=ways, lost=lost, phone=_phone(resolved)
            )

        @routes.get("/{app}/help/people")
        async def people(request: Request, app: Slug) -> Response:
            resolved = self.application(app)
            lost = resolved.policy.total_loss_recovery.enabled
            return self.page(request, self.visitor(request), resolved.application, "help_people.html", lost=lost)

        @routes.get("/{app}/help/lost-mailbox")
        async def lost(request: Request, app: Slug) -> Response:
            resolved = self.application(app)
            if not resolved.policy.total_loss_recovery.enabled:
                raise errors.FeatureDisabled
            return self._lost(request, resolved, 200)

        @routes.post("/{app}/help/lost-mailbox")
        async def start_lost(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limit("start", request, visitor)
            page = self.context(request, visitor, resolved.application)
            try:
                body = {"identifier": _typed(fields, "identifier"), "email": _typed(fields, "email")}
                flow = await self._post(request, visitor, f"/v1/apps/{app}/total-loss-recoveries", body)
            except errors.ValidationFailed as error:
                return self._lost(request, resolved, 422, errors=self.field_errors(page, error), values=fields)
            return self.page(
                request, visitor, resolved.application, "lost_waiting.html", at=time(flow["takes_effect_at"]), to=body["email"]
            )

    def _lost(self, request: Request, resolved: Resolved, status: int, **values: Any) -> Response:
        hours = int(resolved.policy.total_loss_recovery.delay.total_seconds() // 3600)
        kinds = list(resolved.store.used())
        return self.page(
            request, self.visitor(request), resolved.application, "lost_mailbox.html", status, kinds=kinds, hours=hours, **values
        )

    # --- username reminder ---------------------------------------------------------------------------------------------------

    def _reminder(self, routes: APIRouter) -> None:
        @routes.get("/{app}/help/username")
        async def reminder(request: Request, app: Slug, flow: UUID | None = None) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            if not reminds(resolved):
                raise errors.FeatureDisabled
            if flow is not None:
                return await self._reminder_sent(request, visitor, resolved, flow)
            return self.page(request, visitor, resolved.application, "reminder.html", phone=_phone(resolved))

        @routes.post("/{app}/help/username")
        async def remind(request: Request, app: Slug, flow: UUID | None = None) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            path = f"/v1/apps/{app}/username-reminders"
            if flow is not None:
                return await self._again(request, visitor, resolved, path, flow, f"/{app}/help/username", "1")
            await self.gateway.limit("start", request, visitor)
            page = self.context(request, visitor, resolved.application)
            try:
                answer = await self._post(request, visitor, path, _reminded(fields, phone=_phone(resolved)))
            except errors.ValidationFailed as error:
                found = self.field_errors(page, error)
                return self.page(
                    request, visitor, resolved.application, "reminder.html", 422,
                    errors=found, values=fields, phone=_phone(resolved),
                )  # fmt: skip
            return self.to(f"/{app}/help/username?flow={answer['id']}")

    async def _reminder_sent(
        self, request: Request, visitor: Visitor, resolved: Resolved, flow_id: UUID, problem: ServiceError | None = None
    ) -> Response:
        flow = await self._flow(request, visitor, f"/v1/apps/{resolved.application.slug}/username-reminders/{flow_id}")
        if flow is None:
            return self.elsewhere(request, visitor, resolved.application, "help/username")
        if flow["status"] != "check_your_messages":
            return self.page(request, visitor, resolved.application, "recovery_ended.html", 410, again="help/username")
        return self._sent(request, visitor, resolved, "reminder_sent.html", flow, problem)

    # --- password reset ------------------------------------------------------------------------------------------------------

    def _reset(self, routes: APIRouter) -> None:
        @routes.get("/{app}/reset")
        async def reset(request: Request, app: Slug, flow: UUID | None = None) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            if flow is not None:
                return await self._state(request, visitor, resolved, flow)
            if not resolved.policy.password_reset.enabled:
                raise errors.FeatureDisabled
            return self._name(request, visitor, resolved, values={"identifier": await self._own_name(request, visitor, app)})

        @routes.post("/{app}/reset")
        async def go_on(request: Request, app: Slug, flow: UUID | None = None) -> Response:
            """Which step it is, the button tells: a name typed elsewhere, the name, "send again", the code, or the new password."""
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            path = f"/v1/apps/{app}/password-resets"
            if flow is None and "typed" in fields:
                return self._name(request, visitor, resolved, values={"identifier": fields["typed"]})
            if flow is None:
                return await self._ask(request, visitor, resolved, path, fields)
            if "resend" in fields:
                return await self._again(request, visitor, resolved, path, flow, f"/{app}/reset", fields["resend"])
            await self.gateway.limit("try", request, visitor)
            page = self.context(request, visitor, resolved.application)
            try:
                if "password" in fields:
                    if fields["password"] != fields.get("password_again", ""):
                        raise errors.ValidationFailed([errors.FieldError("/password_again", "mismatch", "")])
                    await self._post(request, visitor, f"{path}/{flow}/password", {"password": fields["password"] or " "})
                elif fields.get("code", "").strip():
                    await self._post(request, visitor, f"{path}/{flow}/code", {"code": fields["code"].strip()[:32]})
            except errors.ValidationFailed as error:
                found = self.field_errors(page, error, resolved.store.password.min_length)
                return await self._state(request, visitor, resolved, flow, found=found)
            except (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned) as error:
                return await self._state(request, visitor, resolved, flow, problem=error)
            except (errors.FlowEnded, errors.StepMissing, errors.NotFound):
                return await self._state(request, visitor, resolved, flow)
            return self.to(f"/{app}/reset?flow={flow}")

    async def _ask(
        self, request: Request, visitor: Visitor, resolved: Resolved, path: str, fields: Mapping[str, str]
    ) -> Response:
        await self.gateway.limit("start", request, visitor)
        page = self.context(request, visitor, resolved.application)
        try:
            answer = await self._post(request, visitor, path, {"identifier": _typed(fields, "identifier")})
        except errors.ValidationFailed as error:
            return self._name(request, visitor, resolved, values=fields, found=self.field_errors(page, error))
        return self.to(f"/{resolved.application.slug}/reset?flow={answer['id']}")

    def _name(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        *,
        values: Mapping[str, str],
        found: Mapping[str, str] | None = None,
    ) -> Response:
        return self.page(
            request, visitor, resolved.application, "reset.html", 422 if found else 200,
            errors=found or {}, values=values, kinds=list(resolved.store.used()),
        )  # fmt: skip

    async def _own_name(self, request: Request, visitor: Visitor, app: str) -> str:
        """What a signed-in customer would type (D12)."""
        if not await self.signed_in(visitor, app):
            return ""
        me = await self.gateway.call(request, visitor, "GET", "/v1/me")
        return str(next((one["value"] for one in me["identifiers"]), ""))

    async def _state(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        flow_id: UUID,
        *,
        problem: ServiceError | None = None,
        found: Mapping[str, str] | None = None,
    ) -> Response:
        app = resolved.application
        flow = await self._flow(request, visitor, f"/v1/apps/{app.slug}/password-resets/{flow_id}")
        if flow is None:
            return self.elsewhere(request, visitor, app, "reset")
        if flow["status"] == "new_password":
            words = [app.brand.name, app.brand.said, app.slug, flow["typed"] or ""]
            return self.page(
                request, visitor, app, "new_password.html", 422 if found else 200,
                flow=flow, errors=found or {}, minimum=resolved.store.password.min_length, words=words,
            )  # fmt: skip
        if flow["status"] == "complete":
            return self.page(request, visitor, app, "reset_done.html")
        if flow["status"] != "check_your_messages":
            return self.page(request, visitor, app, "recovery_ended.html", 410, again="reset")
        return self._sent(request, visitor, resolved, "reset_sent.html", flow, problem)

    # --- both ----------------------------------------------------------------------------------------------------------------

    async def _post(self, request: Request, visitor: Visitor, path: str, body: dict[str, Any]) -> Any:
        return await self.gateway.call(request, visitor, "POST", path, body, peer=self.gateway.recovery)

    async def _flow(self, request: Request, visitor: Visitor, path: str) -> dict[str, Any] | None:
        """None: not one of this browser's."""
        if visitor.flow_token is None:
            return None
        try:
            flow = await self.gateway.call(request, visitor, "GET", path, peer=self.gateway.recovery)
        except errors.NotFound:
            return None
        found: dict[str, Any] = await self.gateway.finish(visitor, flow)
        if found["resend"] is not None:
            found["resend"]["available_at"] = time(found["resend"]["available_at"])
        return found

    async def _again(
        self, request: Request, visitor: Visitor, resolved: Resolved, path: str, flow: UUID, page: str, way: str
    ) -> Response:
        """`way`: a channel, or 1 for the way that it goes by itself."""
        await self.gateway.limit("try", request, visitor)
        body = {"channel": way} if way in CHANNELS else {}
        try:
            await self._post(request, visitor, f"{path}/{flow}/resend", body)
        except (errors.FlowEnded, errors.ValidationFailed, errors.NotFound):
            return self.to(f"{page}?flow={flow}")
        except (errors.TooManyRequests, errors.CodeBurned) as error:
            if page.endswith("/reset"):
                return await self._state(request, visitor, resolved, flow, problem=error)
            return await self._reminder_sent(request, visitor, resolved, flow, error)
        return self.to(f"{page}?flow={flow}&sent={way if body else 1}")

    def _sent(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        template: str,
        flow: dict[str, Any],
        problem: ServiceError | None,
    ) -> Response:
        policy, offered = resolved.policy, flow["resend"]["channels"]
        asked = request.query_params.get("sent")
        way = asked if asked in offered else _expected(offered)
        response = self.page(
            request, visitor, resolved.application, template, problem.status if problem else 200,
            flow=flow,
            problem=problem,
            sent=asked is not None,
            way=way,
            going=[one for one in offered if one != "voice"] if way == "any" else [way],
            action=f"/{resolved.application.slug}/reset?flow={flow['id']}",
            wait=flow["resend"]["retry_after_seconds"],
            spacing=int(policy.resend.spacing.total_seconds()),
            link_minutes=int(policy.password_reset.link_lifetime.total_seconds() // 60),
            code_minutes=int(policy.password_reset.passcode_lifetime.total_seconds() // 60),
        )  # fmt: skip
        if isinstance(problem, errors.TooManyRequests):
            response.headers["Retry-After"] = str(max(flow["resend"]["retry_after_seconds"], 1))
        return response


def _expected(offered: list[str]) -> str:
    """What the page of somebody who has not chosen a way speaks of; which it will be depends on the account (D10)."""
    if "email" in offered or not offered:
        return "any" if "sms" in offered else "email"
    return offered[0]


def _phone(resolved: Resolved) -> bool:
    return "phone" in resolved.store.used()


def _reminded(fields: Mapping[str, str], *, phone: bool) -> dict[str, str]:
    """An address or a number, one of the two."""
    number = fields.get("phone", "").strip() if phone else ""
    if not number:
        address = _typed(fields, "email")
        if "@" not in address:
            raise errors.ValidationFailed([errors.FieldError("/email", "email_not_valid", "")])
        return {"email": address}
    if fields.get("email", "").strip():
        raise errors.ValidationFailed([errors.FieldError("/phone", "one_of_two", "")])
    return {"phone": number}


def reminds(resolved: Resolved) -> bool:
    """R13: only where the store has usernames."""
    return resolved.policy.username_reminder.enabled and resolved.store.identifiers.username.use != "hidden"


def _typed(fields: Mapping[str, str], name: str) -> str:
    typed = fields.get(name, "").strip()
    if not typed:
        raise errors.ValidationFailed([errors.FieldError(f"/{name}", "required", "")])
    return typed
