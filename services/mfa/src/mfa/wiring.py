"""What the mfa service is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
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
from servicekit.web.caller import Caller, Signer
from servicekit.web.client import InternalClient
from servicekit.web.http import create_internal_app
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

from mfa import consumers
from mfa.access_rules import routes as access_routes
from mfa.access_rules.places import Places, open_places
from mfa.access_rules.service import AccessRules
from mfa.assistance import routes as assistance_routes
from mfa.assistance.acts import Acts
from mfa.assistance.callers import CallerChecks
from mfa.assistance.service import Assistances
from mfa.challenge import routes as challenge_routes
from mfa.challenge.access import AccessDecisions
from mfa.challenge.links import SignInLinks
from mfa.challenge.passkey_alone import PasskeyAlone
from mfa.challenge.passkey_flow import Parts
from mfa.challenge.passkeys import PasskeyChallenges
from mfa.challenge.sending import ChallengeSending
from mfa.challenge.service import PURPOSE, Challenges
from mfa.factors import routes as factor_routes
from mfa.factors.activation import ACTIVATE
from mfa.factors.codes import EnrolmentCodes
from mfa.factors.confirming import Confirming
from mfa.factors.service import UNMARK, FactorService
from mfa.first_step.service import FAILED, SEND, FirstSteps
from mfa.notices.service import NOTICE, Notices
from mfa.passkeys import routes as passkey_routes
from mfa.passkeys.service import Passkeys
from mfa.required import routes as required_routes
from mfa.required.service import RequiredFactors
from mfa.sending import Sending
from mfa.settings import MfaSettings
from mfa.tools import Tools
from mfa.trusted_devices import routes as device_routes
from mfa.trusted_devices.service import TrustedDevices

LOOK_SECONDS = 60.0  # for a newer database of places


@dataclass(frozen=True)
class Features:
    """All of them, for the process and for tests."""

    tools: Tools
    notices: Notices
    factors: FactorService
    confirming: Confirming
    access_rules: AccessRules
    decisions: AccessDecisions
    challenges: Challenges
    required: RequiredFactors
    sending: ChallengeSending
    first: FirstSteps
    links: Links
    passkeys: Passkeys
    by_passkey: PasskeyChallenges
    devices: TrustedDevices
    assistances: Assistances
    callers: CallerChecks

    @property
    def routers(self) -> list[APIRouter]:
        return [
            factor_routes.router(self.factors, self.confirming),
            challenge_routes.passkeys(self.by_passkey),
            passkey_routes.router(self.passkeys),
            challenge_routes.router(self.challenges, self.sending, self.decisions, self.first),
            link_routes.router(self.links),
            device_routes.router(self.devices),
            access_routes.router(self.access_rules),
            required_routes.router(self.required),
            assistance_routes.router(self.assistances),
            assistance_routes.callers(self.callers),
        ]

    @property
    def work(self) -> dict[str, WorkHandler]:
        return {
            ACTIVATE: AskFirst(self.confirming.mark, self.confirming.activate, together=False),
            UNMARK: AskFirst(self.confirming.unmark, self.confirming.unmarked, together=False),
            SEND: AskFirst(self.first.ask, self.first.send_it, together=False),
            FAILED: AskFirst(self.first.nothing, self.first.tell_failure, together=False),
            NOTICE: AskFirst(self.notices.ask, self.notices.send, together=False),
        }


def features(
    db: Database, keys: Keys, configuration: Configuration, identity: InternalClient, places: Places | None = None
) -> Features:
    """`places`: where addresses are, if an operator has mounted a database of them."""
    tools = _tools(db, keys, configuration, identity)
    notices = Notices(tools)
    sending, devices = Sending(tools), TrustedDevices(tools, notices)
    passkeys = Passkeys(tools, keys)
    factors = FactorService(tools, notices, EnrolmentCodes(tools, sending), passkeys)
    access_rules = AccessRules(tools, places or open_places(None))
    decisions = AccessDecisions(tools, sending, devices, access_rules)
    challenges = Challenges(tools, keys, factors, notices, devices)
    confirming = Confirming(tools, keys, factors, notices, passkeys)
    second = ChallengeSending(tools, factors, decisions, sending)
    by_passkey = Parts(tools, passkeys, challenges, notices, devices)
    acts = Acts(tools, notices)
    callers = CallerChecks(tools, factors, sending, acts)
    proofs = ProofKit(db, tools.onetime, tools.idempotency)
    return Features(
        tools=tools,
        notices=notices,
        factors=factors,
        confirming=confirming,
        access_rules=access_rules,
        decisions=decisions,
        challenges=challenges,
        required=RequiredFactors(tools, factors, confirming, challenges),
        sending=second,
        first=FirstSteps(tools, factors, sending, second, challenges),
        devices=devices,
        assistances=Assistances(acts, factors, challenges, callers),
        callers=callers,
        passkeys=passkeys,
        by_passkey=PasskeyChallenges(by_passkey, PasskeyAlone(by_passkey, decisions)),
        links=Links(db, tools.onetime, tools.idempotency, [SignInLinks(proofs, challenges, tools)]),
    )


def _tools(db: Database, keys: Keys, configuration: Configuration, identity: InternalClient) -> Tools:
    return Tools(
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


async def build(r: Resources) -> Wired:
    settings: MfaSettings = r.settings
    configuration = ConfigurationCopy(r.db, r.wakeups)
    signer = Signer("mfa", r.keys, r.clock)
    identity = InternalClient("identity", settings.identity_url or "http://identity:8080", signer, r.clock)
    made = features(r.db, r.keys, configuration, identity, open_places(settings.place_database))

    async def step_up_methods(caller: Caller) -> Sequence[str]:
        return (await made.decisions.step_up_methods(caller)).methods

    return Wired(
        app=create_internal_app("mfa", made.routers, keys=r.keys, clock=r.clock, step_up_methods=step_up_methods),
        consumes={"identity": {**configuration.handlers, **consumers.HANDLERS}, "notifier": consumers.MESSAGES},
        urgent=("identity", "notifier"),  # the page that waits for a code tells what became of it
        work=made.work,
        sweeps=[
            ("factors.purge", settings.sweep_seconds, made.factors.purge),
            ("challenges.purge", settings.sweep_seconds, made.decisions.purge),
            ("first_steps.purge", settings.sweep_seconds, made.first.purge),
            ("required_factors.purge", settings.sweep_seconds, made.required.purge),
            ("access_decisions.purge", settings.sweep_seconds, made.access_rules.purge),
            ("access_places.look", LOOK_SECONDS, made.access_rules.look),
            ("notices.purge", settings.sweep_seconds, made.notices.purge),
            ("assistance.purge", settings.sweep_seconds, made.assistances.purge),
            ("trusted_devices.purge", settings.sweep_seconds, made.devices.purge),
        ],
        loops=[configuration.run, made.tools.guesses.run],
        on_start=[lambda: first_load(configuration)],
        on_stop=[identity.close],
    )


SERVICE = Service("mfa", MfaSettings, build)
