"""Password reset: a link and a code to the account's own address, then a new password, never a session (R15-R19, REC-1 to 8).

A request changes nothing (REC-2). The proof is a press on the link or the code, in the window that asked; from elsewhere the
number of that window is needed (LNK-3). The last step is one call to identity, which owns the password.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from latchkey_contracts.event import AccountEvent
from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.contacts import PasswordReset, PasswordResetDone
from latchkey_contracts.http.links import ConfirmedElsewhere, ConfirmRequest, LinkInfo
from latchkey_contracts.http.recovery import ResetFlow, ResetRequest
from latchkey_contracts.identity import AccountDisabled, AccountFrozen, PasswordChanged
from latchkey_contracts.recovery import ResetCompleted, ResetProven
from servicekit.caller import Caller
from servicekit.configuration import Resolved
from servicekit.context import set_tenant
from servicekit.db import Conn, Record, Tx
from servicekit.errors import (
    CodeBurned,
    FeatureDisabled,
    FlowEnded,
    LinkEnded,
    LinkMalformed,
    NotFound,
    StepMissing,
)
from servicekit.failpoints import failpoint
from servicekit.logging import security_event
from servicekit.onetime import LINK_ERRORS, Link, LinkResult, code_error, same_browser

from recovery.requests import rules, store
from recovery.requests.service import Asked, Requests, Starts, Tools

PURPOSE = "password_reset"
MESSAGE = "password_reset.message"


class Resets:
    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._requests = Requests(tools, "password_reset", MESSAGE)
        self.purge = self._requests.purge
        self._starts = Starts(self._requests, self._view)

    # --- asking ------------------------------------------------------------------------------------------------------------

    async def start(self, slug: str, body: ResetRequest, caller: Caller) -> ResetFlow:
        """202 whatever was typed."""
        return await self._starts(Asked.now(self._app(slug), body.identifier, caller, caller.language))

    async def start_for_rep(self, slug: str, account_id: UUID, caller: Caller) -> UUID:
        """REC-11; also where customers can't start one themselves (D14)."""
        app = self._t.configuration.application(slug)
        async with self._t.db.transaction() as tx:
            request_id = await self._requests.start_for_rep(tx, app, account_id, caller.language)
        security_event("sensitive_update", "success", what="password_reset.started", account_id=str(account_id))
        return request_id

    async def read(self, slug: str, request_id: UUID, caller: Caller) -> ResetFlow:
        async with self._t.db.read() as conn:
            row = await self._requests.mine(conn, slug, request_id, caller)
            return await self._view(conn, self._t.configuration.application(slug), row)

    async def resend(self, slug: str, request_id: UUID, channel: Channel | None, caller: Caller) -> ResetFlow:
        """The same or another way (R24-R28, D10); the older link and code die when the new ones leave, whatever way they went."""
        app = self._app(slug)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await self._requests.mine(tx, slug, request_id, caller)
            if channel in {"sms", "voice"} and not await self._t.onetime.tries_left(tx, flow_id=request_id, purpose=PURPOSE):
                raise CodeBurned
            await self._requests.resend(tx, app, row, channel)
            answer = await self._view(tx, app, row)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    # --- proving -----------------------------------------------------------------------------------------------------------

    async def inspect(self, slug: str, token: str, caller: Caller) -> LinkInfo:
        """Never writes (LNK-1)."""
        async with self._t.db.read() as conn:
            link = await self._t.onetime.inspect(conn, token)
            row = await store.get(conn, link.flow_id) if link.flow_id else None
        if row is None or link.purpose != PURPOSE or row["application"] != slug:
            return LinkInfo(purpose=None, state="malformed")
        elsewhere = link.state == "valid" and not row["started_by_rep"] and not same_browser(link.browser, caller.browser)
        return LinkInfo(
            purpose="password_reset",
            state="other_browser" if elsewhere else link.state,
            to=row["recipient"],
            requested_at=row["created_at"],
            requested_from=row["requested_from"],
            expires_at=link.expires_at,
            used_at=link.used_at,
            superseded_at=link.superseded_at,
            own=caller.account_id is not None and caller.account_id == row["account_id"],
        )

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> ResetFlow | ConfirmedElsewhere:
        """The press. Exactly one of many wins; a wrong number ends the link."""
        answer: ResetFlow | ConfirmedElsewhere | None = None
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            result, row = await self._consume(tx, slug, body, caller)
            if result.outcome == "ok" and row is not None:
                browser = caller.browser if row["started_by_rep"] else row["browser"]
                await self._prove(tx, row, browser)
                flow = await self._view(tx, self._t.configuration.application(slug), await self._row(tx, row["id"]))
                answer = ConfirmedElsewhere() if result.elsewhere else flow
                await self._t.idempotency.store(tx, caller, 200, answer)
            elif result.outcome == "match_wrong" and row is not None:
                await store.set_link_ended(tx, row["id"])
        if answer is None:
            security_event("authn_login_fail", "fail", purpose=PURPOSE, reason=result.outcome)
            raise LINK_ERRORS[result.outcome]
        return answer

    async def _consume(self, tx: Tx, slug: str, body: ConfirmRequest, caller: Caller) -> tuple[LinkResult, Record | None]:
        link = await self._t.onetime.inspect(tx, body.token)
        row = await store.lock(tx, link.flow_id) if link.flow_id else None
        if row is None or row["application"] != slug or link.purpose != PURPOSE:
            return LinkResult("malformed", Link("malformed")), None
        set_tenant(str(row["store_id"]), "unauthenticated")
        if (row["status"] != "check_your_messages" or row["voided_at"] is not None) and link.state == "valid":
            return LinkResult("ended", link), row
        result = await self._t.onetime.consume_link(
            tx,
            body.token,
            purposes=[PURPOSE],
            browser=caller.browser,
            match=body.match,
            from_anywhere=row["started_by_rep"],
        )
        return result, row

    async def by_code(self, slug: str, request_id: UUID, code: str, caller: Caller) -> ResetFlow:
        """Tries are counted for unknown identifiers, too; from another browser even the right code is a wrong try (OTP-4)."""
        answer = None
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            row = await store.lock(tx, request_id)
            if row is None or row["application"] != slug or row["kind"] != PURPOSE:
                raise NotFound
            mine = self._requests.belongs(row, slug, caller)
            if mine and (row["status"] != "check_your_messages" or row["expires_at"] <= tx.now):
                raise FlowEnded
            set_tenant(str(row["store_id"]), "unauthenticated")
            browser = caller.browser if row["voided_at"] is None else None  # then every code is a wrong one
            result = await self._t.onetime.consume_code(tx, flow_id=request_id, purpose=PURPOSE, code=code, browser=browser)
            if result.outcome == "ok":
                await self._prove(tx, row, row["browser"])
                answer = await self._view(tx, self._t.configuration.application(slug), await self._row(tx, request_id))
                await self._t.idempotency.store(tx, caller, 200, answer)
        self._t.guesses.count(result.outcome)
        if answer is not None:
            return answer
        security_event("authn_login_fail", "fail", purpose=PURPOSE, reason=f"code_{result.outcome}", flow_id=str(request_id))
        if not mine:
            raise NotFound
        raise code_error(result)

    async def renew(self, slug: str, token: str, caller: Caller) -> ResetFlow:
        """A fresh link for an expired or superseded one, to the same person; the flow belongs to whoever pressed (R19)."""
        app = self._app(slug)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            link = await self._t.onetime.inspect(tx, token)
            row = await store.get(tx, link.flow_id) if link.flow_id else None
            if row is None or row["application"] != slug or link.purpose != PURPOSE or link.state in {"valid", "malformed"}:
                raise LinkMalformed
            if link.state not in {"expired", "superseded"}:
                raise LINK_ERRORS[link.state]
            if row["voided_at"] is not None or (row["identifier"] is None and not row["started_by_rep"]):
                raise LinkEnded
            if row["started_by_rep"]:
                new, next_at = await self._requests.again(tx, app, row, caller), None
            else:
                known = same_browser(row["browser"], caller.browser)
                asked = Asked.now(app, row["identifier"], caller, row["language"], renewed=not known)
                new, next_at = await self._requests.start(tx, asked, in_turn=False)
            answer = await self._view(tx, app, new, next_at)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def _prove(self, tx: Tx, row: Record, browser: bytes | None) -> None:
        """First success voids all other links and codes of the account (LNK-9)."""
        await store.proven(tx, row["id"], browser, tx.now + rules.PROOF_LIFETIME)
        if row["account_id"] is not None:
            await store.void(tx, row["account_id"], tx.now, but=row["id"])
            await self._t.onetime.end_subject(tx, str(row["account_id"]))
            await tx.emit(ResetProven(account_id=row["account_id"], flow_id=row["id"], application=row["application"]))

    # --- the new password --------------------------------------------------------------------------------------------------

    async def set_password(self, slug: str, request_id: UUID, password: str, caller: Caller) -> ResetFlow:
        """Identity checks and sets it, ends sessions and tells every address; no session comes of it (REC-5)."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            row = await self._requests.mine(conn, slug, request_id, caller)
            now = conn.now
        if row["status"] == "check_your_messages" and row["expires_at"] > now:
            raise StepMissing
        if row["status"] != "new_password" or row["expires_at"] <= now or row["account_id"] is None:
            raise FlowEnded
        asked_at = row["created_at"].isoformat()
        body = PasswordReset(application=slug, flow_id=str(request_id), password=password, requested_at=asked_at)
        asker = replace(caller, service="recovery", idempotency_key=None, fingerprint=None)
        path = f"/internal/accounts/{row['account_id']}/password"
        found = await self._t.identity.request("POST", path, caller=asker, json=body.model_dump(mode="json"))
        failpoint("after_identity")
        app = self._t.configuration.application(slug)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await self._complete(tx, request_id)
            answer = await self._view(tx, app, await self._row(tx, request_id))
            await self._t.idempotency.store(tx, caller, 200, answer)
        if not PasswordResetDone.model_validate(found).done:
            raise FlowEnded  # an earlier call of this flow has set one; this one was not taken
        return answer

    async def password_changed(self, tx: Tx, event: PasswordChanged) -> None:
        """Completes a flow whose process died between identity's answer and its own commit; all others lead nowhere now."""
        flow_id = event.flow_id if event.reason == "reset" else None
        await self._secured(tx, event, but=flow_id)
        if flow_id is not None:
            await self._complete(tx, flow_id)

    async def secured(self, tx: Tx, event: AccountFrozen | AccountDisabled) -> None:
        """LNK-7: what was asked for before leads nowhere; what is asked for afterwards does."""
        await self._secured(tx, event)

    async def _secured(self, tx: Tx, event: AccountEvent, but: UUID | None = None) -> None:
        voided = await store.void(tx, event.account_id, event.meta.time, but)
        await self._t.onetime.end_flows(tx, voided)

    async def _complete(self, tx: Tx, request_id: UUID) -> None:
        """Once, whoever comes first: the customer's call or the event."""
        row = await store.complete(tx, request_id)
        if row is not None:
            await tx.emit(ResetCompleted(account_id=row["account_id"], flow_id=request_id, application=row["application"]))

    # --- parts ---------------------------------------------------------------------------------------------------------------

    def _app(self, slug: str) -> Resolved:
        """D14: switched off for customers, it is refused here; reps can still start one."""
        app = self._t.configuration.application(slug)
        if not app.policy.password_reset.enabled:
            raise FeatureDisabled
        return app

    async def _view(self, conn: Conn, app: Resolved, row: Record, next_at: datetime | None = None) -> ResetFlow:
        """`delivery` is null and nothing else depends on what was found either (ENU-1). `next_at`: it has just begun, so that
        nothing was tried yet.
        """
        status, open_ = row["status"], row["status"] in {"check_your_messages", "new_password"}
        if open_ and row["expires_at"] <= conn.now:
            status = "ended"
        waiting, resend = status == "check_your_messages", None
        following = {"new_password": ["password"]}.get(status, [])
        if waiting:
            tries = next_at is not None or await self._t.onetime.tries_left(conn, flow_id=row["id"], purpose=PURPOSE)
            resend = await self._requests.resend_state(conn, app, row, next_at)
            if not tries:  # the link of a mail lives on
                resend = resend.model_copy(update={"channels": [one for one in resend.channels if one == "email"]})
            following = ["resend"] * bool(resend.channels) + ["code"] * bool(tries)
        return ResetFlow(
            id=row["id"],
            status=status,
            expires_at=row["expires_at"],
            next=following,
            resend=resend,
            match=row["match"] if resend is not None and "email" in resend.channels and not row["link_ended"] else None,
            typed=row["identifier"] if not row["renewed"] else None,
            link_ended=row["link_ended"],
        )

    @staticmethod
    async def _row(conn: Conn, request_id: UUID) -> Record:
        row = await store.get(conn, request_id)
        assert row is not None  # noqa: S101 - the caller holds it
        return row
