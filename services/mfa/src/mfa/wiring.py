"""What the mfa service is made of."""

from dataclasses import dataclass

from latchkey_contracts.mfa import CodeGuessingSuspected
from servicekit.at_rest import AtRest
from servicekit.db import Database
from servicekit.events.work import AskFirst, WorkHandler
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration, ConfigurationCopy, first_load
from servicekit.process.run import Resources, Service, Wired
from servicekit.proof import OneTimeSecrets
from servicekit.proof import links as link_routes
from servicekit.proof.flow import ProofKit
from servicekit.proof.guessing import Guesses
from servicekit.proof.links import Links
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle
from servicekit.web.caller import Signer
from servicekit.web.client import InternalClient
from servicekit.web.http import create_internal_app
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

from mfa import consumers
from mfa.assistance import routes as assistance_routes
from mfa.assistance.service import Assistances
from mfa.challenge import routes as challenge_routes
from mfa.challenge.access import AccessDecisions
from mfa.challenge.links import SignInLinks
from mfa.challenge.sending import ChallengeSending
from mfa.challenge.service import PURPOSE, Challenges
from mfa.factors import routes as factor_routes
from mfa.factors.codes import EnrolmentCodes
from mfa.factors.confirming import ACTIVATE, Confirming
from mfa.factors.service import UNMARK, FactorService
from mfa.notices.service import NOTICE, Notices
from mfa.sending import Sending
from mfa.settings import MfaSettings
from mfa.tools import Tools
from mfa.trusted_devices import routes as device_routes
from mfa.trusted_devices.service import TrustedDevices


@dataclass(frozen=True)
class Features:
    """All of them, for the process and for tests."""

    tools: Tools
    notices: Notices
    factors: FactorService
    confirming: Confirming
    decisions: AccessDecisions
    challenges: Challenges
    sending: ChallengeSending
    links: Links
    devices: TrustedDevices
    assistances: Assistances

    @property
    def work(self) -> dict[str, WorkHandler]:
        return {
            ACTIVATE: AskFirst(self.confirming.mark, self.confirming.activate, together=False),
            UNMARK: AskFirst(self.confirming.unmark, self.confirming.unmarked, together=False),
            NOTICE: AskFirst(self.notices.ask, self.notices.send, together=False),
        }


def features(db: Database, keys: Keys, configuration: Configuration, identity: InternalClient) -> Features:
    tools = Tools(
        db=db,
        configuration=configuration,
        onetime=OneTimeSecrets(keys),
        guesses=Guesses(db, PURPOSE, CodeGuessingSuspected),
        throttle=Throttle(keys),
        idempotency=Idempotency(keys),
        sealer=Sealer(keys),
        at_rest=AtRest(keys, "factor"),
        step_ups=StepUps(keys),
        identity=identity,
    )
    notices = Notices(tools)
    sending, devices = Sending(tools), TrustedDevices(tools, notices)
    factors = FactorService(tools, notices, EnrolmentCodes(tools, sending))
    decisions, challenges = AccessDecisions(tools, sending, devices), Challenges(tools, keys, factors, notices, devices)
    proofs = ProofKit(db, tools.onetime, tools.idempotency)
    return Features(
        tools=tools,
        notices=notices,
        factors=factors,
        confirming=Confirming(tools, keys, factors, notices),
        decisions=decisions,
        challenges=challenges,
        sending=ChallengeSending(tools, factors, decisions, sending),
        devices=devices,
        assistances=Assistances(tools, factors, challenges, notices),
        links=Links(db, tools.onetime, tools.idempotency, [SignInLinks(proofs, challenges)]),
    )


async def build(r: Resources) -> Wired:
    settings: MfaSettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    signer = Signer("mfa", r.keys, r.clock)
    identity = InternalClient("identity", settings.identity_url or "http://identity:8080", signer, r.clock)
    made = features(r.db, r.keys, configuration, identity)
    routers = [
        factor_routes.router(made.factors, made.confirming),
        challenge_routes.router(made.challenges, made.sending, made.decisions),
        link_routes.router(made.links),
        device_routes.router(made.devices),
        assistance_routes.router(made.assistances),
    ]
    return Wired(
        app=create_internal_app("mfa", routers, keys=r.keys, clock=r.clock),
        consumes={"identity": {**configuration.handlers, **consumers.HANDLERS}, "notifier": consumers.MESSAGES},
        urgent=True,  # the page that waits for a code tells what became of it
        work=made.work,
        sweeps=[
            ("factors.purge", settings.sweep_seconds, made.factors.purge),
            ("challenges.purge", settings.sweep_seconds, made.decisions.purge),
            ("assistance.purge", settings.sweep_seconds, made.assistances.purge),
            ("trusted_devices.purge", settings.sweep_seconds, made.devices.purge),
        ],
        loops=[configuration.run, made.tools.guesses.run],
        on_start=[lambda: first_load(configuration)],
        on_stop=[identity.close],
    )


SERVICE = Service("mfa", MfaSettings, build)
