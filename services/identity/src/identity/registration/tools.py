"""What registration and activation are built on."""

from dataclasses import dataclass
from datetime import timedelta

from servicekit.db import Database
from servicekit.process.configuration import Configuration
from servicekit.proof import OneTimeSecrets
from servicekit.proof.flow import ProofKit
from servicekit.proof.guessing import Guesses
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.web.idempotency import Idempotency

from identity.budgets.service import Budgets
from identity.credentials.service import Passwords
from identity.sessions.service import Sessions

PURPOSE = "activation"
MESSAGE = "registration.message"


@dataclass
class Tools:
    db: Database
    configuration: Configuration
    passwords: Passwords
    sessions: Sessions
    onetime: OneTimeSecrets
    guesses: Guesses
    throttle: Throttle
    budgets: Budgets
    idempotency: Idempotency
    sealer: Sealer
    keep_pending: timedelta

    @property
    def proofs(self) -> ProofKit:
        return ProofKit(self.db, self.onetime, self.idempotency, self.guesses)
