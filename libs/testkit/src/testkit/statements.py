"""What an operation asks of the database, round trip by round trip: BEGIN and COMMIT are two of them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from servicekit.db import Database


@contextmanager
def recorded(db: Database) -> Iterator[list[str]]:
    """The statements of this database's sessions while it lasts, in their order, each on one line."""
    found: list[str] = []
    session = db._session  # noqa: SLF001 - the one place through which all of them go

    def note(query: Any) -> None:
        found.append(" ".join(query.query.split()).rstrip(";"))

    @asynccontextmanager
    async def noted() -> AsyncIterator[Any]:
        async with session() as raw:
            with raw.query_logger(note):
                yield raw

    db._session = noted  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield found
    finally:
        db._session = session  # type: ignore[method-assign]  # noqa: SLF001
