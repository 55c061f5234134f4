"""Link and code of a change, to the new address and, where the account must say yes, to one that it has: behind the customer's answer.

Whether the new one is somebody's is looked up here, so that whoever asks learns nothing of it (ENU-1): its mailbox alone is told.
"""

from typing import Any
from uuid import UUID

from latchkey_contracts.identity import ContactChangeRequested, ContactClaimed
from latchkey_contracts.messages import MessageContent, Origin
from servicekit.db import Tx
from servicekit.events import messages, work
from servicekit.process.configuration import Resolved
from servicekit.proof import Issued, ToIssue

from identity.accounts import changing_store
from identity.accounts import store as accounts
from identity.accounts.rules import Account, Identifier, channel_of, given_name, mask
from identity.reach.rules import greeted

from . import store
from .store import Change, Part
from .telling import Telling
from .tools import MESSAGE, PURPOSE, Tools

CODE_LENGTH = 6


class Messages:
    def __init__(self, tools: Tools, telling: Telling) -> None:
        self._t = tools
        self._telling = telling

    async def ask(self, tx: Tx, app: Resolved, row: Change, part: Part, asn: int | None) -> None:
        """Now, or when its turn comes; above a cap nothing leaves."""
        to = row.new if part == "new" else row.approver
        assert to is not None  # noqa: S101 - the parts that a change has
        turn = await self._t.budgets.turn(tx, app, PURPOSE, to.canonical, channel_of(to.kind), alone=True)
        if turn is None:
            await messages.suppressed(tx, _flow(row, part))
        else:
            await work.enqueue(tx, MESSAGE, {"flow_id": str(row.id), "part": part, "asn": asn}, due_at=turn)

    async def send(self, tx: Tx, payload: dict[str, Any]) -> None:
        """Makes link and code now: their life begins when the message leaves (R19)."""
        row, part = await store.lock(tx, UUID(payload["flow_id"])), payload["part"]
        if row is None or not row.is_open(tx.now) or (row.confirmed_at if part == "new" else row.approved_at) is not None:
            return
        account = await accounts.get(tx, row.account_id)
        to = row.new if part == "new" else row.approver
        if account is None or account.status != "active" or to is None:
            return
        app = self._t.configuration.application(row.application)
        asked = Origin(at=row.created_at, device=row.requested_from, asn=payload.get("asn"))
        if part == "new":
            owner = await self._owner(tx, row, to)
            if owner is not None:
                await self._tell_owner(tx, app, row, owner, to, asked)
                return
        await self._request(tx, app, account, row, part, to, asked)

    async def _owner(self, tx: Tx, row: Change, to: Identifier) -> Account | None:
        """Somebody else who has proven it, or had it until recently."""
        owner = await accounts.find_owner(tx, row.store_id, to)
        if owner is not None and owner.proven:
            return owner.account if owner.account.id != row.account_id else None
        resting = await changing_store.resting(tx, row.store_id, to)
        return await accounts.get(tx, resting) if resting is not None and resting != row.account_id else None

    async def _request(
        self, tx: Tx, app: Resolved, account: Account, row: Change, part: Part, to: Identifier, asked: Origin
    ) -> None:
        policy, channel, flow_id = app.policy, channel_of(to.kind), _flow(row, part)
        issued = await self._t.onetime.issue(
            tx,
            ToIssue(
                purpose=PURPOSE,
                flow_id=flow_id,
                subject=str(account.id),
                tenant=str(app.store.id),
                browser=row.browser,
                link_lifetime=policy.contact_change.link_lifetime if channel == "email" else None,
                code_lifetime=policy.registration.passcode_lifetime,
                code_length=self._t.guesses.code_length(CODE_LENGTH),
                match=row.match,
            ),
        )
        expires_at = issued.link_expires_at or issued.code_expires_at
        assert expires_at is not None  # noqa: S101 - there is a code in any case
        content = await self._content(tx, app, account, row, part, issued, asked)
        event = ContactChangeRequested(
            account_id=account.id,
            flow_id=flow_id,
            application=row.application,
            kind=row.kind,
            part=part,
            channel=channel,
            # A stranger who asks in a language that the owner can't read is no less understood.
            language=(account.language or row.language) if part == "old" else row.language,
            message=self._t.sealer.seal(content, expires_at=expires_at),
            expires_at=expires_at,
        )
        await messages.left(tx, flow_id, await tx.emit(event, expirytime=expires_at))

    async def _content(
        self, tx: Tx, app: Resolved, account: Account, row: Change, part: Part, issued: Issued, asked: Origin
    ) -> MessageContent:
        """At the old address by name, with what is to change, and with a link that stops it."""
        to = row.new if part == "new" else row.approver
        assert to is not None  # noqa: S101 - the parts that a change has
        content = MessageContent(
            channel=channel_of(to.kind),
            to=to.address,
            link=f"{self._t.db.origin}/{row.application}/l/{issued.token}" if issued.token else None,
            link_expires_at=issued.link_expires_at,
            code=issued.code,
            code_expires_at=issued.code_expires_at,
            asked=asked,
            contact=f"{row.kind}.{row.mode}",
        )
        if part == "new":
            return content  # nobody is greeted by name at an address that nobody has proven (WEB-14)
        about = row.new or row.old
        more = {
            "given_name": given_name(account.profile),
            "about": mask(about.kind, about.value) if about is not None else None,
            "undo": await self._telling.undoing(tx, app, row.id, account.id, to, pending=True),
        }
        return content.model_copy(update=more)

    async def _tell_owner(self, tx: Tx, app: Resolved, row: Change, account: Account, to: Identifier, asked: Origin) -> None:
        """Its life is that of the message that the asker waits for."""
        channel = channel_of(to.kind)
        policy = app.policy
        life = policy.contact_change.link_lifetime if channel == "email" else policy.registration.passcode_lifetime
        held = await accounts.identifiers(tx, account.id)
        owned = next((one.identifier for one in held if (one.kind, one.canonical) == (to.kind, to.canonical)), to)
        content = MessageContent(channel=channel, to=owned.address, given_name=greeted(account, held, owned), asked=asked)
        event = ContactClaimed(
            account_id=account.id,
            flow_id=row.id,
            application=row.application,
            channel=channel,
            language=row.language,  # of the page that asked, which is most often the owner's own
            message=self._t.sealer.seal(content, expires_at=tx.now + life),
            expires_at=tx.now + life,
        )
        await messages.left(tx, row.id, await tx.emit(event, expirytime=tx.now + life))


def _flow(row: Change, part: Part) -> UUID:
    if part == "new":
        return row.id
    assert row.approval_id is not None  # noqa: S101 - the parts that a change has
    return row.approval_id
