"""The message of a reset: whom to reach is asked, link and code are made, and it is published, behind the customer's answer (REC-1)."""

from uuid import UUID

from latchkey_contracts.messages import Contact, Secrets
from latchkey_contracts.recovery import ResetRequested
from servicekit.context import use_trace
from servicekit.db import Conn, Tx
from servicekit.proof import Issued, ToIssue

from recovery.flows import rules
from recovery.flows.reaching import Answers, Items, Reaching, ToReach
from recovery.flows.service import Requests, Tools

from .service import MESSAGE, PURPOSE


class Messages:
    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._requests = Requests(tools, "password_reset", MESSAGE)
        self._reaching = Reaching(tools, "password_reset", MESSAGE)
        self.ask = self._reaching.ask

    async def send(self, tx: Tx, items: Items, answers: Answers) -> None:
        """Makes links and codes now: their life begins when the message leaves."""
        found = [one for one in await self._reaching.to_reach(tx, items, answers) if await self._is_of_use(tx, one)]
        for one, issued in zip(
            found, await self._t.onetime.issue_several(tx, [self._to_issue(one) for one in found]), strict=True
        ):
            with use_trace(one.trace):
                await self._send(tx, one, issued)

    async def send_to(self, tx: Tx, slug: str, account_id: UUID, contact: Contact, language: str) -> None:
        """To an address that isn't identity's (REC-12); its link works from anywhere, like that of a rep's start."""
        app = self._t.configuration.application(slug)
        sealed = self._t.sealer.seal(contact, expires_at=tx.now + rules.KEEP)  # as long as a fresh link can be asked for
        await self._requests.start_for_rep(tx, app, account_id, language, sealed)

    async def _is_of_use(self, conn: Conn, one: ToReach) -> bool:
        """Five wrong tries burn all codes of a flow, so a code alone could do nothing (OTP-5)."""
        return one.channel == "email" or bool(await self._t.onetime.tries_left(conn, flow_id=one.row.id, purpose=PURPOSE))

    def _to_issue(self, one: ToReach) -> ToIssue:
        """D10: a link and a code in one mail; by SMS or voice a code alone. No code where no window waits to take it."""
        policy, by_mail = one.app.policy.password_reset, one.channel == "email"
        lifetime = rules.link_lifetime(one.app.policy, lost=one.row.contact is not None)
        return ToIssue(
            purpose=PURPOSE,
            flow_id=one.row.id,
            subject=str(one.account_id),
            tenant=str(one.app.store.id),
            browser=one.row.browser,
            link_lifetime=lifetime if by_mail else None,
            code_lifetime=policy.passcode_lifetime if not by_mail or one.row.browser is not None else None,
            code_length=self._t.guesses.code_length(policy.passcode_length),
            match=one.row.match,
        )

    async def _send(self, tx: Tx, one: ToReach, issued: Issued) -> None:
        expires_at = issued.link_expires_at or issued.code_expires_at or tx.now
        secrets = Secrets(
            link=f"{self._t.db.origin}/{one.row.application}/l/{issued.token}" if issued.token else None,
            link_expires_at=issued.link_expires_at,
            code=issued.code,
            code_expires_at=issued.code_expires_at,
            asked=one.asked,
        )
        await self._reaching.publish(tx, ResetRequested, one, secrets, expires_at)
