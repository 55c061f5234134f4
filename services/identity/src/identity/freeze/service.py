"""Freezing: whoever holds a notice's mail says "this wasn't me", from anywhere and without signing in (D13, REC-7, NOT-2).

Nothing is deleted. Nobody signs in until a new password is set by a reset.
"""

from latchkey_contracts.http.links import ConfirmRequest, Frozen, LinkInfo
from latchkey_contracts.identity import AccountFrozen
from servicekit.caller import Caller
from servicekit.configuration import Configuration
from servicekit.context import set_tenant
from servicekit.db import Database
from servicekit.errors import LinkMalformed
from servicekit.idempotency import Idempotency
from servicekit.logging import security_event
from servicekit.onetime import LINK_ERRORS, OneTimeSecrets

from identity.accounts import store as accounts
from identity.notices import store as notices
from identity.notices.service import PURPOSE, Notices
from identity.sessions.service import Sessions


class Freezes:
    def __init__(
        self,
        db: Database,
        configuration: Configuration,
        onetime: OneTimeSecrets,
        sessions: Sessions,
        notices: Notices,
        idempotency: Idempotency,
    ) -> None:
        self._db = db
        self._configuration = configuration
        self._onetime = onetime
        self._sessions = sessions
        self._notices = notices
        self._idempotency = idempotency

    async def inspect(self, slug: str, token: str, _caller: Caller) -> LinkInfo:
        async with self._db.read() as conn:
            link = await self._onetime.inspect(conn, token)
            notice = await notices.get(conn, link.flow_id) if link.flow_id else None
        if notice is None or notice["application"] != slug:
            return LinkInfo(purpose=None, state="malformed")
        return LinkInfo(
            purpose="freeze",
            state=link.state,
            to=notice["recipient"],
            requested_at=notice["created_at"],
            requested_from=notice["device"],
            expires_at=link.expires_at,
            used_at=link.used_at,
        )

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> Frozen:
        """Consumes the link; ends every session, trusted device and one-time secret of the account."""
        app = self._configuration.application(slug)
        answer = None
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            link = await self._onetime.inspect(tx, body.token)
            notice = await notices.get(tx, link.flow_id) if link.flow_id else None
            if notice is None or notice["application"] != slug:
                raise LinkMalformed
            set_tenant(str(app.store.id), "unauthenticated")
            account = await accounts.lock(tx, notice["account_id"])
            result = await self._onetime.consume_link(
                tx, body.token, purposes=[PURPOSE], browser=caller.browser, from_anywhere=True
            )
            if result.outcome == "ok" and account is not None:
                if account["status"] == "active":
                    await accounts.set_status(tx, account["id"], "frozen")
                    await self._sessions.revoke_all(tx, account["id"], "account_frozen")
                    await self._onetime.end_subject(tx, str(account["id"]))
                    told = await self._notices.make(tx, app, account, "account_frozen", caller)
                    language = account["language"] or app.application.default_language
                    await tx.emit(AccountFrozen(account_id=account["id"], application=slug, language=language, **told))
                answer = Frozen()
                await self._idempotency.store(tx, caller, 200, answer)
        if answer is None:
            raise LINK_ERRORS.get(result.outcome, LinkMalformed)
        security_event("user_updated", "success", account_id=str(notice["account_id"]), change="frozen")
        return answer
