"""REG-7: whatever `latchkey apply` accepts works: a sign-up by the page and one by the API, for configurations made at random."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servicekit.web.apply import apply_file
from testkit.stack import PASSWORD, Product, eventually, new_email

BRAND = {"name": "Zinnia", "brand": "#ffc43a", "accent": "#8c1763", "radii": "round"}
# A right answer to each kind of question, as a person writes it into the page, and as a program sends it.
ANSWERS: dict[str, tuple[str, Any]] = {
    "text": ("Zoë", "Zoë"),
    "email": ("zoe@posteo.example", "zoe@posteo.example"),
    "phone": ("+49 341 5550141", "+493415550141"),
    "date": ("1990-02-28", "1990-02-28"),
    "checkbox": ("on", True),
    "list": ("tea, coffee", ["tea", "coffee"]),
}
names = st.sampled_from(
    ["given_name", "nickname", "a", "name", "id_9", "class", "action", "method", "x" * 40, "given_name", "link", "_"]
)
languages = st.sampled_from(["en", "de", "ar"])
options = st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=12), max_size=3)


@st.composite
def attributes(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from([*ANSWERS, "select"]))
    found = {
        "name": draw(names),
        "type": kind,
        "label": {draw(languages): draw(st.sampled_from(["A thing", "A thing", "<b>", '"', "{{ 1 }}", " "]))},
        "required": draw(st.booleans()),
        "at_registration": draw(st.sampled_from(["shown", "shown", "hidden"])),
    }
    if kind == "select":
        found["options"] = draw(options)
    if draw(st.booleans()):
        found["max_length"] = draw(st.sampled_from([1, 16, 64, 2000]))
    return found


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    use = st.sampled_from(["required", "optional", "hidden"])
    slug = f"fuzz-{uuid4().hex[:8]}"
    consent = {
        "id": "terms",
        "version": "1.0",
        "mandatory": draw(st.booleans()),
        "title": {"en": "Terms"},
        "text": {"en": "Yes?"},
    }
    return {
        "identity_stores": [
            {
                "name": slug,
                "identifiers": {"email": {"use": draw(st.sampled_from(["required", "required", "optional"]))}, "username": {"use": draw(use)}},
                "attributes": draw(st.lists(attributes(), max_size=4)),
                "password": {"min_length": draw(st.sampled_from([8, 15, 20])), "max_length": draw(st.sampled_from([64, 256]))},
            }
        ],
        "self_service_policies": [
            {"name": slug, "registration": {"verification": draw(st.sampled_from(["link", "passcode"]))},
             "password_input": {"defer": draw(st.booleans())}}
        ],
        "applications": [
            {"slug": slug, "store": slug, "self_service_policy": slug, "brand": BRAND, "languages": ["en", "de", "ar"], "default_language": draw(languages), "consents": draw(st.sampled_from([[], [consent]]))}
        ],
    }  # fmt: skip


def answers(document: dict[str, Any], place: int) -> dict[str, Any]:
    """`place`: 0 for the page, 1 for the API. Texts are as long as the store takes them."""
    found = {}
    for one in document["identity_stores"][0]["attributes"]:
        if one["at_registration"] == "shown":
            answer = one["options"][-1] if one["type"] == "select" else ANSWERS[one["type"]][place]
            most = one.get("max_length", 200)
            short = one["type"] == "list" and most < 6
            found[one["name"]] = ("a, b", ["a", "b"])[place] if short else answer[:most] if one["type"] == "text" else answer
    return found


def identifiers(description: dict[str, Any]) -> dict[str, str]:
    every = {"email": new_email(), "username": f"zoe.{uuid4().hex[:10]}"}
    return {one["kind"]: every[one["kind"]] for one in description["identifiers"]}


def by_page(product: Product, slug: str, description: dict[str, Any], given: dict[str, Any]) -> httpx.Response:
    with httpx.Client(base_url=product.origin, timeout=20, trust_env=False, headers={"origin": product.origin}) as window:
        page = window.get(f"/{slug}/sign-up").text
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        consents = {f"consent.{one['id']}": "on" for one in description["consents"]}
        later = description["features"]["password_last"]  # D33: once the address is proven
        form = {"csrf": csrf, **({} if later else {"password": PASSWORD}), **identifiers(description), **given, **consents}
        for name in form:
            assert len(re.findall(rf'name="{re.escape(name)}"', page)) == 1, f"{name} stands on the page once"
        return window.post(f"/{slug}/sign-up", data=form)


def by_api(http: httpx.Client, slug: str, description: dict[str, Any], given: dict[str, Any]) -> httpx.Response:
    consents = [{"id": one["id"], "version": one["version"], "given": True} for one in description["consents"]]
    body = {
        "identifiers": identifiers(description),
        "password": PASSWORD,
        "profile": given,
        "consents": consents,
    }
    return http.post(f"/v1/apps/{slug}/registrations", json={**body, "client": "api"})


@pytest.fixture(autouse=True)
def the_product_s_time(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests may have moved it, and an operator's token is good for half a minute."""
    monkeypatch.setenv("LATCHKEY_CLOCK_FILE", product.stack.extra["LATCHKEY_CLOCK_FILE"])


def attempt(product: Product, http: httpx.Client, path: Path, document: dict[str, Any]) -> bool:
    """Whether it was accepted; then a sign-up by the API and one by the page go through."""
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    with ThreadPoolExecutor(1) as pool:  # Playwright may hold a loop in this thread
        where = {"identity_url": product.stack.url("identity"), "keys_dir": product.stack.data / "keys"}
        report = pool.submit(apply_file, path, **where).result()
    if report.errors:
        assert all(place and why for place, why in report.errors)
        return False
    slug = document["applications"][0]["slug"]
    eventually(lambda: httpx.get(f"{product.origin}/{slug}/sign-up", trust_env=False).status_code == 200)  # keeps no cookies
    description = http.get(f"/v1/apps/{slug}").json()
    answer = by_api(http, slug, description, answers(document, 1))
    assert answer.status_code == 202, (document, answer.text)
    product.secrets.add(answer.json()["flow_token"])
    page = by_page(product, slug, description, answers(document, 0))
    assert page.status_code == 303, (document, page.text)
    assert "/check-messages?flow=" in page.headers["location"], (document, page.headers["location"])
    return True


def test_whatever_is_accepted_works(product: Product, http: httpx.Client, tmp_path: Path) -> None:
    """REG-7: with questions of every kind, required and not, in languages that the application has or hasn't."""
    accepted: list[bool] = []

    @settings(max_examples=16, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(document=documents())
    def one(document: dict[str, Any]) -> None:
        accepted.append(attempt(product, http, tmp_path / "latchkey.yaml", document))

    one()
    assert sum(accepted) >= 4, "most of them must be of use"


def test_as_many_questions_as_there_may_be(product: Product, http: httpx.Client, tmp_path: Path) -> None:
    """REG-7."""
    slug = f"many-{uuid4().hex[:8]}"
    label = {"en": "A thing"}
    many = [
        {"name": f"thing_{one}", "label": label, "required": True, "at_registration": "shown", "type": "text"}
        for one in range(100)
    ]
    consents = [{"id": f"c{one}", "version": "1.0", "mandatory": True, "title": label, "text": label} for one in range(50)]
    document = {
        "identity_stores": [{"name": slug, "attributes": many}],
        "applications": [{"slug": slug, "store": slug, "brand": BRAND, "consents": consents}],
    }
    assert attempt(product, http, tmp_path / "latchkey.yaml", document)
