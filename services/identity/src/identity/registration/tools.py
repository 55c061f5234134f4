"""What registration and activation are built on."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from latchkey_contracts.identity import CodeGuessingSuspected
from servicekit.db import Database
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration
from servicekit.proof import OneTimeSecrets
from servicekit.proof.flow import ProofKit
from servicekit.proof.guessing import Guesses
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.web.idempotency import Idempotency

from identity.budgets.service import Budgets
from identity.credentials.service import Passwords
from identity.linked.service import Linking
from identity.notices.service import Notices
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
    linking: Linking
    keep_pending: timedelta

    @classmethod
    def of(cls, db: Database, keys: Keys, configuration: Configuration, passwords: Passwords, keep_pending: timedelta) -> Self:
        """`keep_pending`: how long an account that nobody activates is kept."""
        throttle, onetime, sealer = Throttle(keys), OneTimeSecrets(keys), Sealer(keys)
        return cls(
            db=db,
            configuration=configuration,
            passwords=passwords,
            sessions=Sessions(db),
            onetime=onetime,
            guesses=Guesses(db, PURPOSE, CodeGuessingSuspected),
            throttle=throttle,
            budgets=Budgets(throttle),
            idempotency=Idempotency(keys),
            sealer=sealer,
            linking=Linking(Notices(db, onetime, sealer)),
            keep_pending=keep_pending,
        )

    @property
    def proofs(self) -> ProofKit:
        return ProofKit(self.db, self.onetime, self.idempotency, self.guesses)
