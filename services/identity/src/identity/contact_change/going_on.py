"""What a customer does with a change that waits: look, type a code, ask for another message, end it (STP-5)."""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.contact_change import (
    ContactChangeFlow,
    ContactChanges,
    ContactCode,
    ContactResend,
    OwnIdentifier,
    OwnIdentifiers,
)
from servicekit.context import set_tenant
from servicekit.db import Conn
from servicekit.errors import FieldError, FlowEnded, NotFound, SessionRequired, ValidationFailed
from servicekit.events import messages, work
from servicekit.process.configuration import Resolved
from servicekit.proof import same_browser
from servicekit.proof.flow import in_time
from servicekit.web.caller import Caller

from identity.accounts import changing_store
from identity.accounts.rules import channel_of

from . import rules, store
from .applying import Applying
from .proving import ContactProofs
from .showing import Showing
from .store import Change
from .tools import MESSAGE, PURPOSE, Tools

KEEP = timedelta(days=7)  # after its end, for whoever opens a link of it


class ContactsInChange:
    def __init__(self, tools: Tools, applying: Applying, proofs: ContactProofs, showing: Showing) -> None:
        self._t = tools
        self._applying = applying
        self._proofs = proofs
        self._showing = showing

    async def identifiers(self, caller: Caller) -> OwnIdentifiers:
        account_id, _ = caller.account()
        app = self._app(caller)
        async with self._t.db.read() as conn:
            owns = await changing_store.own(conn, account_id)
        used = app.store.used() if app.policy.personal_information.enabled else {}
        return OwnIdentifiers(
            items=[
                OwnIdentifier(
                    id=one.id,
                    kind=one.kind,
                    value=one.value,
                    verified=one.verified_at is not None,
                    primary=one.is_primary,
                    changeable=one.kind in used and used[one.kind].editable,
                    removable=one.kind in used and rules.may_remove(owns, one, app.store),
                    created_at=one.created_at,
                )
                for one in owns
            ],
            addable=[kind for kind in used if rules.may_add(owns, kind, app.store)],
        )

    async def listing(self, caller: Caller) -> ContactChanges:
        account_id, _ = caller.account()
        async with self._t.db.read() as conn:
            rows = await store.pending(conn, account_id)
            return ContactChanges(items=[await self._showing.flow(conn, row, caller) for row in rows])

    async def read(self, change_id: UUID, caller: Caller) -> ContactChangeFlow:
        async with self._t.db.read() as conn:
            return await self._showing.flow(conn, await self._own(conn, change_id, caller), caller)

    async def code(self, change_id: UUID, body: ContactCode, caller: Caller) -> ContactChangeFlow:
        """Of either message. Raises CodeWrong and what else a code can be; NotFound in any window but the one that asked (OTP-4)."""
        async with self._t.db.read() as conn:
            row = await self._own(conn, change_id, caller)
        flow_id = row.id if body.source == "new" else row.approval_id
        if flow_id is None:
            raise NotFound
        return await self._proofs.by_code(row.application, flow_id, body.code, caller)

    async def resend(self, change_id: UUID, body: ContactResend, caller: Caller) -> ContactChangeFlow:
        """Too early, or above a cap: 429. The older link and code die when the new ones leave."""
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._own(tx, change_id, caller)
            if not same_browser(row.browser, caller.browser):
                raise NotFound
            to, flow_id = (row.new, row.id) if body.source == "new" else (row.approver, row.approval_id)
            done = row.confirmed_at if body.source == "new" else row.approved_at
            if not row.is_open(tx.now) or done is not None or to is None or flow_id is None:
                raise FlowEnded
            app = self._t.configuration.application(row.application)
            set_tenant(str(app.store.id), "user")
            way = channel_of(to.kind)
            if body.channel not in {None, way}:
                raise ValidationFailed([FieldError("/channel", "not_an_option", "This message goes to that address alone")])
            in_time(await self._t.budgets.take(tx, app, PURPOSE, to.canonical, way, alone=True))
            await work.enqueue(tx, MESSAGE, {"flow_id": str(row.id), "part": body.source, "asn": caller.asn})
            await messages.asked_again(tx, flow_id)
            answer = await self._showing.flow(tx, row, caller)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def cancel(self, change_id: UUID, caller: Caller) -> None:
        """In any window of the same customer: what never counted takes nothing with it. Raises FlowEnded once it counts."""
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await self._own(tx, change_id, caller)
            row = await self._proofs.lock(tx, change_id)
            if row is None or row.over:
                raise FlowEnded
            set_tenant(str(row.store_id), "user")
            await self._applying.end(tx, row.change, "cancelled")
            await self._t.idempotency.store(tx, caller, 204, None)

    async def purge(self) -> None:
        """With what was typed and what was there before: nobody can undo it any more."""
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)
            await changing_store.purge(tx)

    @staticmethod
    async def _own(conn: Conn, change_id: UUID, caller: Caller) -> Change:
        account_id, _ = caller.account()
        row = await store.get(conn, change_id)
        if row is None or row.account_id != account_id or row.id != change_id:
            raise NotFound
        return row

    def _app(self, caller: Caller) -> Resolved:
        if not self._t.configuration.knows(caller.application):
            raise SessionRequired
        return self._t.configuration.application(str(caller.application))
