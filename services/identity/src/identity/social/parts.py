"""What the feature is made of."""

from servicekit.keys import Keys
from servicekit.web.step_up import StepUps as Grants

from identity.registration.service import Registrations
from identity.registration.tools import Tools
from identity.step_up.service import StepUps

from .entering import Entering
from .joining import Joining
from .linking import LinkedAccounts
from .providers import Providers
from .service import Social
from .ways import Ways


def parts(
    tools: Tools, keys: Keys, providers: Providers, registrations: Registrations, entering: Entering, step_ups: StepUps
) -> Social:
    db, configuration, idempotency = tools.db, tools.configuration, tools.idempotency
    ways = Ways(db, keys, configuration, providers)
    accounts = LinkedAccounts(db, configuration, ways, tools.linking, Grants(keys), idempotency)
    joining = Joining(tools, registrations, entering)
    return Social(db, configuration, ways, entering, joining, accounts, step_ups, idempotency)
