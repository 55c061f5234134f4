"""Activation: the press on a link or a code from the mail makes an account usable (R5-R8, D1-D5, REG-3, LNK-*).

Exactly the attempt whose secret was used is adopted (adopting.py). A wrong try is committed first and told then.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.links import ConfirmedElsewhere, ConfirmRequest
from latchkey_contracts.http.registration import RegistrationFlow
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import CredentialsWrong, FlowEnded, LinkMalformed, StepMissing, ValidationFailed
from servicekit.events import work
from servicekit.ids import random_id
from servicekit.proof import MAX_WRONG, new_match
from servicekit.proof.flow import Proof, Proofs, Shown, in_time
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import channel_of, mask
from identity.registration import rules, store
from identity.registration.service import Registrations
from identity.registration.store import Registration
from identity.registration.tools import MESSAGE, PURPOSE, Tools

from .adopting import Adopting

# Wrong passwords on a link are counted apart from wrong codes, by the same rule.
PASSWORD_TRIES = "activation.password"  # noqa: S105 - the name of a counter


class Activations(Proofs[Registration, RegistrationFlow]):
    purpose = "activation"

    def __init__(self, tools: Tools, registrations: Registrations) -> None:
        super().__init__(tools.proofs)
        self._t = tools
        self._registrations = registrations
        self._adopting = Adopting(tools)

    async def find(self, conn: Conn, flow_id: UUID) -> Registration | None:
        return await store.get(conn, flow_id)

    async def lock(self, tx: Tx, flow_id: UUID) -> Registration | None:
        """The account first, then the flow: two presses for one account never wait for each other in a circle."""
        row = await store.get(tx, flow_id)
        if row is not None and row.account_id is not None:
            await accounts.lock(tx, row.account_id)
        return await store.lock(tx, flow_id)

    def leads_nowhere(self, row: Registration) -> bool:
        return row.voided_at is not None or self._moved(row)

    def _moved(self, row: Registration) -> bool:
        """A flow of a store that the application has left ends."""
        return row.store_id != self._t.configuration.application(row.application).store.id

    def has_ended(self, row: Registration, now: datetime) -> bool:
        return not row.waits or row.expires_at <= now or self._moved(row)

    def shown(self, row: Registration, caller: Caller) -> Shown:
        to = mask(row.recipient.kind, row.recipient.value)
        return Shown(to=to, requested_at=row.created_at, requested_from=row.requested_from)

    async def prove(self, tx: Tx, row: Registration, proof: Proof) -> RegistrationFlow:
        """Without a password of its own the attempt asks for one first."""
        if not row.complete:
            await store.set_status(tx, row.id, "password", proof.method)
        else:
            await self._adopting.adopt(tx, row, proof.method)
            await store.set_status(tx, row.id, "activated", proof.method)
        return await self._view(tx, row.id)

    async def spoil(self, tx: Tx, row: Registration) -> None:
        await store.set_link_ended(tx, row.id)

    async def again(self, tx: Tx, row: Registration, caller: Caller, *, mine: bool, valid: bool) -> RegistrationFlow:
        """In another browser than the one that asked nothing survives but the address that is about to be proven (REG-3, REG-4): a
        stranger may have typed all the rest, a number of his own with it.
        """
        app = self._t.configuration.application(row.application)
        restarted, way = valid or row.restarted, channel_of(row.recipient.kind)
        in_time(await self._t.budgets.take(tx, app, PURPOSE, row.recipient.canonical, way, restarted=restarted))
        attempt = store.Attempt(
            id=random_id(),
            store_id=row.store_id,
            application=row.application,
            identifiers=list(row.identifiers) if mine else [row.recipient],
            recipient=row.recipient,
            password_hash=row.password_hash if mine else None,
            profile=row.profile if mine else {},
            consents=row.consents if mine else [],
            language=app.speaks(caller.language) or row.language,
            return_to=row.return_to if mine else None,
            browser=caller.browser,
            match=new_match(),
            requested_from=in_words(caller.user_agent),
            expires_at=tx.now + app.policy.registration.link_lifetime,
            restarted=restarted,
            newcomer=row.newcomer if mine else None,
        )
        await store.insert(tx, attempt)
        await work.enqueue(tx, MESSAGE, {"flow_id": str(attempt.id), "taken": True, "asn": caller.asn})
        return await self._view(tx, attempt.id)

    # --- passwords -------------------------------------------------------------------------------------------------------

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> RegistrationFlow | ConfirmedElsewhere:
        if body.password is not None:
            return await self._confirm_with_password(slug, body.token, body.password, caller)
        return await super().confirm(slug, body, caller)

    async def _confirm_with_password(self, slug: str, token: str, password: str, caller: Caller) -> RegistrationFlow:
        """For "that window is gone": whoever holds the mailbox and knows the password chosen at registration is the one (REG-3)."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            link, row = await self._look(conn, slug, token)
        if row is None:
            raise LinkMalformed
        if link.state != "valid":
            raise self.refused(link.state)
        right = await self._t.passwords.verify(row.password_hash, password)
        answer = None
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            locked = await self.lock(tx, row.id)
            tries = await self._t.onetime.count_try(tx, flow_id=row.id, purpose=PASSWORD_TRIES) if locked else MAX_WRONG + 1
            if locked is not None and right and tries <= MAX_WRONG and await self._t.onetime.use(tx, link):
                answer = await self.prove(tx, locked, Proof("password", caller))
                await self._t.idempotency.store(tx, caller, 200, answer)
            elif locked is not None and not right and tries >= MAX_WRONG:
                await self._t.onetime.end_link(tx, link)
                await self.spoil(tx, locked)
        if answer is not None:
            return answer
        if right:
            raise self.refused("used")
        if tries >= MAX_WRONG:
            raise self.refused("ended")
        raise CredentialsWrong(tries_left=MAX_WRONG - tries)

    async def set_password(self, slug: str, flow_id: UUID, password: str, caller: Caller) -> RegistrationFlow:
        """Where the activation was renewed from another browser: the password chosen there doesn't count (REG-3)."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            mine = await self._registrations.mine(conn, slug, flow_id, caller)
        app = self._t.configuration.application(slug)
        errors = self._t.passwords.check_for(app, password, [identifier.value for identifier in mine.identifiers])
        if errors:
            raise ValidationFailed(errors)
        password_hash = await self._t.passwords.hash(password)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self.lock(tx, flow_id)
            if row is None or not rules.may_follow(row.status, "activated") or row.expires_at <= tx.now or self._moved(row):
                raise FlowEnded
            if row.complete:
                raise StepMissing
            set_tenant(str(row.store_id), "unauthenticated")
            await store.set_password(tx, flow_id, password_hash)
            if row.status == "password":
                proof = Proof(row.proven_by or "link", caller)
                answer = await self.prove(tx, replace(row, password_hash=password_hash, password_chosen=True), proof)
            else:
                answer = await self._view(tx, flow_id)
            await self._t.idempotency.store(tx, caller, 200, answer)
        return answer

    # --- parts -----------------------------------------------------------------------------------------------------------

    async def _view(self, tx: Tx, flow_id: UUID) -> RegistrationFlow:
        row = await store.get(tx, flow_id)
        assert row is not None  # noqa: S101 - the caller holds it
        return await self._registrations.view(tx, row)
