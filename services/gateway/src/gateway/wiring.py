"""What the gateway is made of."""

from servicekit.process.configuration import ConfigurationCopy, first_load
from servicekit.process.patience import Crowd
from servicekit.process.run import Resources, Service, Wired
from servicekit.throttle import Throttle
from servicekit.web.caller import Signer
from servicekit.web.client import InternalClient
from servicekit.web.transport import Connections

from gateway.api.service import Gateway
from gateway.app import create_app
from gateway.clients.channels import Channels
from gateway.limits.asn import open_asn
from gateway.limits.service import Limits, Rates
from gateway.sessions.cache import SessionCache
from gateway.settings import GatewaySettings
from gateway.web.addresses import counted_as


async def build(r: Resources) -> Wired:
    settings: GatewaySettings = r.settings
    signer = Signer("gateway", r.keys, r.clock)
    peers = {
        "identity": InternalClient("identity", settings.identity_url or "http://identity:8080", signer, r.clock),
        "recovery": InternalClient("recovery", settings.recovery_url or "http://recovery:8080", signer, r.clock),
        "mfa": InternalClient("mfa", settings.mfa_url or "http://mfa:8080", signer, r.clock),
        "notifier": InternalClient("notifier", settings.notifier_url or "http://notifier:8080", signer, r.clock, timeout=5.0),
    }
    configuration, proxies = ConfigurationCopy(r.db, r.wakeups, settings.local_provider_url), settings.proxies
    sessions = SessionCache(peers["identity"], r.kafka, r.clock, size=settings.session_cache)
    rates = Rates(
        starts=settings.starts_per_minute,
        tries=settings.tries_per_minute,
        asn=settings.asn_times,
        application=settings.application_times,
        all=settings.all_times,
    )
    systems = open_asn(settings.asn_database)
    limits = Limits(r.db, Throttle(r.keys), rates, systems)
    gateway = Gateway(
        settings=settings,
        clock=r.clock,
        keys=r.keys,
        peers=peers,
        configuration=configuration,
        sessions=sessions,
        channels=Channels(peers["notifier"], r.clock),
        limits=limits,
    )
    inbox = Connections(most=100)
    return Wired(
        app=create_app(gateway, inbox),
        consumes={"identity": configuration.handlers},
        sweeps=[("limits.purge", 60, limits.purge), ("limits.asn", 60, systems.look)],
        crowd=Crowd(settings.connections_per_address, lambda peer: counted_as(peer, proxies)),
        loops=[configuration.run, sessions.follower.run, sessions.touching.run],
        on_start=[lambda: first_load(configuration)],
        on_stop=[sessions.touch, inbox.close, *(peer.close for peer in peers.values())],
    )


SERVICE = Service("gateway", GatewaySettings, build)
