"""Which events cause which messages: the whole list on one screen."""

from latchkey_contracts.event import Event
from latchkey_contracts.identity import ActivationRequested, RegistrationRepeated, UserActivated
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


HANDLERS: dict[type[Event], Handler] = {
    ActivationRequested: activation,
    RegistrationRepeated: account_exists,
    UserActivated: welcome,
}
