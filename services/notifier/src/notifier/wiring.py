"""What the notifier is made of."""

from servicekit.clock import Clock
from servicekit.configuration import ConfigurationCopy, first_load
from servicekit.http import create_internal_app
from servicekit.run import Resources, Service, Wired
from servicekit.sealing import Opener

from notifier.channels.chain import Chain
from notifier.delivery import routes as delivery_routes
from notifier.delivery.history import History
from notifier.delivery.outcomes import Outcomes
from notifier.delivery.preparing import Preparing
from notifier.delivery.sending import Sending
from notifier.delivery.service import Delivery
from notifier.intake.consumers import Consumers
from notifier.intake.service import Intake
from notifier.receipts import routes as receipts_routes
from notifier.receipts.service import Receipts
from notifier.settings import NotifierSettings
from notifier.suppression import routes as suppression_routes
from notifier.suppression.service import Suppression
from notifier.switches import routes as switches_routes
from notifier.switches.service import Switchboard, Switches
from notifier.templates import routes as templates_routes
from notifier.templates.render import Renderer
from notifier.templates.service import Templates


async def build(r: Resources) -> Wired:
    settings: NotifierSettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    # The world outside has its own time: signatures are stamped and checked by it, also where a test has moved ours.
    chain = Chain([one.make(Clock()) for one in settings.providers()], r.clock)
    switches = Switches()
    renderer = Renderer(settings.sender_address, settings.origin)
    templates = Templates(renderer, configuration, chain, r.clock, settings.origin)
    preparing = Preparing(
        clock=r.clock,
        opener=Opener(r.keys, r.clock),
        keys=r.keys,
        renderer=renderer,
        configuration=configuration,
        switches=switches,
    )
    outcomes = Outcomes(r.db, preparing, chain, settings.suppress_days)
    delivery = Delivery(
        db=r.db,
        wakeups=r.wakeups,
        sending=Sending(
            db=r.db,
            preparing=preparing,
            outcomes=outcomes,
            chain=chain,
            origin=settings.origin,
            concurrency=settings.concurrency,
            lease_seconds=settings.lease_seconds,
        ),
        outcomes=outcomes,
        chain=chain,
        switches=switches,
        concurrency=settings.concurrency,
        lease_seconds=settings.lease_seconds,
        keep_days=settings.keep_days,
        poll_seconds=settings.poll_seconds,
    )
    receipts = Receipts(r.db, chain, preparing, outcomes, settings.suppress_days)
    consumers = Consumers(Intake(chain, settings.code_queue_limit, least=4 * settings.concurrency)).handlers
    return Wired(
        app=create_internal_app(
            "notifier",
            [
                delivery_routes.router(delivery, History(r.db, renderer, configuration, settings.origin)),
                receipts_routes.router(receipts),
                switches_routes.router(Switchboard(r.db)),
                suppression_routes.router(Suppression(r.db, r.keys)),
                templates_routes.router(templates),
            ],
            keys=r.keys,
            clock=r.clock,
        ),
        consumes={**consumers, "identity": {**configuration.handlers, **consumers["identity"]}},
        urgent=True,
        sweeps=[("delivery.purge", 3600, delivery.purge)],
        loops=[configuration.run],
        worker_loops=[delivery.run],
        on_start=[lambda: first_load(configuration)],
    )


SERVICE = Service("notifier", NotifierSettings, build)
