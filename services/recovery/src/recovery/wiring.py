"""What the recovery service is made of."""

from dataclasses import dataclass

from latchkey_contracts.recovery import CodeGuessingSuspected
from servicekit.db import Database
from servicekit.events.work import AskFirst, WorkHandler
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration, ConfigurationCopy, first_load
from servicekit.process.run import Resources, Service, Wired
from servicekit.proof import OneTimeSecrets
from servicekit.proof import links as link_routes
from servicekit.proof.guessing import Guesses
from servicekit.proof.links import Links
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.web.caller import Signer
from servicekit.web.client import InternalClient
from servicekit.web.http import create_internal_app
from servicekit.web.idempotency import Idempotency

from recovery import consumers
from recovery.flows.service import Tools
from recovery.password_reset import routes as reset_routes
from recovery.password_reset.new_password import NewPasswords
from recovery.password_reset.sending import Messages
from recovery.password_reset.service import MESSAGE as RESET_MESSAGE
from recovery.password_reset.service import PURPOSE as RESET
from recovery.password_reset.service import Resets
from recovery.settings import RecoverySettings
from recovery.total_loss import consumers as notice_consumers
from recovery.total_loss import routes as total_loss_routes
from recovery.total_loss.service import ANNOUNCE, TAKE_EFFECT, TotalLoss
from recovery.total_loss.waiting import Waiting
from recovery.username_reminder import routes as reminder_routes
from recovery.username_reminder.service import MESSAGE as REMINDER_MESSAGE
from recovery.username_reminder.service import Reminders


@dataclass(frozen=True)
class Features:
    """All of them, for the process and for tests."""

    tools: Tools
    resets: Resets
    new_passwords: NewPasswords
    messages: Messages
    reminders: Reminders
    total_loss: TotalLoss
    waiting: Waiting
    links: Links

    @property
    def work(self) -> dict[str, WorkHandler]:
        return {
            RESET_MESSAGE: AskFirst(self.messages.ask, self.messages.send),
            REMINDER_MESSAGE: AskFirst(self.reminders.ask, self.reminders.messages),
            ANNOUNCE: AskFirst(self.waiting.ask, self.waiting.announce, together=False),
            TAKE_EFFECT: AskFirst(self.waiting.ask, self.waiting.take_effect, together=False),
        }


def features(db: Database, keys: Keys, configuration: Configuration, identity: InternalClient) -> Features:
    tools = Tools(
        db=db,
        configuration=configuration,
        onetime=OneTimeSecrets(keys),
        guesses=Guesses(db, RESET, CodeGuessingSuspected),
        throttle=Throttle(keys),
        idempotency=Idempotency(keys),
        sealer=Sealer(keys),
        identity=identity,
    )
    resets, messages, total_loss = Resets(tools), Messages(tools), TotalLoss(tools)
    return Features(
        tools=tools,
        resets=resets,
        new_passwords=NewPasswords(tools, resets),
        messages=messages,
        reminders=Reminders(tools),
        total_loss=total_loss,
        waiting=Waiting(tools, messages),
        links=Links(db, tools.onetime, tools.idempotency, [resets, total_loss]),
    )


async def build(r: Resources) -> Wired:
    settings: RecoverySettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    identity = InternalClient(
        "identity", settings.identity_url or "http://identity:8080", Signer("recovery", r.keys, r.clock), r.clock
    )
    made = features(r.db, r.keys, configuration, identity)
    routers = [
        reset_routes.router(made.resets, made.new_passwords),
        reminder_routes.router(made.reminders),
        total_loss_routes.router(made.total_loss),
        link_routes.router(made.links),
    ]
    return Wired(
        app=create_internal_app("recovery", routers, keys=r.keys, clock=r.clock),
        consumes={
            "identity": {**configuration.handlers, **consumers.handlers(made.new_passwords, made.total_loss)},
            "notifier": notice_consumers.handlers(made.waiting),
        },
        work=made.work,
        sweeps=[
            ("requests.purge", settings.sweep_seconds, made.resets.purge),
            ("total_loss.purge", settings.sweep_seconds, made.total_loss.purge),
        ],
        loops=[configuration.run, made.tools.guesses.run],
        on_start=[lambda: first_load(configuration)],
        on_stop=[identity.close],
    )


SERVICE = Service("recovery", RecoverySettings, build)
