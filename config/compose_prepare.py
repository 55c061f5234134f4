"""For docker compose only: a database per service, keys that every container may read, topics."""

import asyncio
import os
from pathlib import Path

import psycopg
from latchkey_contracts.topics import SERVICES
from psycopg import sql
from servicekit import keys
from servicekit.events.kafka import ensure_topics


def databases() -> None:
    with psycopg.connect("host=postgres user=latchkey dbname=postgres", autocommit=True) as connection:
        there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for service in SERVICES:
            if f"latchkey_{service}" not in there:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"latchkey_{service}")))


def shared_keys() -> None:
    directory = Path(os.environ["LATCHKEY_KEYS_DIR"])
    keys.init(directory)
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, 65534, 65534)


async def topics() -> None:
    while True:
        try:
            await ensure_topics(os.environ["LATCHKEY_KAFKA_BOOTSTRAP"])
            return
        except Exception as error:  # noqa: BLE001 - the broker is still starting
            print(f"waiting for Kafka ({type(error).__name__})", flush=True)  # noqa: T201
            await asyncio.sleep(1)


databases()
shared_keys()
asyncio.run(topics())
