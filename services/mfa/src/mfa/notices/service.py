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
from servicekit.proof.flow import in_time
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from mfa.tools import Tools

from . import store
from .store import Told

NOTICE = "notice"
ASK_SECONDS = 5
AGAIN = "notice"
KEEP = timedelta(days=90)  # so long one can be told again
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
        return await self.contacts(self._t.configuration.application(given["application"]), UUID(given["account_id"]))

    async def can_tell(self, app: Resolved, account_id: UUID) -> bool:
        """Whether there is such an account in its store, with a verified address. Raises Overloaded."""
        found = await self.contacts(app, account_id)
        return found.account_id is not None and bool(found.contacts or found.sms_contacts)

    async def contacts(self, app: Resolved, account_id: UUID) -> ContactAnswer:
        """Every verified way to whoever has the account in this application's store, and their language. Raises Overloaded."""
        body = ContactRequest(
            application=app.application.slug,
            purpose="security_notice",
            reach="every_verified",
            account_id=str(account_id),
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
        await store.keep(tx, answer.account_id, given["what"], given)

    async def again(self, tx: Tx, app: Resolved, account_id: UUID, one: Told) -> None:
        """The same once more, of when it happened. Raises TooManyRequests by the 20 s rule and above the caps (E1)."""
        resend, key = app.policy.resend, self._t.throttle.key
        limits = [
            (key("resend", AGAIN, str(account_id)), [Limit(1, resend.spacing.total_seconds())]),
            (key("caps", AGAIN, str(account_id)), [Limit(resend.per_hour, 3600), Limit(resend.per_day, 86400)]),
        ]
        in_time(await self._t.throttle.take(tx, limits))
        await work.enqueue(tx, NOTICE, one.payload)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)
