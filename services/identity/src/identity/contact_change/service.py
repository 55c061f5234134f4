"""The customer changes how the account is named and reached, after fresh authentication (D20, STP-1 to STP-4)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from latchkey_contracts.http.common import Language
from latchkey_contracts.http.contact_change import ContactChangeFlow, ContactRequest, Mode
from latchkey_contracts.identity import ContactChangeAnnounced, IdentifierKind
from servicekit import numbers
from servicekit.context import set_tenant
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.errors import (
    FeatureDisabled,
    FieldError,
    NotAllowedByPolicy,
    NotFound,
    SessionRequired,
    StepUpRequired,
    ValidationFailed,
)
from servicekit.ids import random_id
from servicekit.process.configuration import Resolved
from servicekit.proof import new_match
from servicekit.proof.flow import in_time
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from identity.accounts import changing_store
from identity.accounts.changing_store import Own
from identity.accounts.rules import Account, Identifier, read_identifiers
from identity.sessions.service import PASSWORD

from . import rules, store
from .applying import Applying, open_account
from .sending import Messages
from .showing import Showing
from .store import Change
from .telling import Telling
from .tools import Tools

CHANGE, ADD, PRIMARY, REMOVE = "contact.change", "contact.add", "contact.primary", "contact.remove"


@dataclass(frozen=True)
class Wanted:
    """`new`: None where one is removed; `old`: what it takes the place of."""

    kind: IdentifierKind
    mode: Mode
    new: Identifier | None = None
    old: Own | None = None
    proven: bool = False  # the new one, by this account


class ContactChanging:
    def __init__(self, tools: Tools, applying: Applying, telling: Telling, messages: Messages, showing: Showing) -> None:
        self._t = tools
        self._applying = applying
        self._telling = telling
        self._messages = messages
        self._showing = showing

    async def change(self, body: ContactRequest, caller: Caller) -> ContactChangeFlow:
        """In the place of the primary one. Raises StepUpRequired, ValidationFailed, FeatureDisabled, TooManyRequests."""
        return await self._asked(body, caller, CHANGE)

    async def add(self, body: ContactRequest, caller: Caller) -> ContactChangeFlow:
        """Beside those that there are. Raises the same, and NotAllowedByPolicy where there are enough."""
        return await self._asked(body, caller, ADD)

    async def _asked(self, body: ContactRequest, caller: Caller, action: str) -> ContactChangeFlow:
        account_id, app = await self._begin(caller)
        new = self._read(app, body)
        payload = {"kind": body.kind, "target": body.value}
        async with self._t.db.read() as conn:
            self._t.grants.check(caller, action, payload, conn.now)
        await self._count(app, account_id)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            account = await open_account(tx, account_id)
            await self._redeem(tx, account, caller, action, payload)
            owns = await changing_store.own(tx, account_id)
            wanted = _replacing(owns, new) if action == CHANGE else _adding(owns, new, app)
            answer = await self._start(tx, app, account, owns, wanted, caller, app.language_for(body.language, caller))
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def make_primary(self, identifier_id: UUID, language: Language | None, caller: Caller) -> ContactChangeFlow:
        """A further one that is proven. Raises NotFound, StepUpRequired, NotAllowedByPolicy."""
        account_id, app = await self._begin(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            account = await open_account(tx, account_id)
            owns = await changing_store.own(tx, account_id)
            one = _one(owns, identifier_id)
            self._changeable(app, one.kind, "/primary")
            await self._redeem(tx, account, caller, PRIMARY, {"identifier_id": str(identifier_id)})
            if one.is_primary or (one.verified_at is None and one.kind != "username"):
                raise NotAllowedByPolicy
            wanted = Wanted(one.kind, "primary", one.identifier, _primary(owns, one.kind), proven=True)
            answer = await self._start(tx, app, account, owns, wanted, caller, app.language_for(language, caller))
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def remove(self, identifier_id: UUID, caller: Caller) -> None:
        """Raises NotFound, StepUpRequired, NotAllowedByPolicy (D39)."""
        account_id, app = await self._begin(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            account = await open_account(tx, account_id)
            owns = await changing_store.own(tx, account_id)
            one = _one(owns, identifier_id)
            await self._redeem(tx, account, caller, REMOVE, {"identifier_id": str(identifier_id)})
            if not rules.may_remove(owns, one, app.store):
                raise NotAllowedByPolicy
            wanted = Wanted(one.kind, "remove", old=one, proven=True)
            await self._start(tx, app, account, owns, wanted, caller, app.language_for(None, caller))
            await self._t.idempotency.store(tx, caller, 204, None)

    # --- parts -----------------------------------------------------------------------------------------------------------

    async def _begin(self, caller: Caller) -> tuple[UUID, Resolved]:
        account_id, _ = caller.account()
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
        if not self._t.configuration.knows(caller.application):
            raise SessionRequired
        app = self._t.configuration.application(str(caller.application))
        set_tenant(str(app.store.id), "user")
        if not app.policy.personal_information.enabled:
            raise FeatureDisabled
        return account_id, app

    def _read(self, app: Resolved, body: ContactRequest) -> Identifier:
        self._changeable(app, body.kind, "/kind")
        found, errors = read_identifiers({body.kind: body.value}, app.store)
        if not errors and body.kind == "phone":
            errors = numbers.closed(found[0].canonical, app.notification, "/value")
        if errors:
            raise ValidationFailed([FieldError("/value", one.code, one.message) for one in errors])
        return found[0]

    @staticmethod
    def _changeable(app: Resolved, kind: IdentifierKind, field: str) -> None:
        """Whether the store uses it, and lets its customers change it (D21)."""
        used = app.store.used().get(kind)
        if used is None:
            raise ValidationFailed([FieldError(field, "not_an_option", "This application doesn't use it")])
        if not used.editable:
            raise ValidationFailed([FieldError(field, "not_editable", "This can't be changed here")])

    async def _count(self, app: Resolved, account_id: UUID) -> None:
        """Whatever becomes of it: nobody writes to strangers by it, or tries which names there are. Raises TooManyRequests."""
        resend = app.policy.resend
        key = self._t.throttle.key("contact_change.started", str(account_id))
        async with self._t.db.transaction() as tx:
            decision = await self._t.throttle.take(
                tx, [(key, [Limit(2 * resend.per_hour, 3600), Limit(2 * resend.per_day, 86400)])]
            )
        in_time(decision)

    async def _redeem(self, tx: Tx, account: Account, caller: Caller, action: str, payload: dict[str, Any]) -> None:
        """One that was given for the password alone is too little, if there is a factor by now (STP-1)."""
        methods = await self._t.grants.redeem(tx, caller, action, payload)
        if account.second_factor and list(methods) == [PASSWORD]:
            raise StepUpRequired(action=action, payload=payload)

    async def _start(
        self, tx: Tx, app: Resolved, account: Account, owns: list[Own], wanted: Wanted, caller: Caller, language: str
    ) -> ContactChangeFlow:
        for older in await store.pending(tx, account.id):
            if older.kind == wanted.kind:  # the newest is what the customer wants
                await self._applying.end(tx, older, "replaced")
        row = await self._row(tx, app, account, owns, wanted, caller, language)
        await store.insert(tx, row)
        if not await self._applying.go_on(tx, row, caller):
            if wanted.kind == "username":
                raise ValidationFailed([FieldError("/value", "username_taken", "This username is taken. Choose another one")])
            raise NotFound
        if (settled := await store.get(tx, row.id)) is not None:
            row = settled
        if row.is_open(tx.now):
            await self._ask(tx, app, account, row, owns, caller)
        return await self._showing.flow(tx, row, caller)

    async def _row(
        self, tx: Tx, app: Resolved, account: Account, owns: list[Own], wanted: Wanted, caller: Caller, language: str
    ) -> Change:
        policy = app.policy.contact_change
        since = await changing_store.second_factor_at(tx, account.id)
        strong = rules.is_strong(account.second_factor, since, tx.now, policy.revert_lifetime)
        approver = None if wanted.mode == "remove" else rules.approver(owns, wanted.kind, strong=strong)
        new, old = wanted.new, wanted.old
        sent = new is not None and new.kind in rules.REACHED and not wanted.proven
        return Change(
            id=random_id(),
            approval_id=random_id() if approver is not None else None,
            account_id=account.id,
            store_id=app.store.id,
            application=app.application.slug,
            kind=wanted.kind,
            mode=wanted.mode,
            value=new.value if new is not None else None,
            canonical=new.canonical if new is not None else None,
            old_value=old.value if old is not None else None,
            old_canonical=old.canonical if old is not None else None,
            old_verified_at=old.verified_at if old is not None else None,
            old_primary=old is not None and old.is_primary,
            approver_kind=approver.kind if approver is not None else None,
            approver_value=approver.value if approver is not None else None,
            approver_canonical=approver.canonical if approver is not None else None,
            confirmed_at=None if sent else tx.now,
            browser=caller.browser,
            match=new_match(),
            requested_from=in_words(caller.user_agent),
            language=language,
            created_at=tx.now,
            expires_at=tx.now + policy.link_lifetime,
        )

    async def _ask(self, tx: Tx, app: Resolved, account: Account, row: Change, owns: list[Own], caller: Caller) -> None:
        """The messages that it waits for, and the word to whoever may stop it."""
        if row.confirmed_at is None:
            await self._messages.ask(tx, app, row, "new", caller.asn)
        if row.approval_id is not None:
            await self._messages.ask(tx, app, row, "old", caller.asn)
        told = await self._telling.announce(tx, app, account, row, owns, caller)
        if told["notices"] or told["sms_notices"]:
            language = account.language or row.language
            announced = ContactChangeAnnounced(
                account_id=account.id, application=row.application, kind=row.kind, language=language, **told
            )
            await tx.emit(announced)


def _replacing(owns: list[Own], new: Identifier) -> Wanted:
    """Raises ValidationFailed for the one that there is."""
    primary, same = _primary(owns, new.kind), _same(owns, new)
    if same is not None and same.verified_at is not None and not same.is_primary:
        return Wanted(new.kind, "primary", same.identifier, primary, proven=True)
    if same is not None and same.is_primary:
        return _proving(same, new)
    return Wanted(new.kind, "add" if primary is None else "replace", new, primary)


def _adding(owns: list[Own], new: Identifier, app: Resolved) -> Wanted:
    same = _same(owns, new)
    if same is not None:
        return _proving(same, new)
    if not rules.may_add(owns, new.kind, app.store):
        raise NotAllowedByPolicy
    return Wanted(new.kind, "add", new)


def _proving(same: Own, new: Identifier) -> Wanted:
    """What the account has, and hasn't proven yet."""
    if same.verified_at is not None or new.kind == "username":
        raise ValidationFailed([FieldError("/value", "contact_same", "This is the one you have")])
    return Wanted(new.kind, "add", new)


def _primary(owns: list[Own], kind: IdentifierKind) -> Own | None:
    return next((one for one in owns if one.kind == kind and one.is_primary), None)


def _same(owns: list[Own], new: Identifier) -> Own | None:
    return next((one for one in owns if (one.kind, one.canonical) == (new.kind, new.canonical)), None)


def _one(owns: list[Own], identifier_id: UUID) -> Own:
    found = next((one for one in owns if one.id == identifier_id), None)
    if found is None:
        raise NotFound
    return found
