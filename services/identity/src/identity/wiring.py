"""What the identity service is made of."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter
from latchkey_contracts.identity import CodeGuessingSuspected
from servicekit.db import Database
from servicekit.events.work import WorkHandler
from servicekit.keys import Keys
from servicekit.process.configuration import first_load
from servicekit.process.run import Resources, Service, Wired
from servicekit.proof import links as link_routes
from servicekit.proof.flow import ProofKit
from servicekit.proof.guessing import Guesses
from servicekit.proof.links import Links
from servicekit.web.caller import Signer
from servicekit.web.client import InternalClient
from servicekit.web.http import Read, create_internal_app
from servicekit.web.step_up import StepUps as Grants

from identity.access import routes as access_routes
from identity.access.service import Access, MfaAccess, SecondFactors
from identity.activation import routes as activation_routes
from identity.activation.service import Activations
from identity.activity import consumers as activity_consumers
from identity.activity import routes as activity_routes
from identity.activity.rules import Kept
from identity.activity.service import Activity
from identity.configuration import routes as configuration_routes
from identity.configuration.service import ConfigurationService
from identity.contact_change import routes as contact_change_routes
from identity.contact_change.parts import ContactParts
from identity.contact_change.parts import build as contact_parts
from identity.contact_change.tools import MESSAGE as CONTACT_MESSAGE
from identity.contact_change.tools import PURPOSE as CONTACT_PURPOSE
from identity.contact_change.tools import Tools as ContactTools
from identity.credentials.breaches import open_breaches
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.freeze.service import Freezes
from identity.notices.service import Notices
from identity.password_change import routes as password_routes
from identity.password_change.service import PasswordChanges
from identity.profile import routes as profile_routes
from identity.profile.service import Profiles
from identity.reach import routes as contact_routes
from identity.reach.owners import Owners
from identity.reach.service import Contacts
from identity.registration import consumers as registration_consumers
from identity.registration import routes as registration_routes
from identity.registration.sending import Messages
from identity.registration.service import Registrations
from identity.registration.tools import MESSAGE, Tools
from identity.sessions import routes as session_routes
from identity.sessions.ending import Endings
from identity.settings import IdentitySettings
from identity.sign_in import routes as sign_in_routes
from identity.sign_in.actions import RequiredActions
from identity.sign_in.completing import Completing
from identity.sign_in.noticing import NOTICE, SignInNotices
from identity.sign_in.service import FAILED, SignIns
from identity.social import remote
from identity.social import routes as social_routes
from identity.social.entering import Entering
from identity.social.parts import parts as social_parts
from identity.social.providers import Providers
from identity.social.service import Social
from identity.step_up import routes as step_up_routes
from identity.step_up.service import StepUps

Sweep = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Features:
    """All of them, for the process and for tests."""

    configuration: ConfigurationService
    tools: Tools
    notices: Notices
    registrations: Registrations
    activations: Activations
    freezes: Freezes
    changes: PasswordChanges
    sign_ins: SignIns
    sign_in_notices: SignInNotices
    actions: RequiredActions
    step_ups: StepUps
    endings: Endings
    second_factors: SecondFactors
    contacts: Contacts
    contact_changes: ContactParts
    owners: Owners
    profiles: Profiles
    activity: Activity
    social: Social
    links: Links

    @property
    def routers(self) -> list[APIRouter]:
        return [
            configuration_routes.router(self.configuration),
            registration_routes.router(self.registrations),
            activation_routes.router(self.activations),
            link_routes.router(self.links),
            sign_in_routes.router(self.sign_ins, self.actions),
            session_routes.router(self.tools.sessions, self.endings),
            password_routes.router(self.changes),
            contact_routes.router(self.contacts, self.owners),
            step_up_routes.router(self.step_ups),
            profile_routes.router(self.profiles),
            activity_routes.router(self.activity),
            contact_change_routes.router(self.contact_changes.changing, self.contact_changes.in_change),
            access_routes.router(self.second_factors),
            social_routes.router(self.social),
        ]

    @property
    def reads(self) -> Mapping[str, Read]:
        changes = contact_change_routes.reads(self.contact_changes.in_change)
        return {**profile_routes.reads(self.profiles), **session_routes.reads(self.tools.sessions), **changes}

    @property
    def work(self) -> dict[str, WorkHandler]:
        return {
            MESSAGE: Messages(self.tools).send,
            CONTACT_MESSAGE: self.contact_changes.messages.send,
            FAILED: self.sign_in_notices.tell_failure,
            NOTICE: self.sign_in_notices.tell,
        }

    @property
    def sweeps(self) -> dict[str, Sweep]:
        return {
            "registration.purge": self.registrations.purge,
            "sign_in.purge": self.sign_ins.purge,
            "step_up.purge": self.step_ups.purge,
            "password_change.purge": self.changes.purge,
            "contact_change.purge": self.contact_changes.in_change.purge,
            "social.purge": self.social.ways.purge,
            "notices.purge": self.notices.purge,
            "sessions.purge": self.tools.sessions.purge,
            "activity.purge": self.activity.purge,
            "configuration.republish": self.configuration.republish,
        }


def features(
    db: Database,
    keys: Keys,
    configuration: ConfigurationService,
    passwords: Passwords,
    access: Access,
    providers: Providers,
    *,
    keep_pending: timedelta,
    kept: Kept = Kept(),  # noqa: B008 - frozen
) -> Features:
    """`keep_pending`: how long an account that nobody activates is kept."""
    tools = Tools.of(db, keys, configuration, passwords, keep_pending)
    idempotency, sessions, notices, slowdown = tools.idempotency, tools.sessions, tools.linking.notices, Slowdown(tools.throttle)
    activations, grants = Activations(tools, registrations := Registrations(tools)), Grants(keys)
    freezes = Freezes(ProofKit(db, tools.onetime, idempotency), configuration, sessions, notices)
    changes, moves = _changes(tools, slowdown, notices, grants), contact_parts(_contact_tools(tools, notices, grants))
    (sign_in_notices, completing), step_ups = _completing(tools, slowdown), _step_ups(tools, keys, slowdown, access)
    return Features(
        configuration=configuration,
        tools=tools,
        notices=notices,
        registrations=registrations,
        activations=activations,
        freezes=freezes,
        changes=changes,
        sign_in_notices=sign_in_notices,
        sign_ins=_sign_ins(tools, slowdown, completing, access),
        actions=RequiredActions(db, configuration, changes, completing, idempotency),
        step_ups=step_ups,
        endings=Endings(db, sessions, grants, idempotency),
        second_factors=SecondFactors(db),
        owners=Owners(db, configuration, tools.sealer),
        contacts=Contacts(db, configuration, tools.budgets, tools.sealer, idempotency),
        profiles=Profiles(db, configuration, idempotency, notices, tools.throttle),
        contact_changes=moves,
        activity=Activity(db, kept),
        social=social_parts(tools, keys, providers, registrations, Entering(db, completing, access), step_ups),
        links=Links(db, tools.onetime, idempotency, [activations, freezes, moves.proofs, moves.reverts]),
    )


def _contact_tools(tools: Tools, notices: Notices, grants: Grants) -> ContactTools:
    return ContactTools(
        db=tools.db,
        configuration=tools.configuration,
        sessions=tools.sessions,
        onetime=tools.onetime,
        guesses=Guesses(tools.db, CONTACT_PURPOSE, CodeGuessingSuspected),
        throttle=tools.throttle,
        budgets=tools.budgets,
        idempotency=tools.idempotency,
        sealer=tools.sealer,
        notices=notices,
        grants=grants,
    )


def _step_ups(tools: Tools, keys: Keys, slowdown: Slowdown, access: Access) -> StepUps:
    return StepUps(tools.db, keys, tools.configuration, tools.passwords, slowdown, tools.idempotency, access)


def _completing(tools: Tools, slowdown: Slowdown) -> tuple[SignInNotices, Completing]:
    notices = SignInNotices(tools.configuration, tools.throttle, tools.linking.notices, slowdown)
    return notices, Completing(tools.configuration, tools.sessions, notices, tools.linking)


def _changes(tools: Tools, slowdown: Slowdown, notices: Notices, grants: Grants) -> PasswordChanges:
    return PasswordChanges(
        db=tools.db,
        configuration=tools.configuration,
        passwords=tools.passwords,
        sessions=tools.sessions,
        onetime=tools.onetime,
        slowdown=slowdown,
        idempotency=tools.idempotency,
        notices=notices,
        linking=tools.linking,
        grants=grants,
    )


def _sign_ins(tools: Tools, slowdown: Slowdown, completing: Completing, access: Access) -> SignIns:
    return SignIns(
        db=tools.db,
        configuration=tools.configuration,
        passwords=tools.passwords,
        slowdown=slowdown,
        idempotency=tools.idempotency,
        completing=completing,
        access=access,
    )


def _passwords(settings: IdentitySettings) -> Passwords:
    return Passwords(
        memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes, breaches=open_breaches(settings.breach_file)
    )


async def build(r: Resources) -> Wired:
    settings: IdentitySettings = r.settings
    mfa = InternalClient("mfa", settings.mfa_url or "http://mfa:8080", Signer("identity", r.keys, r.clock), r.clock)
    access = MfaAccess(mfa)
    configuration = ConfigurationService(r.db, r.wakeups, access.abilities, settings.surroundings)
    passwords, outwards = _passwords(settings), remote.connections()
    providers = Providers(remote.Remote(outwards), r.clock, settings.social_secrets)
    made = features(
        r.db,
        r.keys,
        configuration,
        passwords,
        access,
        providers,
        keep_pending=settings.keep_pending,
        kept=Kept(timedelta(days=settings.activity_sign_in_days), timedelta(days=settings.activity_security_days)),
    )
    return Wired(
        app=create_internal_app(
            "identity",
            made.routers,
            keys=r.keys,
            clock=r.clock,
            body_limits=configuration_routes.BODY_LIMITS,
            reads=made.reads,
            step_up_methods=made.step_ups.methods,
        ),
        consumes={
            "notifier": registration_consumers.HANDLERS,
            **{publisher: activity_consumers.handlers(publisher) for publisher in ("identity", "mfa", "recovery")},
        },
        urgent=("notifier",),  # the waiting page tells what became of its mail
        work=made.work,
        sweeps=[(name, settings.sweep_seconds, sweep) for name, sweep in made.sweeps.items()],
        loops=[configuration.run, made.tools.guesses.run, made.contact_changes.tools.guesses.run],
        on_start=[lambda: first_load(configuration)],
        on_stop=[mfa.close, outwards.close],
    )


SERVICE = Service("identity", IdentitySettings, build)
