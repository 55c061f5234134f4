"""The checker of the invariants (INV-1 to INV-18): what must hold after any trouble, once every queue is empty."""

from collections import Counter, defaultdict

from latchkey_contracts import wire
from latchkey_contracts.event import Event
from testkit.stack import Product
from testkit.unread import wait_read

from .conftest import read_records


def events(product: Product, bootstrap: str, publisher: str) -> list[Event]:
    return [wire.decode(one.value, one.headers) for one in read_records(bootstrap, product.stack.topic_prefix, publisher)]


def check(product: Product, bootstrap: str, *, acknowledged: dict[str, str], most_copies: int = 1) -> None:
    """`acknowledged`: {address: flow id} of the registrations that were answered 202."""
    wait_read(product, seconds=30)  # INV-18; again, since a message that waited for its turn may have become due
    mails = [one for one in product.mails() if "Activate" in one["subject"]]
    _every_acknowledged_has_its_mail(product, acknowledged, mails)
    _no_mail_without_a_request(product, mails)
    copies = Counter(one["message_id"] for one in product.mails() if one["to"] in acknowledged)
    assert max(copies.values(), default=0) <= most_copies, f"INV-17: {copies.most_common(3)}"
    _versions(product, bootstrap)
    doubled = product.rows("identity", "SELECT canonical FROM identifier GROUP BY store_id, canonical HAVING count(*) > 1")
    assert not doubled, "INV-14"
    assert not product.rows("identity", "SELECT id FROM one_time_secret WHERE used_at IS NOT NULL AND superseded_at < used_at"), (
        "INV-3"
    )
    parked = [row for service in product.stack.services for row in product.rows(service, "SELECT event_type, reason FROM parked")]
    assert not parked, f"nothing may be parked by a crash: {parked}"


def _every_acknowledged_has_its_mail(product: Product, acknowledged: dict[str, str], mails: list[dict]) -> None:
    """INV-1: exactly, or with a recorded reason."""
    reached = {one["to"] for one in mails}
    for address, flow in acknowledged.items():
        if address not in reached:
            assert product.rows("identity", "SELECT 1 FROM registration_attempt WHERE id = %s", flow), f"{flow} is gone"
            state = product.rows(
                "identity",
                """SELECT coalesce(m.state, a.state) FROM flow_asked AS a
                LEFT JOIN flow_message AS m ON m.flow_id = a.flow_id AND m.cause = a.cause WHERE a.flow_id = %s""",
                flow,
            )
            assert state, f"{flow} was acknowledged and nothing asked for its mail"
            assert state[0][0] in {"suppressed", "failed", "expired"}, f"INV-1: {flow} has no mail and no reason ({state[0][0]})"


def _no_mail_without_a_request(product: Product, mails: list[dict]) -> None:
    """INV-2: each mail belongs to an attempt of that address, one message per link."""
    attempts = {row[0] for row in product.rows("identity", "SELECT recipient_value FROM registration_attempt")}
    assert {one["to"] for one in mails} <= attempts
    per_address = defaultdict(set)
    for one in mails:
        per_address[one["to"]].add(one["message_id"])
    issued = dict(
        product.rows(
            "identity",
            "SELECT a.recipient_value, count(*) FROM one_time_secret s JOIN registration_attempt a ON a.id = s.flow_id GROUP BY 1",
        )
    )
    for address, messages in per_address.items():
        assert len(messages) <= issued[address], "more messages than links"


def _versions(product: Product, bootstrap: str) -> None:
    """INV-8, INV-10: on the topic each subject's versions rise by one, and the last is the database's; no phantom, no gap."""
    for publisher in ("identity", "recovery", "notifier"):
        seen: dict[str, dict[int, str]] = defaultdict(dict)
        order: dict[str, list[int]] = defaultdict(list)
        for event in events(product, bootstrap, publisher):
            meta = event.meta
            known = seen[meta.subject].setdefault(meta.aggregateversion, str(meta.id))
            assert known == str(meta.id), "EVT-2: a repeated version is the same event"
            if meta.aggregateversion not in order[meta.subject]:
                order[meta.subject].append(meta.aggregateversion)
        stored = dict(product.rows(publisher, "SELECT subject, version FROM aggregate_version"))
        for subject, versions in order.items():
            assert versions == list(range(1, stored[subject] + 1)), f"{publisher} {subject}: {versions} against {stored[subject]}"
        assert set(stored) == set(order)
