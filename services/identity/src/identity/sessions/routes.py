"""/v1/session, /v1/me/sessions, and the gateway's look-ups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.common import Request
from latchkey_contracts.http.sign_in import SessionInfo
from pydantic import Field
from servicekit.web.caller import CallerDep, allow
from servicekit.web.http import Read

from .ending import Endings
from .service import Sessions


class LookUp(Request):
    token_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class Touch(Request):
    """`seen`: when each session was last used, by its id."""

    seen: dict[str, str] = Field(max_length=5000)


def router(sessions: Sessions, endings: Endings) -> APIRouter:
    routes = APIRouter()

    @routes.post("/internal/sessions/lookup", dependencies=[allow("gateway")])
    async def look_up(body: LookUp) -> SessionInfo:
        return await sessions.look_up(bytes.fromhex(body.token_hash))

    @routes.post("/internal/sessions/touch", dependencies=[allow("gateway")])
    async def touch(body: Touch) -> dict[str, Any]:
        seen = [(UUID(session_id), datetime.fromisoformat(moment)) for session_id, moment in body.seen.items()]
        gone = await sessions.touch(seen)
        return {"touched": len(seen), "gone": gone}

    @routes.delete("/v1/session", status_code=204, dependencies=[allow("gateway")])
    async def sign_out(caller: CallerDep) -> None:
        await sessions.sign_out(caller)

    @routes.delete("/v1/me/sessions/{session_id}", status_code=204, dependencies=[allow("gateway")])
    async def end(session_id: UUID, caller: CallerDep) -> None:
        await endings.one(session_id, caller)

    @routes.delete("/v1/me/sessions", status_code=204, dependencies=[allow("gateway")])
    async def end_others(caller: CallerDep) -> None:
        await endings.others(caller)

    return routes


def reads(sessions: Sessions) -> Mapping[str, Read]:
    return {"/v1/me/sessions": sessions.listing}
