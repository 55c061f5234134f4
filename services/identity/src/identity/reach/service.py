"""Who an identifier belongs to and where that person may be written to, for services that keep no addresses (docs/architecture.md).

Asked by workers only, behind the outbox: in a customer's request it would tell known identifiers from unknown ones (REC-1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.contacts import ContactAnswer, ContactAsked, ContactRequest
from latchkey_contracts.identity import IdentifierKind
from latchkey_contracts.messages import Contact, Reach
from latchkey_contracts.sealed import Sealed
from servicekit.addresses import canonical_email, canonical_phone
from servicekit.db import Conn, Database, Tx
from servicekit.process.configuration import Configuration, Resolved
from servicekit.sealing import Sealer
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from identity.accounts import store as accounts
from identity.accounts.rules import Account, Held, Identifier, candidates, channel_of, given_name, mask
from identity.budgets.service import Budgets, Message

from . import rules, store

LIFETIME = timedelta(days=1)  # no link or code that travels with it lives longer
# A frozen account gets its reset: that is how its owner unlocks it. Disabled and erased ones get nothing (ENU-1).
REACHABLE = frozenset({"active", "pending", "frozen"})


@dataclass(frozen=True)
class Person:
    """Whom a message is about. A reminder goes to the very address that was typed (`address`) and names all its `usernames`."""

    account: Account
    identifiers: Sequence[Held]
    address: Identifier | None = None
    usernames: list[str] | None = None


class Contacts:
    def __init__(
        self, db: Database, configuration: Configuration, budgets: Budgets, sealer: Sealer, idempotency: Idempotency
    ) -> None:
        self._db = db
        self._configuration = configuration
        self._budgets = budgets
        self._sealer = sealer
        self._idempotency = idempotency

    async def find(self, body: ContactRequest, caller: Caller) -> ContactAnswer:
        """Counts the message against the recipient's budget, once for each Idempotency-Key."""
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            (answer,) = await self._find(tx, [body])
            if answer.wait_until is None:
                await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def find_several(self, asked: Sequence[ContactAsked]) -> list[ContactAnswer]:
        """The same for several, in one transaction."""
        async with self._db.transaction() as tx:
            known = await self._idempotency.begin_many(tx, [one.message_id for one in asked])
            found = {name: ContactAnswer.model_validate(answer) for name, answer in known.items()}
            fresh = {one.message_id: one for one in asked if one.message_id not in found}
            found.update(zip(fresh, await self._find(tx, list(fresh.values())), strict=True))
            final = {name: found[name] for name in fresh if found[name].wait_until is None}
            if final:
                await self._idempotency.store_many(tx, 200, final)
        return [found[one.message_id] for one in asked]

    async def _find(self, tx: Tx, asked: Sequence[ContactRequest]) -> list[ContactAnswer]:
        """A statement of each kind, however many there are."""
        answers = [ContactAnswer() for _ in asked]
        ways: dict[int, rules.Way] = {}
        people = await self._people(tx, asked)
        named = [None if body.restarted else rules.named(self._app(body), body) for body in asked]
        rooms = await self._budgets.count(tx, [None if body.counted else one for body, one in zip(asked, named, strict=True)])
        for place, (body, person) in enumerate(zip(asked, people, strict=True)):
            if person is None:
                continue
            if body.reach == "every_verified":
                answers[place] = self._everywhere(tx, person, body.verified_before)
            elif (way := self._way(body, person)) is not None and rules.has_room(way, named[place], rooms[place]):
                ways[place] = way
        wanted = [
            Message(
                self._app(asked[place]),
                asked[place].purpose,
                way.to.canonical,
                way.channel,
                _whose(people[place]),
                named[place],
                restarted=asked[place].restarted,
            )
            for place, way in ways.items()
        ]
        for (place, way), turn in zip(ways.items(), await self._budgets.turns(tx, wanted), strict=True):
            person = people[place]
            if person is None or turn is None:
                continue  # above a cap nothing leaves, and nobody is told (REG-9)
            answers[place] = ContactAnswer(wait_until=turn) if turn > tx.now else await self._answer(tx, person, way)
        return answers

    async def _people(self, tx: Tx, asked: Sequence[ContactRequest]) -> list[Person | None]:
        by_name = [(place, body) for place, body in enumerate(asked) if body.reach != "as_typed" and body.account_id is None]
        by_id = [(place, UUID(body.account_id)) for place, body in enumerate(asked) if body.account_id is not None]
        found: dict[int, Account | None] = {}
        if by_name:
            wanted = [(self._app(body).store.id, candidates(body.identifier or "", self._app(body).store)) for _, body in by_name]
            found.update(zip((place for place, _ in by_name), await accounts.find_owners(tx, wanted), strict=True))
        if by_id:
            several = await accounts.get_several(tx, [account_id for _, account_id in by_id])
            found.update((place, several.get(account_id)) for place, account_id in by_id)
        mine = {place: one for place, one in found.items() if one is not None and self._of_its_store(one, asked[place])}
        identifiers = await accounts.identifiers_of(tx, [one.id for one in mine.values()]) if mine else {}
        people = {place: Person(account, identifiers[account.id]) for place, account in mine.items()}
        return [
            await self._reminded(tx, body) if body.reach == "as_typed" else people.get(place) for place, body in enumerate(asked)
        ]

    def _of_its_store(self, account: Account, body: ContactRequest) -> bool:
        return bool(account.store_id == self._app(body).store.id) and body.store_id in {None, str(account.store_id)}

    async def _reminded(self, tx: Tx, body: ContactRequest) -> Person | None:
        """All usernames of that address or number in this store, in one message to it (D8, REC-10)."""
        app, typed = self._app(body), body.identifier or ""
        kind: IdentifierKind = "email" if "@" in typed else "phone"
        if body.store_id not in {None, str(app.store.id)}:
            return None
        try:
            canonical = canonical_email(typed) if kind == "email" else canonical_phone(typed)
        except ValueError:
            return None
        rows = await store.with_address(tx, app.store.id, kind, canonical, rules.attributes(app, kind))
        names = sorted({row.username for row in rows})
        if not names:
            return None
        account = await accounts.get(tx, rows[0].account_id)
        assert account is not None  # noqa: S101 - read in this transaction
        identifiers = await accounts.identifiers(tx, account.id)
        return Person(account, identifiers, Identifier(kind, rows[0].address, canonical), names)

    def _way(self, body: ContactRequest, person: Person) -> rules.Way | None:
        if person.address is not None:
            return rules.Way(channel_of(person.address.kind), person.address)
        if person.account.status not in REACHABLE:
            return None
        return rules.reset_way(self._app(body), person.account, person.identifiers, body.channel)

    def _everywhere(self, tx: Tx, person: Person, verified_before: str | None) -> ContactAnswer:
        """All verified addresses and numbers of an active account: a security notice has no budget (NOT-1)."""
        account, by = person.account, datetime.fromisoformat(verified_before) if verified_before is not None else tx.now
        if account.status != "active":
            return ContactAnswer()
        name, until = given_name(account.profile), tx.now + LIFETIME
        found: dict[Channel, list[Sealed]] = {"email": [], "sms": []}
        for row in person.identifiers:
            if row.kind in {"email", "phone"} and row.verified_at is not None and row.verified_at <= by:
                to = row.identifier
                contact = Contact(channel=channel_of(to.kind), to=to.address, given_name=name)
                found[contact.channel].append(self._sealer.seal(contact, expires_at=until))
        return ContactAnswer(account_id=account.id, language=account.language, contacts=found["email"], sms_contacts=found["sms"])

    async def _answer(self, tx: Tx, person: Person, way: rules.Way) -> ContactAnswer:
        contact = Contact(
            channel=way.channel,
            to=way.to.address,
            given_name=rules.greeted(person.account, person.identifiers, way.to),
            usernames=person.usernames,
            others=await self._others(tx, person.identifiers, way),
            proven_at=rules.proven_at(person.identifiers, way.to),
            known=any(row.verified_at is not None for row in person.identifiers),
        )
        return ContactAnswer(
            account_id=person.account.id,
            channel=way.channel,
            to=mask(way.to.kind, way.to.value),
            language=person.account.language,
            contact=self._sealer.seal(contact, expires_at=tx.now + LIFETIME),
        )

    async def _others(self, conn: Conn, identifiers: Sequence[Held], way: rules.Way) -> list[Reach]:
        """For the fall-back; a number that was texted or called often enough isn't by it either (FRD-4, FRD-7)."""
        return [one for one in rules.others(identifiers, way) if await self._budgets.is_free(conn, one.to, one.channel)]

    def _app(self, body: ContactRequest) -> Resolved:
        return self._configuration.application(body.application)


def _whose(person: Person | None) -> UUID | None:
    """A reminder goes to an address, and to all who share it."""
    return person.account.id if person is not None and person.address is None else None
