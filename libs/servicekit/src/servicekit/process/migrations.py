"""Forward-only SQL migrations by yoyo: servicekit's own tables and the service's, in one database (docs/architecture.md, REL-13).

Run as a job (`python -m <service> migrate`), never at a pod's start.
"""

import importlib.util
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from servicekit.db import Conn

LOCK = 0x1A7C_0002  # any number; another than the relay's
OWN = Path(__file__).parents[1] / "migrations"


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
    """Applies what is missing, each file in a transaction of its own; answers the ids. Waits at most 2 s for a table's lock.

    One job at a time, by an advisory lock: it ends with its session, while yoyo's own (a row) outlives a job that was killed
    and would have to be broken by hand. Raises psycopg's LockNotAvailable after 30 s behind another job.
    """
    import psycopg
    from yoyo import get_backend, read_migrations

    parts = urlsplit(dsn)
    # Said as the session starts: a SET would be undone with the first transaction that yoyo rolls back.
    query = "&".join(filter(None, [parts.query, "options=-c%20lock_timeout%3D2000"]))
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("SET lock_timeout = '30s'")
        session.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        backend = get_backend(urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query)))
        try:
            pending = backend.to_apply(read_migrations(*(str(directory) for directory in directories(service))))
            backend.apply_migrations(pending)
            return [migration.id for migration in pending]
        finally:
            backend.connection.close()


async def missing(conn: Conn, service: str) -> list[str]:
    """What this release needs and the database lacks; readiness asks it (docs/operations.md)."""
    if await conn.fetchval("SELECT to_regclass('_yoyo_migration') IS NULL"):
        return required(service)
    applied = {row["migration_id"] for row in await conn.fetch("SELECT migration_id FROM _yoyo_migration")}
    return [one for one in required(service) if one not in applied]
