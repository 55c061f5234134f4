"""Which events cause which messages: the whole list on one screen."""

from collections.abc import Sequence

from latchkey_contracts.event import Event
from latchkey_contracts.identity import AccountFrozen, ActivationRequested, PasswordChanged, RegistrationRepeated, UserActivated
from latchkey_contracts.notifier import Channel
from latchkey_contracts.recovery import (
    RecoveryMessage,
    ResetProven,
    ResetRequested,
    TotalLossRecoveryAnnounced,
    UsernameReminderRequested,
)
from latchkey_contracts.sealed import Sealed
from servicekit.db import Tx
from servicekit.inbox import Handler

from .service import Intake


class Consumers:
    def __init__(self, intake: Intake) -> None:
        self._queue = intake.queue
        self._no_longer_of_use = intake.no_longer_of_use

    async def activation(self, tx: Tx, event: ActivationRequested) -> None:
        await self._flow(tx, event, "activation")

    async def account_exists(self, tx: Tx, event: RegistrationRepeated) -> None:
        await self._flow(tx, event, "account_exists")

    async def _flow(self, tx: Tx, event: ActivationRequested | RegistrationRepeated, template: str) -> None:
        await self._queue(
            tx,
            event,
            template=template,
            sealed=event.message,
            language=event.language,
            application=event.application,
            channel=event.channel,
        )

    async def activated(self, tx: Tx, event: UserActivated) -> None:
        await self._no_longer_of_use(tx, event, "activation")
        if event.welcome is not None:
            await self._queue(
                tx, event, template="welcome", sealed=event.welcome, language=event.language, application=event.application
            )

    async def recovery(self, tx: Tx, event: RecoveryMessage) -> None:
        await self._queue(
            tx,
            event,
            template="password_reset" if isinstance(event, ResetRequested) else "username_reminder",
            sealed=event.message,
            contact=event.contact,
            language=event.language,
            application=event.application,
            channel=event.channel,
        )

    async def proven(self, tx: Tx, event: ResetProven) -> None:
        await self._no_longer_of_use(tx, event, "password_reset")

    async def password_changed(self, tx: Tx, event: PasswordChanged) -> None:
        await self._no_longer_of_use(tx, event, "password_reset")
        await self._notices(tx, event, "reset_succeeded" if event.reason == "reset" else "password_changed")

    async def account_frozen(self, tx: Tx, event: AccountFrozen) -> None:
        await self._notices(tx, event, "account_frozen")

    async def _notices(self, tx: Tx, event: PasswordChanged | AccountFrozen, template: str) -> None:
        """To every verified address (NOT-1)."""
        ways: Sequence[tuple[Channel, list[Sealed]]] = (("email", event.notices), ("sms", event.sms_notices))
        for channel, notices in ways:
            for number, notice in enumerate(notices):
                await self._queue(
                    tx,
                    event,
                    template=template,
                    sealed=notice,
                    language=event.language,
                    application=event.application or "",
                    number=number,
                    channel=channel,
                )

    async def total_loss(self, tx: Tx, event: TotalLossRecoveryAnnounced) -> None:
        """To every verified address and number, at once and every day until it takes effect or is cancelled (REC-12)."""
        told: list[tuple[Channel, Sealed]] = [("email", one) for one in event.contacts]
        told += [("sms", one) for one in event.sms_contacts]
        for number, (channel, contact) in enumerate(told):
            await self._queue(
                tx,
                event,
                template="total_loss_announced",
                sealed=event.message,
                contact=contact,
                language=event.language,
                application=event.application,
                number=number,
                channel=channel,
            )

    @property
    def handlers(self) -> dict[str, dict[type[Event], Handler]]:
        """By publisher."""
        return {
            "identity": {
                ActivationRequested: self.activation,
                RegistrationRepeated: self.account_exists,
                UserActivated: self.activated,
                PasswordChanged: self.password_changed,
                AccountFrozen: self.account_frozen,
            },
            "recovery": {
                ResetRequested: self.recovery,
                ResetProven: self.proven,
                UsernameReminderRequested: self.recovery,
                TotalLossRecoveryAnnounced: self.total_loss,
            },
        }
