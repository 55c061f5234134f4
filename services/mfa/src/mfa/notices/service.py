"""What the owner is told of factors: at every verified address, which identity knows (MFA-8, MFA-10, NOT-1)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest
from latchkey_contracts.http.factors import FactorKind
from latchkey_contracts.messages import Origin, Secrets
from latchkey_contracts.mfa import Assistance, SecurityNoticeRequested
from servicekit.context import Trace, set_tenant
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.events import work
from servicekit.process.configuration import Resolved
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from mfa.tools import Tools

NOTICE = "notice"
ASK_SECONDS = 5
LIFETIME = timedelta(days=3)  # a notice that couldn't be delivered by then is old news
# MFA-10: whoever tries all day tells their owner of it once an hour.
FAILED_LIMIT = (Limit(1, 3600), Limit(5, 86400))
What: TypeAlias = Literal[
    "factor_added",
    "factor_removed",
    "recovery_code_used",
    "factor_failed",
    "factor_guessed",
    "device_trusted",
    "passkey_copied",
    "assisted",
]
Items: TypeAlias = Sequence[tuple[Trace, dict[str, Any]]]


class Notices:
    def __init__(self, tools: Tools) -> None:
        self._t = tools

    async def enqueue(
        self,
        tx: Tx,
        what: What,
        app: Resolved,
        account_id: UUID,
        caller: Caller,
        *,
        kind: FactorKind | None = None,
        assistance: Assistance | None = None,
    ) -> None:
        if what in {"factor_failed", "passkey_copied"}:
            key = self._t.throttle.key("notice", what, str(account_id))
            if not (await self._t.throttle.take(tx, [(key, FAILED_LIMIT)])).allowed:
                return
        payload = {
            "what": what,
            "application": app.application.slug,
            "account_id": str(account_id),
            "at": tx.now.isoformat(),
            "device": in_words(caller.user_agent),
            "factor": kind,
            "assistance": assistance,
        }
        await work.enqueue(tx, NOTICE, payload)

    async def ask(self, items: Items) -> ContactAnswer:
        """Where the owner can be told. Raises Overloaded."""
        ((_, given),) = items
        return await self._contacts(self._t.configuration.application(given["application"]), given["account_id"])

    async def can_tell(self, app: Resolved, account_id: UUID) -> bool:
        """Whether there is such an account in its store, with a verified address. Raises Overloaded."""
        found = await self._contacts(app, str(account_id))
        return found.account_id is not None and bool(found.contacts or found.sms_contacts)

    async def _contacts(self, app: Resolved, account_id: str) -> ContactAnswer:
        body = ContactRequest(
            application=app.application.slug,
            purpose="security_notice",
            reach="every_verified",
            account_id=account_id,
            store_id=str(app.store.id),
        )
        found = await self._t.identity.request(
            "POST", "/internal/contacts", caller=Caller("mfa"), json=body.model_dump(mode="json"), deadline=ASK_SECONDS
        )
        return ContactAnswer.model_validate(found)

    async def send(self, tx: Tx, items: Items, answer: ContactAnswer) -> None:
        ((_, given),) = items
        if answer.account_id is None or not (answer.contacts or answer.sms_contacts):
            return
        app = self._t.configuration.application(given["application"])
        set_tenant(str(app.store.id))
        at = datetime.fromisoformat(given["at"])
        told = Secrets(
            link=f"{self._t.db.origin}/{given['application']}/account/security",
            asked=Origin(at=at, device=given["device"]),
            factor=given["factor"],
            assistance=given.get("assistance"),
        )
        await tx.emit(
            SecurityNoticeRequested(
                account_id=answer.account_id,
                what=given["what"],
                application=given["application"],
                language=answer.language or app.application.default_language,
                contacts=answer.contacts,
                sms_contacts=answer.sms_contacts,
                message=self._t.sealer.seal(told, expires_at=tx.now + LIFETIME),
                at=at,
            )
        )
