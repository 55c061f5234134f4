"""The provider's endpoints: OpenID Connect Core with PKCE and RFC 9207, and the two addresses by which GitHub differs."""

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from joserfc.jwk import KeySet, RSAKey
from servicekit.clock import Clock
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from . import page
from .grants import Asked, Granted, Grants
from .lies import LIES, Lies, bend, sign

TOKEN_SECONDS = 300
CLIENT = "latchkey-local"


@dataclass
class Provider:
    """`origin`: of the product that may be sent back to."""

    issuer: str
    secret: str
    origin: str
    clock: Clock
    grants: Grants = field(default_factory=Grants)
    lies: Lies = field(default_factory=Lies)
    keys: list[RSAKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        """A new key from now on; the former is gone at once."""
        key = RSAKey.generate_key(2048, auto_kid=True)
        self.keys = [key]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks", self._jwks),
                Route("/authorize", self._ask, methods=["GET"]),
                Route("/authorize", self._decide, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo),
                Route("/lies", self._lie, methods=["POST"]),
                Route("/rotate", self._rotate, methods=["POST"]),
                Route("/", self._home),
            ]
        )

    @property
    def now(self) -> int:
        return int(self.clock.now().timestamp())

    async def _home(self, _request: Request) -> Response:
        return HTMLResponse(page.home(self.issuer))

    async def _discovery(self, _request: Request) -> Response:
        if (trouble := await self._trouble("discovery")) is not None:
            return trouble
        at = self.issuer
        document = {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "jwks_uri": f"{at}/jwks",
            "userinfo_endpoint": f"{at}/userinfo",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(document)

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse(KeySet([*self.keys]).as_dict(private=False))

    # --- what a person sees --------------------------------------------------------------------------------------------

    async def _ask(self, request: Request) -> Response:
        asked = self._asked(request.query_params)
        if asked is None:
            return HTMLResponse(page.refused(), 400)
        return HTMLResponse(page.choose(asked, dict(request.query_params)))

    def _asked(self, given: Mapping[str, str]) -> Asked | None:
        """Exactly what was agreed: whoever isn't known is sent nowhere (RFC 6749 §4.1.2.1)."""
        uri = given.get("redirect_uri", "")
        fine = (
            given.get("client_id") == CLIENT
            and uri.startswith(f"{self.origin}/v1/callbacks/social/")
            and given.get("response_type") == "code"
            and given.get("code_challenge_method") == "S256"
            and len(given.get("code_challenge", "")) == 43
            and "openid" in given.get("scope", "").split()
        )
        if not fine:
            return None
        return Asked(
            client_id=CLIENT,
            redirect_uri=uri,
            state=given.get("state", ""),
            scope=given["scope"],
            challenge=given["code_challenge"],
            nonce=given.get("nonce"),
            form_post=given.get("response_mode") == "form_post",
        )

    async def _decide(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        asked = self._asked(form)
        if asked is None:
            return HTMLResponse(page.refused(), 400)
        if "deny" in form:
            return self._back(asked, {"error": "access_denied"})
        claims = {
            "sub": form.get("sub") or form.get("email", ""),
            "email": form.get("email") or None,
            "email_verified": form.get("email_verified") == "on" if form.get("email") else None,
            "given_name": form.get("given_name") or None,
            "family_name": form.get("family_name") or None,
        }
        granted = Granted(asked, {name: value for name, value in claims.items() if value is not None}, self.now)
        return self._back(asked, {"code": self.grants.code(granted)})

    def _back(self, asked: Asked, answer: dict[str, str]) -> Response:
        answer = {**answer, "state": "other" if self.lies.told("other_state") else asked.state}
        if not self.lies.told("no_answer_iss"):
            answer["iss"] = "https://elsewhere.example" if self.lies.told("wrong_answer_iss") else self.issuer
        if asked.form_post:
            return HTMLResponse(page.post(asked.redirect_uri, answer))
        return RedirectResponse(f"{asked.redirect_uri}?{urlencode(answer)}", 303)

    # --- what the product asks -----------------------------------------------------------------------------------------

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if (trouble := await self._trouble("token")) is not None:
            return trouble
        if not self._is_client(request, form) or form.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "invalid_client"}, 401)
        granted = self.grants.redeem(
            form.get("code", ""),
            client_id=CLIENT,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
            now=self.now,
        )
        if granted is None or self.lies.told("token_refused"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer: dict[str, Any] = {"access_token": self.grants.token(granted), "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        if not self.lies.told("no_id_token"):
            answer["id_token"] = self._id_token(granted)
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _id_token(self, granted: Granted) -> str:
        claims = {
            **granted.claims,
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": self.now,
            "exp": self.now + TOKEN_SECONDS,
            "auth_time": granted.auth_time,
            **({"nonce": granted.asked.nonce} if granted.asked.nonce else {}),
        }
        return sign(self.lies, self.keys[-1], self.secret, bend(self.lies, claims))

    def _is_client(self, request: Request, form: Mapping[str, str]) -> bool:
        """By HTTP Basic or in the form (RFC 6749 §2.3.1)."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            client, _, secret = (unquote(part) for part in b64decode(given).decode().partition(":"))
        return client == CLIENT and hmac.compare_digest(secret, self.secret)

    async def _userinfo(self, request: Request) -> Response:
        granted = self.grants.of(request.headers.get("authorization", "").removeprefix("Bearer "))
        if granted is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse({**granted.claims, **({"sub": "somebody-else"} if self.lies.told("other_userinfo") else {})})

    async def _trouble(self, where: str) -> Response | None:
        if self.lies.told("nonsense"):
            return HTMLResponse("<h1>Welcome</h1>")
        if self.lies.told("server_error"):
            return JSONResponse({"error": "server_error"}, 503)
        if self.lies.told("redirect"):
            return RedirectResponse("http://169.254.169.254/latest/meta-data", 302)
        if self.lies.told("huge"):
            return JSONResponse({"padding": "x" * 2_000_000})
        if where == "token" and self.lies.told("slow"):
            await asyncio.sleep(60)
        return None

    # --- for tests -----------------------------------------------------------------------------------------------------

    async def _lie(self, request: Request) -> Response:
        asked = await request.json()
        if asked.get("lie") not in {*LIES, None}:
            return JSONResponse({"error": "unknown lie"}, 400)
        self.lies.name, self.lies.once = asked.get("lie"), asked.get("once", True)
        return JSONResponse({})

    async def _rotate(self, _request: Request) -> Response:
        self.rotate()
        return JSONResponse({})
