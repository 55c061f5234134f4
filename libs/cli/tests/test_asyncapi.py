"""The AsyncAPI document is enough to write a consumer from (EVT-7, EVT-8)."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from latchkey_cli import asyncapi
from latchkey_contracts.event import Event, Meta

DOCUMENT = asyncapi.document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def against(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


def test_says_where_to_connect() -> None:
    server = DOCUMENT["servers"]["cluster"]
    assert server["protocol"] == "kafka"
    assert server["variables"]["bootstrap"]["description"]


def test_every_header_is_explained() -> None:
    """expirytime, aggregateversion and the rest of our extensions: what they mean to a consumer (EVT-4, EVT-5)."""
    properties = SCHEMAS["CloudEventHeaders"]["properties"]
    assert all(one["description"] for one in properties.values())
    assert {f"ce_{name}" for name in Meta.model_fields} <= set(properties)
    assert "skips it" in properties["ce_expirytime"]["description"]


@pytest.mark.parametrize("cls", asyncapi.events().values(), ids=asyncapi.key)
def test_each_event_has_an_example_that_fits(cls: type[Event]) -> None:
    message: dict[str, Any] = DOCUMENT["components"]["messages"][asyncapi.key(cls)]
    (example,) = message["examples"]
    against(asyncapi.key(cls)).validate(example["payload"])
    against("CloudEventHeaders").validate(example["headers"])
    assert example["headers"]["ce_type"] == cls.event_type
    assert example["headers"]["ce_subject"] == str(example["payload"][cls.subject_field])
