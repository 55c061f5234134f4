"""What API routes and pages have in common: one call to the service behind, cookies and tokens on the way back.

Internal path = public path: the gateway adds who is calling and takes care of what only browsers or only API clients get.
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from servicekit.clock import Clock
from servicekit.errors import LinkMalformed, ServiceError, SessionRequired
from servicekit.keys import Keys
from servicekit.process.configuration import ConfigurationCopy
from servicekit.proof import service_of
from servicekit.web.client import InternalClient
from starlette.requests import Request
from starlette.responses import Response

from gateway.clients.channels import Channels
from gateway.limits.service import Kind, Limits
from gateway.sessions.cache import SessionCache
from gateway.settings import GatewaySettings
from gateway.web import device, language
from gateway.web.visitor import DEVICE, FLOW, SESSION, Visitor, cookie_name, make_flow_token

FLOW_COOKIE_SECONDS = 24 * 3600 * 5


@dataclass
class Gateway:
    settings: GatewaySettings
    clock: Clock
    keys: Keys
    peers: Mapping[str, InternalClient]  # the services behind, by name
    configuration: ConfigurationCopy
    sessions: SessionCache
    channels: Channels
    limits: Limits

    async def limit(self, kind: Kind, request: Request, visitor: Visitor) -> None:
        """Counts it for its network and what that shares with others; raises TooManyRequests or Overloaded (THR-1, THR-3)."""
        app = request.path_params.get("app")
        visitor.asn = self.limits.system_of(visitor.ip)
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
        """Whether somebody has signed in with this browser or API client before (BRF-3)."""
        if visitor.device_token is not None:
            visitor.device = device.read(self.keys.secret("device"), visitor.device_token)

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
            visitor.known = False

    # --- what API and pages do for a caller -------------------------------------------------------------------------------

    async def start(
        self,
        request: Request,
        visitor: Visitor,
        path: str,
        body: Any,
        *,
        peer: str = "identity",
        api: bool = False,
        tries: bool = False,
    ) -> Any:
        """Begins a flow: counted for the network, with the session, bound to the browser that asks. `api`: it asked for tokens.
        `tries`: it carries a secret, which counts as a try as well.
        """
        kinds: tuple[Kind, ...] = ("start", "try") if tries else ("start",)
        await asyncio.gather(*(self.limit(kind, request, visitor) for kind in kinds))  # together, so that they share a statement
        await self.with_session(visitor)
        self.ensure_flow(request, visitor, api=api)
        return await self._ask(request, visitor, "POST", path, body, peer)

    async def go_on(
        self,
        request: Request,
        visitor: Visitor,
        path: str,
        body: Any,
        *,
        method: str = "POST",
        peer: str = "identity",
        opens: bool = False,
    ) -> Any:
        """One try: counted for the network, with the session. `opens`: it may leave the caller with a flow of its own."""
        await self.limit("try", request, visitor)
        await self.with_session(visitor)
        if opens:
            self.ensure_flow(request, visitor, api=visitor.api)
        return await self._ask(request, visitor, method, path, body, peer)

    async def _ask(self, request: Request, visitor: Visitor, method: str, path: str, body: Any, peer: str) -> Any:
        if "/links/" in path:
            return await self.call_link(request, visitor, path, body)
        return await self.call(request, visitor, method, path, body, peer=peer)

    # --- calls to the services behind -------------------------------------------------------------------------------------

    async def call_link(self, request: Request, visitor: Visitor, path: str, json: Any) -> Any:
        """Of the service that made the link, as its token says; one from before tokens said so is looked for in both (LNK-7)."""
        owner = service_of(json["token"])
        if owner is not None and owner in self.peers:
            return await self.call(request, visitor, "POST", path, json, peer=owner)
        try:
            found = await self.call(request, visitor, "POST", path, json)
        except LinkMalformed:
            return await self.call(request, visitor, "POST", path, json, peer="recovery")
        if path.endswith("/inspect") and found["state"] == "malformed":
            return await self.call(request, visitor, "POST", path, json, peer="recovery")
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
        peer: str = "identity",
        cursor: str | None = None,
    ) -> Any:
        """The answer of identity, or of another service; its errors come as the same classes. `cursor`: which page of a list."""
        key = fingerprint = None
        visitor.app = request.path_params.get("app", "")
        given = request.headers.get("idempotency-key")
        if idempotent and given is not None and method != "GET":
            holder = sha256(visitor.holder.encode("utf-8", "surrogateescape")).hexdigest()
            scope = "\0".join((holder, method, path, given[:200]))
            key = sha256(scope.encode()).hexdigest()
            fingerprint = hmac.new(self.keys.secret("flow"), request.scope.get("latchkey.body", b""), sha256).hexdigest()
        self._speak(request, visitor)
        if visitor.flow_token is not None and visitor.new_device is None and path.endswith(("/code", "/passkey")):
            visitor.new_device = device.named(self.keys.secret("device"), visitor.flow_token)
        caller = visitor.caller(idempotency_key=key, fingerprint=fingerprint)
        params = {"cursor": cursor} if cursor is not None else None
        return await self.peers[peer].request(method, path, caller=caller, json=json, params=params)

    def _speak(self, request: Request, visitor: Visitor) -> None:
        """The language of whoever asks, for what will be written to them: the page's, else by Accept-Language."""
        app = request.path_params.get("app")
        if visitor.language is None and self.configuration.knows(app):
            application = self.configuration.application(str(app)).application
            accept = request.headers.get("accept-language")
            visitor.language = language.best(accept, application.languages, application.default_language)

    # --- the way back ----------------------------------------------------------------------------------------------------

    async def finish(self, visitor: Visitor, flow: Any, response: Response | None = None) -> Any:
        """A flow for its caller: tokens in the body for API clients, in cookies for browsers (SES-2); the channels' health."""
        if not isinstance(flow, dict) or "kind" not in flow:
            return flow
        flow = dict(flow)
        session, account_id = flow.pop("session", None), flow.pop("account_id", None)
        for own in ("flow_token", "device"):  # told below, to whom they belong
            flow.pop(own, None)
        if visitor.api:
            if session is not None:
                flow["session"] = session
                if (token := await self._device_token(visitor, session["token"], account_id)) is not None:
                    flow["device"] = {"token": token}
            if visitor.new_flow_token is not None:
                flow["flow_token"] = visitor.new_flow_token
        elif session is not None and response is not None:
            self.set_session(response, session)
            if (token := await self._device_token(visitor, session["token"], account_id)) is not None:
                self.set_cookie(response, DEVICE, token, device.SECONDS)
        if flow["status"] == "check_your_messages" or (flow["status"] == "needs_factor" and flow.get("delivery")):
            app = visitor.app or (visitor.session.application if visitor.session else "")
            flow["channels"] = await self.channels.states(app, strangers=flow["kind"] == "registration")
        return flow

    def set_flow_cookie(self, response: Response, visitor: Visitor) -> None:
        if visitor.new_flow_token is not None and not visitor.api:
            self.set_cookie(response, FLOW, visitor.new_flow_token, FLOW_COOKIE_SECONDS)

    def set_session(self, response: Response, session: dict[str, Any]) -> None:
        from datetime import datetime

        expires = datetime.fromisoformat(session["expires_at"])
        self.set_cookie(response, SESSION, session["token"], max(int((expires - self.clock.now()).total_seconds()), 1))

    async def _device_token(self, visitor: Visitor, token: str, told: str | None) -> str | None:
        """What this browser or API client is known by from now on (BRF-3). `told`: whose session it is; identity's former release
        doesn't say. If it can't be known now, it stays a stranger for once.
        """
        try:
            account_id = UUID(told) if told is not None else (await self.sessions.find(token)).info.account_id
        except ServiceError:
            return None
        key = self.keys.secret("device")
        return device.write(key, device.remembered(key, account_id, visitor.flow_token or token, visitor.device))

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
        # Not "cache": it takes a browser seconds to empty one, and no page or answer of ours is in it (all are no-store).
        response.headers["Clear-Site-Data"] = '"storage"'


__all__ = ["Gateway", "ServiceError"]
