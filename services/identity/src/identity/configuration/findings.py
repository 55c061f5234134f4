"""What a configuration is checked against, and what is found."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from latchkey_contracts.configuration import (
    AccessPolicy,
    Application,
    Document,
    IdentityStore,
    NotificationPolicy,
    SelfServicePolicy,
)


@dataclass
class Known:
    """What has been applied already, by name; a document may refer to it."""

    stores: Mapping[str, IdentityStore] = field(default_factory=dict)
    policies: Mapping[str, SelfServicePolicy] = field(default_factory=dict)
    applications: Mapping[str, Application] = field(default_factory=dict)
    notifications: Mapping[str, NotificationPolicy] = field(default_factory=dict)
    access: Mapping[str, AccessPolicy] = field(default_factory=dict)


@dataclass
class Checked:
    """`errors`, `warnings`: (JSON pointer, reason). The document is there only when there is no error."""

    document: Document | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def unique(self, path: str, names: Iterable[str]) -> None:
        self.errors += [(path, f"{name} stands here {count} times") for name, count in Counter(names).items() if count > 1]
