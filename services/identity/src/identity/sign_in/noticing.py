"""The owner is told of a sign-in from a new device, and of one that looks odd, which is an event of its own (BRF-4, E9, NOT-1).

Behind the customer's answer, so that signing in costs nothing more.
"""

from typing import Any
from uuid import UUID

from latchkey_contracts.identity import PasswordGuessed, SignInFailed, SignInNoticeRequested, SignInReason, SignInSuspicious
from servicekit.context import set_tenant
from servicekit.db import Tx
from servicekit.events import work
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration
from servicekit.throttle import Limit, Throttle
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.credentials.slowdown import Slowdown
from identity.notices.service import Notices

from . import rules

NOTICE = "sign_in.notice"
# An app that keeps no device token signs in as a new one each time: of the same kind, in the same network, it is told once a day.
ALIKE = (Limit(1, 86400),)


class SignInNotices:
    def __init__(self, configuration: Configuration, throttle: Throttle, notices: Notices, slowdown: Slowdown) -> None:
        self._configuration = configuration
        self._throttle = throttle
        self._notices = notices
        self._slowdown = slowdown

    async def enqueue(
        self, tx: Tx, account_id: UUID, session_id: UUID, application: str, why: list[SignInReason], caller: Caller
    ) -> None:
        payload = {
            "account_id": str(account_id),
            "session_id": str(session_id),
            "application": application,
            "reasons": why,
            "user_agent": caller.user_agent,
            "ip": caller.ip,
        }
        await work.enqueue(tx, NOTICE, payload)

    async def tell(self, tx: Tx, payload: dict[str, Any]) -> None:
        account = await accounts.get(tx, UUID(payload["account_id"]))
        if account is None or account.status != "active":
            return
        app = self._configuration.application(payload["application"])
        set_tenant(str(account.store_id), "user")
        why: list[SignInReason] = payload["reasons"]
        odd = [one for one in why if one in rules.SUSPICIOUS]
        if odd:
            suspicious = SignInSuspicious(
                account_id=account.id, application=payload["application"], session_id=UUID(payload["session_id"]), reasons=odd
            )
            await tx.emit(suspicious)
            security_event("authn_login_success", "success", account_id=str(account.id), suspicious=odd)
        elif not await self._is_news(tx, payload):
            return
        who = Caller("identity", user_agent=payload["user_agent"])
        told = await self._notices.make(tx, app, account, "signed_in", who, reasons=why)
        if told["notices"]:
            await tx.emit(
                SignInNoticeRequested(
                    account_id=account.id,
                    application=payload["application"],
                    language=account.language or app.application.default_language,
                    reasons=why,
                    notices=told["notices"],
                )
            )

    async def tell_failure(self, tx: Tx, payload: dict[str, Any]) -> None:
        """The event is for an account that exists; of a long run its owner is told, once (BRF-1)."""
        account = await accounts.get(tx, UUID(payload["account_id"]))
        if account is None:
            return
        set_tenant(str(account.store_id), "unauthenticated")  # who failed is nobody we know
        slug = payload["application"]
        await tx.emit(SignInFailed(account_id=account.id, application=slug, reason="credentials_wrong"))
        names = [one.canonical for one in await accounts.identifiers(tx, account.id)]
        if not await self._slowdown.is_news(tx, account.store_id, account.id, names):
            return
        app = self._configuration.application(slug)
        told = await self._notices.make(tx, app, account, "password_guessed", Caller("identity"))
        if told["notices"]:
            language = account.language or app.application.default_language
            guessed = PasswordGuessed(account_id=account.id, application=slug, language=language, notices=told["notices"])
            await tx.emit(guessed)
        security_event("authn_login_fail_max", "fail", account_id=str(account.id))

    async def _is_news(self, tx: Tx, payload: dict[str, Any]) -> bool:
        key = self._throttle.key("new_device", payload["account_id"], payload["user_agent"] or "", payload["ip"] or "")
        return (await self._throttle.take(tx, [(key, ALIKE)])).allowed
