"""What the notifier is made of."""

from servicekit.configuration import ConfigurationCopy, first_load
from servicekit.http import create_internal_app
from servicekit.run import Resources, Service, Wired
from servicekit.sealing import Opener

from notifier.channels.health import ChannelHealth
from notifier.channels.smtp import SmtpProvider
from notifier.delivery import routes
from notifier.delivery.service import Delivery
from notifier.intake.consumers import HANDLERS
from notifier.settings import NotifierSettings
from notifier.templates.render import Renderer


async def build(r: Resources) -> Wired:
    settings: NotifierSettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    delivery = Delivery(
        db=r.db,
        wakeups=r.wakeups,
        opener=Opener(r.keys, r.clock),
        renderer=Renderer(settings.sender_address),
        configuration=configuration,
        provider=SmtpProvider(settings.smtp_url.get_secret_value(), timeout_seconds=settings.smtp_timeout_seconds),
        health=ChannelHealth(r.clock),
        concurrency=settings.concurrency,
        lease_seconds=settings.lease_seconds,
        keep_days=settings.keep_days,
        poll_seconds=settings.poll_seconds,
    )
    return Wired(
        app=create_internal_app("notifier", [routes.router(delivery)], keys=r.keys, clock=r.clock),
        consumes={**HANDLERS, "identity": {**configuration.handlers, **HANDLERS["identity"]}},
        urgent=True,
        sweeps=[("delivery.purge", 3600, delivery.purge)],
        loops=[configuration.run],
        worker_loops=[delivery.run],
        on_start=[lambda: first_load(configuration)],
    )


SERVICE = Service("notifier", NotifierSettings, build)
