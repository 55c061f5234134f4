"""What API routes and pages have in common: one call to the service behind, cookies and tokens on the way back.

Internal path = public path: the gateway adds who is calling and takes care of what only browsers or only API clients get.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from servicekit.client import InternalClient
from servicekit.clock import Clock
from servicekit.configuration import ConfigurationCopy
from servicekit.errors import LinkMalformed, ServiceError, SessionRequired
from servicekit.keys import Keys
from starlette.requests import Request
from starlette.responses import Response

from gateway.clients.channels import Channels
from gateway.limits.service import Kind, Limits
from gateway.sessions.cache import SessionCache
from gateway.settings import GatewaySettings
from gateway.web import device
from gateway.web.visitor import DEVICE, FLOW, SESSION, Visitor, cookie_name, make_flow_token

FLOW_COOKIE_SECONDS = 24 * 3600 * 5


@dataclass
class Gateway:
    settings: GatewaySettings
    clock: Clock
    keys: Keys
    identity: InternalClient
    recovery: InternalClient
    notifier: InternalClient
    configuration: ConfigurationCopy
    sessions: SessionCache
    channels: Channels
    limits: Limits

    async def limit(self, kind: Kind, request: Request, visitor: Visitor) -> None:
        """Counts it for its network and what that shares with others; raises TooManyRequests or Overloaded (THR-1, THR-3)."""
        app = request.path_params.get("app")
        await self.limits.check(kind, visitor.ip, app if self.configuration.knows(app) else None)

    # --- who is calling --------------------------------------------------------------------------------------------------

    async def with_session(self, visitor: Visitor) -> Visitor:
        """Looks the session up, if a token came; a dead one is no error here."""
        if visitor.session is None and visitor.session_token is not None:
            try:
                visitor.session = (await self.sessions.find(visitor.session_token)).info
            except SessionRequired:
                visitor.session_token = None
        return visitor

    def recognise(self, visitor: Visitor) -> None:
        """Whether somebody has signed in with this browser before (BRF-3)."""
        cookie = visitor.cookies.get(cookie_name(DEVICE, secure=self.settings.secure))
        if cookie is not None:
            visitor.device = device.read(self.keys.secret("device"), cookie)

    def ensure_flow(self, request: Request, visitor: Visitor, *, api: bool = False) -> None:
        """A flow belongs to the browser that asked; a first-time visitor gets the token that says so."""
        if api and visitor.api and visitor.flow_token is not None:
            visitor.new_flow_token = visitor.flow_token  # the client goes on as the same "browser"; it is told its token again
        elif visitor.flow_token is None:
            key = request.headers.get("idempotency-key")
            visitor.new_flow_token = make_flow_token(
                self.keys.secret("flow"), key, visitor, request.scope.get("latchkey.body", b"")
            )
            visitor.flow_token = visitor.new_flow_token

    # --- calls to the services behind -------------------------------------------------------------------------------------

    async def call_link(self, request: Request, visitor: Visitor, path: str, json: Any) -> Any:
        """A link belongs to whoever made it: identity is asked first, and recovery where it isn't identity's (LNK-7)."""
        try:
            found = await self.call(request, visitor, "POST", path, json)
        except LinkMalformed:
            return await self.call(request, visitor, "POST", path, json, peer=self.recovery)
        if path.endswith("/inspect") and found["state"] == "malformed":
            return await self.call(request, visitor, "POST", path, json, peer=self.recovery)
        return found

    async def call(
        self,
        request: Request,
        visitor: Visitor,
        method: str,
        path: str,
        json: Any = None,
        *,
        idempotent: bool = True,
        peer: InternalClient | None = None,
    ) -> Any:
        """The answer of identity, or of another peer; its errors come as the same classes."""
        key = fingerprint = None
        given = request.headers.get("idempotency-key")
        if idempotent and given is not None and method != "GET":
            holder = visitor.session_token or visitor.flow_token or ""
            scope = "\0".join((sha256(holder.encode()).hexdigest(), method, path, given[:200]))
            key = sha256(scope.encode()).hexdigest()
            fingerprint = hmac.new(self.keys.secret("flow"), request.scope.get("latchkey.body", b""), sha256).hexdigest()
        caller = visitor.caller(idempotency_key=key, fingerprint=fingerprint)
        return await (peer or self.identity).request(method, path, caller=caller, json=json)

    # --- the way back ----------------------------------------------------------------------------------------------------

    async def finish(self, visitor: Visitor, flow: Any, response: Response | None = None) -> Any:
        """A flow for its caller: tokens in the body for API clients, in cookies for browsers (SES-2); the channels' health."""
        if not isinstance(flow, dict) or "kind" not in flow:
            return flow
        flow = dict(flow)
        session = flow.pop("session", None)
        flow.pop("flow_token", None)
        if visitor.api:
            if session is not None:
                flow["session"] = session
            if visitor.new_flow_token is not None:
                flow["flow_token"] = visitor.new_flow_token
        elif session is not None and response is not None:
            self.set_session(response, session)
            await self._remember_device(response, visitor, session["token"])
        if flow["status"] == "check_your_messages":
            flow["channels"] = await self.channels.states()
        return flow

    def set_flow_cookie(self, response: Response, visitor: Visitor) -> None:
        if visitor.new_flow_token is not None and not visitor.api:
            self.set_cookie(response, FLOW, visitor.new_flow_token, FLOW_COOKIE_SECONDS)

    def set_session(self, response: Response, session: dict[str, Any]) -> None:
        from datetime import datetime

        expires = datetime.fromisoformat(session["expires_at"])
        self.set_cookie(response, SESSION, session["token"], max(int((expires - self.clock.now()).total_seconds()), 1))

    async def _remember_device(self, response: Response, visitor: Visitor, token: str) -> None:
        """Whose session that is, the next page asks anyway. If it can't be told now, this browser stays a stranger for once."""
        try:
            account_id = (await self.sessions.find(token)).info.account_id
        except ServiceError:
            return
        value = device.write(self.keys.secret("device"), device.remembered(account_id, visitor.device))
        self.set_cookie(response, DEVICE, value, device.SECONDS)

    def set_cookie(self, response: Response, name: str, value: str, seconds: int) -> None:
        secure = self.settings.secure
        response.set_cookie(
            cookie_name(name, secure=secure), value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
        )

    def drop_cookie(self, response: Response, name: str) -> None:
        secure = self.settings.secure
        response.set_cookie(
            cookie_name(name, secure=secure), "", max_age=0, path="/", secure=secure, httponly=True, samesite="lax"
        )

    async def sign_out(self, request: Request, visitor: Visitor, response: Response) -> None:
        """Ended at identity first; then this gateway forgets it, the others hear of it (SES-4)."""
        await self.with_session(visitor)
        if visitor.session is not None:
            await self.call(request, visitor, "DELETE", "/v1/session", idempotent=False)
            self.sessions.forget(visitor.session.id)
        self.drop_cookie(response, SESSION)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'


__all__ = ["Gateway", "ServiceError"]
