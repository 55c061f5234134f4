"""Whom the message of a request goes to: asked of identity behind the customer's answer, and outside of any transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.contacts import ContactAnswer, ContactAsked, ContactReach, ContactsAnswer, ContactsRequest
from latchkey_contracts.messages import Origin, Secrets
from latchkey_contracts.recovery import RecoveryMessage
from latchkey_contracts.sealed import Sealed
from servicekit.context import Trace, use_trace
from servicekit.db import Conn, Tx
from servicekit.events import work
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from recovery.kinds import Kind

from . import store
from .service import Tools
from .store import Request

Items: TypeAlias = Sequence[tuple[Trace, dict[str, Any]]]
Answers: TypeAlias = Mapping[str, ContactAnswer]  # by the message's id
ASK_SECONDS = 5


@dataclass(frozen=True)
class ToReach:
    """A request, and whose it is: `contact` was sealed by identity, `masked` is what whoever holds the link may see."""

    trace: Trace
    row: Request
    app: Resolved
    account_id: UUID
    contact: Sealed
    masked: str | None
    channel: Channel
    asn: int | None = None

    @property
    def asked(self) -> Origin:
        """What the message says of its cause: when it was asked for, and from where."""
        return Origin(at=self.row.created_at, device=self.row.requested_from, asn=self.asn)


@dataclass
class Reaching:
    """Of one kind of request; `work_kind` names the work that sends its message, `reach` whom it is for."""

    tools: Tools
    kind: Kind
    work_kind: str
    reach: ContactReach = "preferred"

    async def ask(self, items: Items) -> Answers:
        """One call for all of which it isn't known already. A message's id makes a repetition count once."""
        async with self.tools.db.read() as conn:
            waiting = [one for one in await self._waiting(conn, items) if one[2].contact is None]
        if not waiting:
            return {}
        body = ContactsRequest(items=[self._asked(row, payload) for _, payload, row in waiting])
        found = await self.tools.identity.request(
            "POST",
            "/internal/contacts/several",
            caller=Caller(service="recovery"),
            json=body.model_dump(mode="json"),
            deadline=ASK_SECONDS,
        )
        answers = ContactsAnswer.model_validate(found).items
        return {payload["message_id"]: answer for (_, payload, _), answer in zip(waiting, answers, strict=True)}

    async def to_reach(self, tx: Tx, items: Items, answers: Answers) -> list[ToReach]:
        """Left out are those where there is nobody, or nothing to write any more; whose turn comes later is put off."""
        found: list[ToReach] = []
        for trace, payload, row in await self._waiting(tx, items):
            answer = answers.get(payload["message_id"])
            app = self.tools.configuration.application(row.application)
            if row.contact is not None and row.account_id is not None:
                found.append(ToReach(trace, row, app, row.account_id, row.contact, None, "email"))
            elif answer is not None and answer.wait_until is not None:
                with use_trace(trace):
                    await work.enqueue(tx, self.work_kind, {**payload, "counted": True}, due_at=answer.wait_until)
            elif answer is not None and answer.account_id is not None and answer.contact is not None:
                way = answer.channel or "email"
                asn = payload.get("asn")
                found.append(ToReach(trace, row, app, answer.account_id, answer.contact, answer.to, way, asn))
        await store.reached(tx, [(one.row.id, one.account_id, one.masked) for one in found])
        return found

    async def publish(self, tx: Tx, event: type[RecoveryMessage], one: ToReach, secrets: Secrets, expires_at: datetime) -> None:
        """What the notifier is to send, to whom identity has sealed."""
        message = event(
            account_id=one.account_id,
            flow_id=one.row.id,
            application=one.row.application,
            channel=one.channel,
            language=one.row.language or one.app.application.default_language,
            contact=one.contact,
            message=self.tools.sealer.seal(secrets, expires_at=expires_at),
            expires_at=expires_at,
        )
        await tx.emit(message, tenant=one.row.store_id, expirytime=expires_at)

    async def _waiting(self, conn: Conn, items: Items) -> list[tuple[Trace, dict[str, Any], Request]]:
        rows = await store.get_several(conn, [UUID(payload["flow_id"]) for _, payload in items])
        found = [(trace, payload, rows.get(UUID(payload["flow_id"]))) for trace, payload in items]
        return [
            (trace, payload, row)
            for trace, payload, row in found
            if row is not None and row.waits and row.voided_at is None and row.expires_at > conn.now and not self.tools.moved(row)
        ]

    def _asked(self, row: Request, payload: dict[str, Any]) -> ContactAsked:
        return ContactAsked(
            message_id=payload["message_id"],
            application=row.application,
            purpose=self.kind,
            reach=self.reach,
            identifier=row.identifier,
            account_id=str(row.account_id) if row.started_by_rep else None,
            channel=payload.get("channel"),
            restarted=row.restarted,
            store_id=str(row.store_id),
            counted=payload.get("counted", False),
        )
