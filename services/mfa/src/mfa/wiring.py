"""What the mfa service is made of: its features come with their issues; database, inbox, relay and health are here."""

from servicekit.configuration import ConfigurationCopy, first_load
from servicekit.http import create_internal_app
from servicekit.run import Resources, Service, Wired

from mfa.settings import MfaSettings


async def build(r: Resources) -> Wired:
    configuration = ConfigurationCopy(r.db, r.wakeups)
    return Wired(
        app=create_internal_app("mfa", [], keys=r.keys, clock=r.clock),
        consumes={"identity": configuration.handlers},
        loops=[configuration.run],
        on_start=[lambda: first_load(configuration)],
    )


SERVICE = Service("mfa", MfaSettings, build)
