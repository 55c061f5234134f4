"""What proving a passkey has in common, beside the password and without one."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.http.passkeys import PasskeyProof
from servicekit.db import Conn, Tx
from servicekit.errors import NotFound
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.factors import store as factors
from mfa.notices.service import Notices
from mfa.passkeys.service import Passkeys, Proven, Unproven
from mfa.tools import Tools
from mfa.trusted_devices.service import TrustedDevices

from . import store
from .access import is_mine
from .service import Challenges
from .store import Challenge

Kind: TypeAlias = Literal["sign_in", "step_up"]


@dataclass(frozen=True, slots=True)
class Parts:
    tools: Tools
    passkeys: Passkeys
    challenges: Challenges
    notices: Notices
    devices: TrustedDevices


class PasskeyFlow:
    def __init__(self, parts: Parts) -> None:
        self._t = parts.tools
        self._passkeys = parts.passkeys
        self._challenges = parts.challenges
        self._notices = parts.notices
        self._devices = parts.devices

    async def proven(self, tx: Tx, app: Resolved, found: Challenge, right: Proven, body: PasskeyProof, caller: Caller) -> None:
        factor = await factors.get(tx, right.passkey.factor_id, found.account_id)
        assert factor is not None  # noqa: S101 - locked with its passkey
        await self._passkeys.use(tx, right)
        await self._challenges.proven(tx, found, factor, caller, method=right.proof.method)
        if body.trust_device and found.kind == "sign_in":
            await self._devices.trust(tx, app, found.account_id, caller)


async def mine_or_none(conn: Conn, kind: Kind, flow_id: UUID, slug: str | None, caller: Caller) -> Challenge | None:
    """None: there is none yet. Raises NotFound for any browser or session but the one that asked."""
    found = await store.get(conn, flow_id)
    if found is None:
        return None
    if found.kind != kind or (slug is not None and found.application != slug) or not is_mine(found, caller):
        raise NotFound
    return found


def about(kind: Kind, flow_id: UUID, caller: Caller) -> bytes:
    """What a challenge is for: this flow, in the browser or session that has it."""
    held_by = caller.browser if kind == "sign_in" else caller.session_id.bytes if caller.session_id else None
    return kind.encode() + b"\0" + flow_id.bytes + (held_by or b"")


def log_wrong(why: Unproven, flow_id: UUID, account_id: UUID | None) -> None:
    of: dict[str, Any] = {"account_id": str(account_id)} if account_id is not None else {}
    security_event("authn_login_fail", "fail", flow_id=str(flow_id), reason=f"passkey_{why}", **of)


def sign_in_path(slug: str, flow_id: UUID) -> str:
    return f"/v1/apps/{slug}/sign-ins/{flow_id}"
