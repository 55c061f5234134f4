"""What the notifier is made of."""

from dataclasses import dataclass

from servicekit.clock import Clock
from servicekit.db import Database
from servicekit.events.wakeups import Wakeups
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration, ConfigurationCopy, first_load
from servicekit.process.run import Resources, Service, Wired
from servicekit.sealing import Opener
from servicekit.throttle import Throttle
from servicekit.web.http import create_internal_app
from servicekit.web.idempotency import Idempotency

from notifier.channels.chain import Chain
from notifier.delivery import routes as delivery_routes
from notifier.delivery.history import History
from notifier.delivery.outcomes import Outcomes
from notifier.delivery.preparing import Preparing
from notifier.delivery.sending import Sending
from notifier.delivery.service import Delivery
from notifier.fraud import routes as fraud_routes
from notifier.fraud.service import Fraud
from notifier.fraud.traffic import Traffic
from notifier.fraud.watch import Watch
from notifier.intake.consumers import Consumers
from notifier.intake.service import Intake
from notifier.preferences import routes as preferences_routes
from notifier.preferences.service import NotificationPreferences
from notifier.receipts import routes as receipts_routes
from notifier.receipts.service import Receipts
from notifier.settings import NotifierSettings
from notifier.spending.service import Budgets
from notifier.suppression import routes as suppression_routes
from notifier.suppression.service import Suppression
from notifier.switches import routes as switches_routes
from notifier.switches.service import Switchboard, Switches
from notifier.templates import routes as templates_routes
from notifier.templates.render import Renderer
from notifier.templates.service import Templates


@dataclass(frozen=True)
class Features:
    """What sending and watching are made of, for the process and for tests."""

    switches: Switches
    preparing: Preparing
    traffic: Traffic
    fraud: Fraud
    budgets: Budgets
    watch: Watch
    outcomes: Outcomes
    receipts: Receipts


def features(
    db: Database, keys: Keys, clock: Clock, configuration: Configuration, chain: Chain, renderer: Renderer, suppress_days: int
) -> Features:
    """`suppress_days`: for how long an address that bounced is left alone."""
    switches, traffic, budgets = Switches(), Traffic(), Budgets(configuration)
    preparing = Preparing(
        clock=clock,
        opener=Opener(keys, clock),
        keys=keys,
        renderer=renderer,
        configuration=configuration,
        switches=switches,
    )
    outcomes = Outcomes(db, preparing, chain, suppress_days)
    return Features(
        switches=switches,
        preparing=preparing,
        traffic=traffic,
        fraud=Fraud(Throttle(keys), traffic),
        budgets=budgets,
        watch=Watch(db, budgets, keys, traffic),
        outcomes=outcomes,
        receipts=Receipts(db, chain, preparing, outcomes, suppress_days),
    )


def sender(
    db: Database,
    wakeups: Wakeups,
    chain: Chain,
    made: Features,
    *,
    origin: str,
    concurrency: int,
    lease_seconds: float,
    keep_days: int,
    poll_seconds: float,
) -> Delivery:
    """Of one process. `keep_days`: for how long reps see what became of a message; all else as in the settings."""
    sending = Sending(
        db=db,
        preparing=made.preparing,
        outcomes=made.outcomes,
        chain=chain,
        fraud=made.fraud,
        origin=origin,
        concurrency=concurrency,
        lease_seconds=lease_seconds,
    )
    return Delivery(
        db=db,
        wakeups=wakeups,
        sending=sending,
        outcomes=made.outcomes,
        chain=chain,
        switches=made.switches,
        budgets=made.budgets,
        watch=made.watch,
        concurrency=concurrency,
        lease_seconds=lease_seconds,
        keep_days=keep_days,
        poll_seconds=poll_seconds,
    )


async def build(r: Resources) -> Wired:
    settings: NotifierSettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    # The world outside has its own time: signatures are stamped and checked by it, also where a test has moved ours.
    chain = Chain([provider.make(Clock(), settings.ehlo) for provider in settings.providers()], r.clock)
    renderer = Renderer(settings.sender_address, settings.origin)
    made = features(r.db, r.keys, r.clock, configuration, chain, renderer, settings.suppress_days)
    delivery = sender(
        r.db,
        r.wakeups,
        chain,
        made,
        origin=settings.origin,
        concurrency=settings.concurrency,
        lease_seconds=settings.lease_seconds,
        keep_days=settings.keep_days,
        poll_seconds=settings.poll_seconds,
    )
    intake = Intake(chain, settings.code_queue_limit, least=4 * settings.concurrency)
    consumers = Consumers(intake, made.fraud).handlers
    routers = [
        delivery_routes.router(delivery, History(r.db, renderer, configuration, settings.origin)),
        receipts_routes.router(made.receipts),
        fraud_routes.router(made.watch),
        switches_routes.router(Switchboard(r.db)),
        preferences_routes.router(NotificationPreferences(r.db, configuration, Idempotency(r.keys))),
        suppression_routes.router(Suppression(r.db, r.keys)),
        templates_routes.router(Templates(renderer, configuration, chain, r.clock, settings.origin)),
    ]
    return Wired(
        app=create_internal_app("notifier", routers, keys=r.keys, clock=r.clock),
        consumes={**consumers, "identity": {**configuration.handlers, **consumers["identity"]}},
        urgent=tuple(consumers),
        sweeps=[("delivery.purge", 3600, delivery.purge)],
        loops=[configuration.run],
        worker_loops=[delivery.run],
        on_start=[lambda: first_load(configuration)],
    )


SERVICE = Service("notifier", NotifierSettings, build)
