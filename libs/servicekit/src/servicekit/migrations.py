"""Forward-only SQL migrations by yoyo: servicekit's own tables and the service's, in one database (design.md §3.11, REL-13).

Run as a job (`python -m <service> migrate`), never at a pod's start. yoyo holds a lock table, so that two jobs don't clash.
"""

import importlib.util
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from .db import Conn

OWN = Path(__file__).with_name("migrations")


def service_directory(service: str) -> Path:
    """services/<name>/migrations beside the package's src folder, in the checkout as in the image."""
    spec = importlib.util.find_spec(service)
    if spec is None or spec.origin is None:
        raise LookupError(f"no package {service}")
    return Path(spec.origin).parents[2] / "migrations"


def directories(service: str) -> list[Path]:
    return [OWN, service_directory(service)]


def required(service: str) -> list[str]:
    """Ids of all migrations that this release wants applied."""
    return sorted(path.stem for directory in directories(service) for path in directory.glob("*.sql"))


def migrate(dsn: str, service: str) -> list[str]:
    """Applies what is missing, each file in a transaction of its own; answers the ids. Waits at most 2 s for a table's lock."""
    from yoyo import get_backend, read_migrations

    parts = urlsplit(dsn)
    backend = get_backend(urlunsplit(parts._replace(scheme="postgresql+psycopg")))
    migrations = read_migrations(*(str(directory) for directory in directories(service)))
    with backend.lock(timeout=30):
        backend.execute("SET lock_timeout = '2s'")
        pending = backend.to_apply(migrations)
        backend.apply_migrations(pending)
        return [migration.id for migration in pending]


async def missing(conn: Conn, service: str) -> list[str]:
    """What this release needs and the database lacks; readiness asks it (kubernetes.md §3.3)."""
    if await conn.fetchval("SELECT to_regclass('_yoyo_migration') IS NULL"):
        return required(service)
    applied = {row["migration_id"] for row in await conn.fetch("SELECT migration_id FROM _yoyo_migration")}
    return [one for one in required(service) if one not in applied]
