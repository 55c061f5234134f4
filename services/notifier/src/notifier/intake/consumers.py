"""Which events cause which messages: the whole list on one screen."""

from latchkey_contracts.event import Event
from latchkey_contracts.identity import AccountFrozen, ActivationRequested, PasswordChanged, RegistrationRepeated, UserActivated
from latchkey_contracts.recovery import RecoveryMessage, ResetRequested, TotalLossRecoveryAnnounced, UsernameReminderRequested
from servicekit.db import Tx
from servicekit.inbox import Handler

from .service import queue


async def activation(tx: Tx, event: ActivationRequested) -> None:
    await queue(tx, event, template="activation", sealed=event.message, language=event.language, application=event.application)


async def account_exists(tx: Tx, event: RegistrationRepeated) -> None:
    await queue(
        tx, event, template="account_exists", sealed=event.message, language=event.language, application=event.application
    )


async def welcome(tx: Tx, event: UserActivated) -> None:
    if event.welcome is not None:
        await queue(tx, event, template="welcome", sealed=event.welcome, language=event.language, application=event.application)


async def recovery(tx: Tx, event: RecoveryMessage) -> None:
    await queue(
        tx,
        event,
        template="password_reset" if isinstance(event, ResetRequested) else "username_reminder",
        sealed=event.message,
        contact=event.contact,
        language=event.language,
        application=event.application,
        channel=event.channel,
    )


async def password_changed(tx: Tx, event: PasswordChanged) -> None:
    """To every verified address (NOT-1)."""
    template = "reset_succeeded" if event.reason == "reset" else "password_changed"
    for number, notice in enumerate(event.notices):
        application = event.application or ""
        await queue(tx, event, template=template, sealed=notice, language=event.language, application=application, number=number)


async def account_frozen(tx: Tx, event: AccountFrozen) -> None:
    for number, notice in enumerate(event.notices):
        await queue(
            tx,
            event,
            template="account_frozen",
            sealed=notice,
            language=event.language,
            application=event.application,
            number=number,
        )


async def total_loss(tx: Tx, event: TotalLossRecoveryAnnounced) -> None:
    """To every verified address, at once and every day until it takes effect or is cancelled (REC-12)."""
    for number, contact in enumerate(event.contacts):
        await queue(
            tx,
            event,
            template="total_loss_announced",
            sealed=event.message,
            contact=contact,
            language=event.language,
            application=event.application,
            number=number,
        )


# By publisher.
HANDLERS: dict[str, dict[type[Event], Handler]] = {
    "identity": {
        ActivationRequested: activation,
        RegistrationRepeated: account_exists,
        UserActivated: welcome,
        PasswordChanged: password_changed,
        AccountFrozen: account_frozen,
    },
    "recovery": {
        ResetRequested: recovery,
        UsernameReminderRequested: recovery,
        TotalLossRecoveryAnnounced: total_loss,
    },
}
