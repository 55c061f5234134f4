"""What an account was sent, for reps: every state, and the words with name, link and code taken out (E16)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from latchkey_contracts.messages import MessageContent, Origin
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.process.configuration import Configuration

from notifier.channels.base import Call, Mail, Message
from notifier.templates.render import NotRenderable, Renderer

from . import showing_store

HIDDEN = "•••"
HIDDEN_CODE = "••••••"


class History:
    def __init__(self, db: Database, renderer: Renderer, configuration: Configuration, origin: str) -> None:
        self._db = db
        self._renderer = renderer
        self._configuration = configuration
        self._origin = origin

    async def of_account(self, account_id: UUID, limit: int) -> list[showing_store.ShownMessage]:
        """The newest first, without words."""
        async with self._db.read() as conn:
            return await showing_store.of_account(conn, account_id, limit)

    async def one(self, message_id: UUID) -> tuple[showing_store.ShownMessage, str | None]:
        """A message and what it said, redacted; None where its text is no longer there. Raises NotFound."""
        async with self._db.read() as conn:
            row = await showing_store.shown(conn, message_id)
        if row is None:
            raise NotFound
        return row, self._redacted(row)

    def _redacted(self, row: showing_store.ShownMessage) -> str | None:
        """Composed anew from what is known of it: what it really said was forgotten when it was over."""
        try:
            resolved = self._configuration.application(row.application)
            content = _hidden(row, self._origin)
            message = self._renderer.compose(
                row.channel, row.template, row.language, resolved, content, str(row.id), row.created_at
            )
        except (NotFound, NotRenderable):
            return None
        return _words(message)


def _hidden(row: showing_store.ShownMessage, origin: str) -> MessageContent:
    channel = row.channel
    later = row.created_at + timedelta(minutes=6)
    facts: dict[str, Any] = {
        "link": f"{origin}/{row.application}/l/{HIDDEN}" if channel == "email" else None,
        "link_expires_at": row.expires_at,
        "code": HIDDEN_CODE,
        "code_expires_at": later,
        "asked": Origin(at=row.created_at, device=HIDDEN),
        "takes_effect_at": row.expires_at,
    }
    return MessageContent(channel=channel, to=row.masked or HIDDEN, given_name=HIDDEN, usernames=[HIDDEN], **facts)


def _words(message: Message) -> str:
    if isinstance(message, Mail):
        return f"{message.subject}\n\n{message.text}"
    return f"{message.prompt}\n{message.body}" if isinstance(message, Call) else message.body
