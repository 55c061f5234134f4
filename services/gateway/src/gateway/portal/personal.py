"""What we know about the customer, seen and changed a part at a time (R32, R34, D21)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from latchkey_contracts.configuration import Attribute
from latchkey_contracts.http.account import Me
from latchkey_contracts.http.contact_change import ContactChanges, OwnIdentifiers
from servicekit import errors, postal
from starlette.responses import Response

from . import addresses, i18n
from .acts import acting, inside
from .contact_acts import CHANGES, IDENTIFIERS
from .visit import Visit, VisitDep

routes = APIRouter()
NAME, LANGUAGE = "name", "language"
# Shown in one line and edited on one page, in the order of the store.
NAMES = {"given_name": "given-name", "middle_name": "additional-name", "family_name": "family-name"}


@dataclass(frozen=True)
class Field:
    """One attribute on a page. `value`: as it is stored."""

    name: str
    kind: str
    label: str
    required: bool
    options: list[str]
    value: Any
    autocomplete: str
    form: addresses.Form | None = None  # of an address
    lines: tuple[str, ...] = ()

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(one, one) for one in self.options]

    @property
    def text(self) -> str:
        """As a form's field has it; an address in one line."""
        if self.kind == "address":
            return ", ".join(self.lines)
        return ", ".join(self.value) if isinstance(self.value, list) else str(self.value if self.value is not None else "")


@dataclass(frozen=True)
class Part:
    """`name`: in the address of the page where it is changed."""

    name: str
    fields: list[Field]
    editable: bool


@routes.get("/{app}/account/personal")
async def overview(visit: VisitDep) -> Response:
    _inside(visit)
    me = await visit.read("/v1/me", Me)
    own = await visit.read(IDENTIFIERS, OwnIdentifiers)
    waiting = await visit.read(CHANGES, ContactChanges)
    return visit.page(
        "personal.html",
        me=me,
        own=own,
        waiting=waiting.items,
        parts_of=_parts(visit, me),
        language_name=i18n.NAMES.get(me.language or ""),
        chooses=visit.app.policy.notification_preferences.enabled,
    )


@routes.get("/{app}/account/personal/{part}")
async def ask(visit: VisitDep, part: str) -> Response:
    _inside(visit)
    me = await visit.read("/v1/me", Me)
    conflict = visit.told(errors.PreconditionFailed)
    shown: dict[str, Any] = {"part": part, "version": me.version, "conflict": conflict, "problem": conflict}
    if part == LANGUAGE:
        choices = [(one, i18n.NAMES[one]) for one in i18n.offered(visit.application)]
        return visit.page("personal_language.html", choices=choices, stored=me.language, **shown)
    return visit.page("personal_edit.html", fields=_editable(visit, me, part).fields, **shown)


@routes.post("/{app}/account/personal/{part}")
async def save(visit: VisitDep, part: str) -> Response:
    """With the version that the page showed: what was changed in another window meanwhile is shown first (412)."""
    fields = await acting(visit, "personal")
    me = await visit.read("/v1/me", Me)
    if part == LANGUAGE:
        body: dict[str, Any] = {"language": fields.get("language", "")}
    else:
        found = _editable(visit, me, part)
        if shows_only(fields, found.fields):
            return visit.again()
        body = {"profile": given(fields, found.fields)}
    visit.visitor.if_match = f'"{fields.get("version", "")[:20]}"'
    await visit.go_on("/v1/me", body, Me, method="PATCH")
    return visit.again(page=f"{visit.base}/account/personal", values={}, done="saved")


def _inside(visit: Visit) -> None:
    inside(visit, "personal")
    if not visit.app.policy.personal_information.enabled:
        raise errors.FeatureDisabled


def _parts(visit: Visit, me: Me) -> list[Part]:
    """In the order of the store; the names together, where the first of them stands."""
    parts: dict[str, Part] = {}
    for one in visit.app.store.attributes:
        if one.in_portal == "hidden":
            continue
        name = NAME if one.name in NAMES else one.name
        part = parts.setdefault(name, Part(name, [], one.in_portal == "editable"))
        part.fields.append(_field(visit, one, me.profile.get(one.name)))
    return list(parts.values())


def _editable(visit: Visit, me: Me, name: str) -> Part:
    """With what may be edited of it. Raises NotFound."""
    may = {one.name for one in visit.app.store.attributes if one.in_portal == "editable"}
    for part in _parts(visit, me):
        fields = [one for one in part.fields if one.name in may]
        if part.name == name and fields:
            return Part(name, fields, editable=True)
    raise errors.NotFound


def _field(visit: Visit, one: Attribute, value: Any) -> Field:
    label = visit.application.readable(visit.language, one.label)
    return field(visit, one.name, one.type, label, value, required=one.required, options=one.options or [])


def field(visit: Visit, name: str, kind: str, label: str, value: Any, *, required: bool, options: Sequence[str] = ()) -> Field:
    """With what was typed last, where it has a form of its own."""
    if kind != "address":
        return Field(name, kind, label, required, list(options), value, NAMES.get(name, ""))
    language, zone = visit.language, visit.application.timezone
    asked = addresses.form(name, value, visit.before.values, language=language, zone=zone)
    return Field(name, kind, label, required, [], value, "", asked, tuple(addresses.lines(value, language)))


def shows_only(fields: Mapping[str, str], asked: Sequence[Field]) -> bool:
    """Whether the button was pressed that shows the fields of another country, and saves nothing."""
    return any(addresses.asks_fields(one.name, fields) for one in asked)


def given(fields: Mapping[str, str], asked: Sequence[Field]) -> dict[str, Any]:
    """As the API has it, of these attributes: a form knows texts only, and a box that isn't ticked isn't sent."""
    return {one.name: _typed(one, fields) for one in asked}


def _typed(one: Field, fields: Mapping[str, str]) -> Any:
    if one.kind == "address":
        address = addresses.typed_in(one.name, fields)
        return None if postal.blank(address) and not one.required else address
    value = fields.get(one.name, "")
    if one.kind == "checkbox":
        return value == "on"
    if one.kind == "list":
        return [part.strip() for part in value.split(",") if part.strip()] or None
    return value.strip() or None
