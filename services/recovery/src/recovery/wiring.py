"""What the recovery service is made of."""

from latchkey_contracts.recovery import CodeGuessingSuspected
from servicekit import links as link_routes
from servicekit.caller import Signer
from servicekit.client import InternalClient
from servicekit.configuration import ConfigurationCopy, first_load
from servicekit.guessing import Guesses
from servicekit.http import create_internal_app
from servicekit.idempotency import Idempotency
from servicekit.links import Links
from servicekit.onetime import OneTimeSecrets
from servicekit.run import Resources, Service, Wired
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.work import Several

from recovery import consumers
from recovery.password_reset import routes as reset_routes
from recovery.password_reset.sending import Messages
from recovery.password_reset.service import MESSAGE as RESET_MESSAGE
from recovery.password_reset.service import PURPOSE as RESET
from recovery.password_reset.service import Resets
from recovery.requests.service import Tools
from recovery.settings import RecoverySettings
from recovery.total_loss import routes as total_loss_routes
from recovery.total_loss.service import ANNOUNCE, TAKE_EFFECT, TotalLoss
from recovery.total_loss.service import PURPOSE as CANCEL
from recovery.username_reminder import routes as reminder_routes
from recovery.username_reminder.service import MESSAGE as REMINDER_MESSAGE
from recovery.username_reminder.service import Reminders


async def build(r: Resources) -> Wired:
    settings: RecoverySettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    identity = InternalClient(
        "identity", settings.identity_url or "http://identity:8080", Signer("recovery", r.keys, r.clock), r.clock
    )
    tools = Tools(
        db=r.db,
        configuration=configuration,
        onetime=OneTimeSecrets(r.keys),
        guesses=Guesses(r.db, RESET, CodeGuessingSuspected),
        throttle=Throttle(r.keys),
        idempotency=Idempotency(r.keys),
        sealer=Sealer(r.keys),
        identity=identity,
    )
    resets, messages, reminders = Resets(tools), Messages(tools), Reminders(tools)
    total_loss = TotalLoss(tools, messages)
    links = Links(r.db, tools.onetime, {RESET: resets, CANCEL: total_loss})
    routers = [
        reset_routes.router(resets),
        reminder_routes.router(reminders),
        total_loss_routes.router(total_loss),
        link_routes.router(links, resets.renew),
    ]
    return Wired(
        app=create_internal_app("recovery", routers, keys=r.keys, clock=r.clock),
        consumes={"identity": {**configuration.handlers, **consumers.handlers(resets, total_loss)}},
        work={
            RESET_MESSAGE: Several(messages.send),
            REMINDER_MESSAGE: Several(reminders.messages),
            ANNOUNCE: total_loss.announce,
            TAKE_EFFECT: total_loss.take_effect,
        },
        sweeps=[
            ("requests.purge", settings.sweep_seconds, resets.purge),
            ("total_loss.purge", settings.sweep_seconds, total_loss.purge),
        ],
        loops=[configuration.run, tools.guesses.run],
        on_start=[lambda: first_load(configuration)],
        on_stop=[identity.close],
    )


SERVICE = Service("recovery", RecoverySettings, build)
