"""Topic names: one per publishing service (EVT-3)."""

SERVICES = ("identity", "recovery", "mfa", "notifier", "privacy", "gateway")
PUBLISHERS = ("identity", "recovery", "mfa", "notifier", "privacy")
PARTITIONS = 6
RETENTION_MS = 7 * 24 * 3600 * 1000


def events_topic(service: str, prefix: str = "") -> str:
    """`latchkey.<service>.events.v1`; a prefix tells parallel test runs apart."""
    return f"{prefix}latchkey.{service}.events.v1"
