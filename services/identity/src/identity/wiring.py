"""What the identity service is made of."""

from latchkey_contracts.identity import CodeGuessingSuspected
from servicekit import links as link_routes
from servicekit.configuration import first_load
from servicekit.guessing import Guesses
from servicekit.http import create_internal_app
from servicekit.idempotency import Idempotency
from servicekit.links import Links
from servicekit.onetime import OneTimeSecrets
from servicekit.run import Resources, Service, Wired
from servicekit.sealing import Sealer
from servicekit.throttle import Throttle

from identity.activation.service import Activations
from identity.configuration import routes as configuration_routes
from identity.configuration.service import ConfigurationService
from identity.contacts import routes as contact_routes
from identity.contacts.service import Contacts
from identity.credentials.breaches import open_breaches
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.freeze.service import Freezes
from identity.notices import service as notice_service
from identity.notices.service import Notices
from identity.password_change import routes as password_routes
from identity.password_change.service import PasswordChanges
from identity.profile import routes as profile_routes
from identity.profile.service import Profiles
from identity.recipients.service import Recipients
from identity.registration import consumers as registration_consumers
from identity.registration import routes as registration_routes
from identity.registration.sending import Messages
from identity.registration.service import MESSAGE, PURPOSE, Registrations, Tools
from identity.sessions import routes as session_routes
from identity.sessions.service import Sessions
from identity.settings import IdentitySettings
from identity.signin import routes as sign_in_routes
from identity.signin.service import SignIns


async def build(r: Resources) -> Wired:
    settings: IdentitySettings = r.settings
    configuration = ConfigurationService(r.db, r.wakeups)
    passwords = Passwords(
        memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes, breaches=open_breaches(settings.breach_file)
    )
    sessions = Sessions(r.db)
    throttle, idempotency, sealer, onetime = Throttle(r.keys), Idempotency(r.keys), Sealer(r.keys), OneTimeSecrets(r.keys)
    recipients, notices = Recipients(throttle), Notices(r.db, onetime, sealer)
    tools = Tools(
        db=r.db,
        configuration=configuration,
        passwords=passwords,
        sessions=sessions,
        onetime=onetime,
        guesses=Guesses(r.db, PURPOSE, CodeGuessingSuspected),
        throttle=throttle,
        recipients=recipients,
        idempotency=idempotency,
        sealer=sealer,
        keep_pending=settings.keep_pending,
    )
    registrations = Registrations(tools)
    activations = Activations(tools, registrations)
    freezes = Freezes(r.db, configuration, onetime, sessions, notices, idempotency)
    slowdown = Slowdown(throttle)
    changes = PasswordChanges(
        db=r.db,
        configuration=configuration,
        passwords=passwords,
        sessions=sessions,
        onetime=onetime,
        slowdown=slowdown,
        idempotency=idempotency,
        notices=notices,
    )
    sign_ins = SignIns(
        db=r.db,
        configuration=configuration,
        passwords=passwords,
        changes=changes,
        sessions=sessions,
        slowdown=slowdown,
        idempotency=idempotency,
    )
    links = Links(r.db, onetime, {PURPOSE: activations, notice_service.PURPOSE: freezes})
    routers = [
        configuration_routes.router(configuration),
        registration_routes.router(registrations, activations),
        link_routes.router(links, activations.renew),
        sign_in_routes.router(sign_ins),
        session_routes.router(sessions),
        profile_routes.router(Profiles(r.db)),
        password_routes.router(changes),
        contact_routes.router(Contacts(r.db, configuration, recipients, sealer, idempotency)),
    ]
    return Wired(
        app=create_internal_app("identity", routers, keys=r.keys, clock=r.clock, body_limits=configuration_routes.BODY_LIMITS),
        consumes={"notifier": registration_consumers.HANDLERS},
        urgent=True,  # the waiting page tells what became of its mail
        work={MESSAGE: Messages(tools).send},
        sweeps=[
            ("registration.purge", settings.sweep_seconds, registrations.purge),
            ("sign_in.purge", settings.sweep_seconds, sign_ins.purge),
            ("password_change.purge", settings.sweep_seconds, changes.purge),
            ("notices.purge", settings.sweep_seconds, notices.purge),
            ("sessions.purge", settings.sweep_seconds, sessions.purge),
            ("configuration.republish", settings.sweep_seconds, configuration.republish),
        ],
        loops=[configuration.run, tools.guesses.run],
        on_start=[lambda: first_load(configuration)],
    )


SERVICE = Service("identity", IdentitySettings, build)
