"""What changes of address are built on."""

from dataclasses import dataclass

from latchkey_contracts.http.links import LinkPurpose
from servicekit.db import Database
from servicekit.process.configuration import Configuration
from servicekit.proof import OneTimeSecrets
from servicekit.proof.flow import ProofKit
from servicekit.proof.guessing import Guesses
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

from identity.budgets.service import Budgets
from identity.notices.service import Notices
from identity.sessions.service import Sessions

PURPOSE: LinkPurpose = "contact_change"
REVERT: LinkPurpose = "contact_revert"
MESSAGE = "contact_change.message"


@dataclass
class Tools:
    db: Database
    configuration: Configuration
    sessions: Sessions
    onetime: OneTimeSecrets
    guesses: Guesses
    throttle: Throttle
    budgets: Budgets
    idempotency: Idempotency
    sealer: Sealer
    notices: Notices
    grants: StepUps

    @property
    def proofs(self) -> ProofKit:
        return ProofKit(self.db, self.onetime, self.idempotency, self.guesses)
