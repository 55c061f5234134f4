"""Pages that wait for a message of a recovery: what they say of its way, and "send again" (D18, looks §6)."""

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.recovery import ReminderFlow, ResetFlow
from servicekit import errors
from starlette.responses import Response

from .visit import Visit

CHANNELS = ("email", "sms", "voice")
_TOLD = (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned, errors.TooManyRequests)


def waiting(visit: Visit, template: str, flow: ReminderFlow | ResetFlow) -> Response:
    policy, problem = visit.app.policy, visit.told(*_TOLD)
    if isinstance(flow, ResetFlow):
        visit.keep_waiting(flow.kind, flow.id)
    offered: Sequence[Channel] = flow.resend.channels if flow.resend else []
    wait = flow.resend.retry_after_seconds if flow.resend else 0
    if isinstance(problem, errors.TooManyRequests):
        wait = max(wait, math.ceil(problem.extra["retry_after_seconds"]))
    asked = visit.request.query_params.get("sent")
    way = asked if asked in offered else _expected(offered)
    return visit.page(
        template,
        flow=flow,
        problem=problem,
        sent=asked is not None,
        way=way,
        going=[one for one in offered if one != "voice"] if way == "any" else [way],
        action=f"{visit.base}/reset?flow={flow.id}",
        wait=wait,
        spacing=int(policy.resend.spacing.total_seconds()),
        link_minutes=int(policy.password_reset.link_lifetime.total_seconds() // 60),
        code_minutes=int(policy.password_reset.passcode_lifetime.total_seconds() // 60),
    )


async def send_again(visit: Visit, path: str, flow: UUID, page: str, way: str, answer: type[Any]) -> Response:
    """`path`: of the flow in the API. `way`: a channel, or 1 for the way that it goes by itself."""
    body = {"channel": way} if way in CHANNELS else {}
    try:
        await visit.go_on(f"{path}/resend", body, answer, peer="recovery")
    except (errors.FlowEnded, errors.ValidationFailed, errors.NotFound):
        return visit.to(f"{page}?flow={flow}")
    return visit.to(f"{page}?flow={flow}&sent={way if body else 1}")


def _expected(offered: Sequence[Channel]) -> str:
    """What the page of somebody who has not chosen a way speaks of; which it will be depends on the account (D10)."""
    if "email" in offered or not offered:
        return "any" if "sms" in offered else "email"
    return offered[0]
