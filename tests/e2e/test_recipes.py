"""What CONTRIBUTING.md's recipes ask for in a second place, and no other tool would miss."""

import importlib
import pkgutil
from typing import get_args

import gateway.portal
import identity.wiring  # noqa: F401 - makes its features known
import mfa.wiring  # noqa: F401
import recovery.wiring  # noqa: F401
from fastapi import APIRouter
from gateway.api.openapi import TAGS
from gateway.api.operations import OPERATIONS
from gateway.portal import pages, purposes
from latchkey_contracts.http.links import LinkPurpose
from servicekit.proof.flow import Proofs


def test_every_purpose_has_its_page() -> None:
    """E4, LNK-1: a link that a service makes opens with a press of its own."""
    made = {one.purpose for one in Proofs.__subclasses__()}
    assert made, "the services are known"
    assert made == set(purposes.PURPOSES)
    assert made <= set(get_args(LinkPurpose))


def test_every_module_of_pages_is_listed() -> None:
    modules = [importlib.import_module(f"gateway.portal.{one.name}") for one in pkgutil.iter_modules(gateway.portal.__path__)]
    found = {one for one in modules if isinstance(getattr(one, "routes", None), APIRouter)}
    assert found == set(pages.PAGES)


def test_every_tag_is_described() -> None:
    assert {one.tag for one in OPERATIONS} == set(TAGS)
