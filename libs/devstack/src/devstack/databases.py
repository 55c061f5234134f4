"""A database per service, on whatever server there is."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql


def dsn_of(admin_dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(admin_dsn)._replace(path=f"/{database}"))


def create(admin_dsn: str, prefix: str, services: Iterable[str]) -> dict[str, str]:
    """Creates what is missing; answers {service: dsn}."""
    found = {}
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for service in services:
            name = f"{prefix}{service}"
            if name not in there:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            found[service] = dsn_of(admin_dsn, name)
    return found


def clone(admin_dsn: str, template: str, name: str) -> str:
    """A copy of a database nobody is connected to (tests)."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
    return dsn_of(admin_dsn, name)


def drop(admin_dsn: str, name: str) -> None:
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def contents(dsn: str, table: str) -> dict[tuple[str, str], Any]:
    """What a service knows of the configuration: {(kind, name): content}."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(sql.SQL("SELECT kind, name, content FROM {}").format(sql.Identifier(table))).fetchall()
    return {(kind, name): content for kind, name, content in rows}
