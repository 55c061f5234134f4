"""What all features are built on."""

from dataclasses import dataclass

from servicekit.at_rest import AtRest
from servicekit.context import set_tenant
from servicekit.db import Database
from servicekit.errors import SessionRequired
from servicekit.process.configuration import Configuration, Resolved
from servicekit.proof import OneTimeSecrets
from servicekit.proof.guessing import Guesses
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.web.caller import Caller
from servicekit.web.client import InternalClient
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps


@dataclass
class Tools:
    """`at_rest`: what factors keep encrypted. `identity`: who knows the person, and owns sign-ins and step-ups."""

    db: Database
    configuration: Configuration
    onetime: OneTimeSecrets
    guesses: Guesses
    throttle: Throttle
    idempotency: Idempotency
    sealer: Sealer
    at_rest: AtRest
    step_ups: StepUps
    identity: InternalClient

    def of_session(self, caller: Caller) -> Resolved:
        """The application that the session was begun at. Raises SessionRequired where it is gone."""
        if not self.configuration.knows(caller.application):
            raise SessionRequired
        app = self.configuration.application(str(caller.application))
        set_tenant(str(app.store.id), "user")
        return app
