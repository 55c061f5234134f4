"""What the privacy service is made of: its features come with their issues; database, inbox, relay and health are here."""

from servicekit.process.configuration import ConfigurationCopy, first_load
from servicekit.process.run import Resources, Service, Wired
from servicekit.web.http import create_internal_app

from privacy.settings import PrivacySettings


async def build(r: Resources) -> Wired:
    configuration = ConfigurationCopy(r.db, r.wakeups)
    return Wired(
        app=create_internal_app("privacy", [], keys=r.keys, clock=r.clock),
        consumes={"identity": configuration.handlers},
        loops=[configuration.run],
        on_start=[lambda: first_load(configuration)],
    )


SERVICE = Service("privacy", PrivacySettings, build)
