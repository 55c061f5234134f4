"""GET /internal/channels: how each channel is doing. GET /internal/messages: what an account was sent."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from servicekit.web.caller import allow

from .history import History
from .service import Delivery
from .showing_store import ShownMessage


class MessageState(BaseModel):
    """For reps. `to` is masked, and there once somebody tried to send."""

    id: UUID
    flow_id: UUID | None
    application: str
    template: str
    channel: str
    language: str
    to: str | None
    state: str
    reason: str | None
    provider: str | None
    attempts: int
    segments: int | None
    created_at: datetime
    finished_at: datetime | None


class MessageShown(MessageState):
    """`body`: without name, link and code."""

    account_id: UUID
    body: str | None


def _fields(model: type[MessageState], row: ShownMessage) -> dict[str, Any]:
    return {"to": row.masked, **{name: getattr(row, name) for name in model.model_fields if name not in {"to", "body"}}}


def router(delivery: Delivery, history: History) -> APIRouter:
    routes = APIRouter()

    @routes.get("/internal/channels", dependencies=[allow("gateway", "identity", "recovery", "mfa")])
    async def channels(application: str = "", strangers: bool = False) -> dict[str, str]:
        return await delivery.channels(application, strangers=strangers)

    @routes.get("/internal/messages", dependencies=[allow("gateway", "operator")])
    async def messages(account_id: UUID, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[MessageState]:
        return [MessageState(**_fields(MessageState, row)) for row in await history.of_account(account_id, limit)]

    @routes.get("/internal/messages/{id}", dependencies=[allow("gateway", "operator")])
    async def message(id: UUID) -> MessageShown:
        row, body = await history.one(id)
        return MessageShown(**_fields(MessageShown, row), body=body)

    return routes
