"""R33: the postal address by its page, in the form of each country; without script a button shows the fields of another one."""

import httpx
import pytest
from playwright.sync_api import Page, expect
from testkit.stack import Person, Product, person

from .window import NARROW, PHONE, SHAPES, Visitor, at, heading, narrow_enough, shoot, violations

pytestmark = pytest.mark.browser
HOME = {"country_code": "DE", "street_address": "Karl-Heine-Str. 12", "postal_code": "04229", "city": "Leipzig"}


@pytest.fixture
def mira(product: Product, http: httpx.Client) -> Person:
    return person(product, http).activate()


def to_address(window: Visitor, mira: Person) -> Page:
    window.sign_in(mira.email)
    expect(heading(window.page)).to_have_text("Hello")
    page = window.open("/demo/account/personal")
    page.get_by_role("link", name="Change Postal address").click()
    return page


def profile(mira: Person) -> dict[str, object]:
    assert mira.sign_in().status_code == 200
    found: dict[str, object] = mira.http.get("/v1/me", headers=mira.bearer).json()["profile"]
    return found


@SHAPES
def test_filled_in_and_taken_out(mira: Person, open_window, script: bool, size: tuple, dark: bool) -> None:
    page = to_address(open_window(size, script=script, dark=dark), mira)
    at(page, "Postal address", script=script)
    # The country is that of the application's time zone.
    assert page.get_by_label("Country or region").input_value() == "DE"
    shoot(page, "address")
    page.get_by_label("Street and number").fill("Karl-Heine-Str. 12")
    page.get_by_label("Postcode").fill("4229")
    page.get_by_label("Postcode").press("Enter")
    expect(page.locator("#address-postal_code-error")).to_contain_text("A code of this country looks like 26133")
    expect(page.locator("#address-city-error")).to_have_text("Please fill this in.")
    assert page.get_by_label("Street and number").input_value() == "Karl-Heine-Str. 12"
    at(page, "Postal address", script=script)
    shoot(page, "address-errors")
    page.get_by_role("link", name="Town or city: Please fill this in.").click()
    expect(page.get_by_label("Town or city")).to_be_focused()
    page.get_by_label("Postcode").fill("04229")
    page.get_by_label("Town or city").fill("Leipzig")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
    at(page, "Personal information", script=script)
    assert [one.inner_text() for one in page.locator("li", has_text="Postal address").last.locator("bdi").all()] == [
        "Karl-Heine-Str. 12",
        "04229 Leipzig",
        "Germany",
    ]
    shoot(page, "address-shown")
    page.get_by_role("link", name="Change Postal address").click()
    for label in ("Street and number", "Postcode", "Town or city"):
        page.get_by_label(label).fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
    assert "address" not in profile(mira)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_another_country(mira: Person, open_window, script: bool) -> None:
    """What was typed stays; where the country has a list, what was typed before is found in it."""
    page = to_address(open_window(PHONE, script=script), mira)
    page.get_by_label("Street and number").fill("1 Main St\nApt 4")
    page.get_by_label("Town or city").fill("Springfield")
    page.get_by_label("Country or region").select_option("US")
    page.get_by_role("button", name="Show the fields").click()
    expect(page.get_by_label("State")).to_be_visible()
    at(page, "Postal address", script=script)
    assert page.get_by_label("Street and number").input_value() == "1 Main St\nApt 4"
    assert page.get_by_label("Town or city").input_value() == "Springfield"
    page.get_by_label("State").select_option("Ohio")
    page.get_by_label("ZIP code").fill("45501")
    shoot(page, "address-us")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Springfield, OH 45501")
    assert profile(mira)["address"] == {
        "country_code": "US",
        "country_area": "OH",
        "city": "Springfield",
        "postal_code": "45501",
        "street_address": "1 Main St\nApt 4",
    }


def test_another_country_at_once(mira: Person, open_window) -> None:
    """Saved without having seen its fields: they are shown, with what each lacks."""
    page = to_address(open_window(PHONE, script=False), mira)
    page.get_by_label("Street and number").fill("1 Main St")
    page.get_by_label("Country or region").select_option("US")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#address-country_area-error")).to_have_text("Please fill this in.")
    assert page.get_by_label("Street and number").input_value() == "1 Main St"


def test_right_to_left(mira: Person, open_window) -> None:
    """Each line keeps its own direction; the countries stand as a reader of Arabic looks for them."""
    mira.sign_in()
    put(mira, {"address": HOME})
    window = open_window(NARROW)
    window.sign_in(mira.email)
    page = window.open("/demo/account/personal?ui_locales=ar")
    assert page.locator("html").get_attribute("dir") == "rtl"
    assert narrow_enough(page)
    assert not violations(page)
    shoot(page, "address-arabic-shown")
    page.goto(f"{window.product.origin}/demo/account/personal/address")
    assert narrow_enough(page)
    assert not violations(page)
    shoot(page, "address-arabic")
    assert page.locator("#address-country_code option:checked").inner_text() == "ألمانيا"
    page.set_viewport_size({"width": 1280, "height": 800})
    shoot(page, "address-arabic")


def put(mira: Person, given: dict[str, object]) -> httpx.Response:
    me = mira.http.get("/v1/me", headers=mira.bearer)
    headers = {**mira.bearer, "If-Match": f'"{me.json()["version"]}"'}
    return mira.http.patch("/v1/me", json={"profile": given}, headers=headers)


def test_two_windows(mira: Person, open_window) -> None:
    """Both are shown, then the customer says which."""
    page = to_address(open_window(PHONE, script=False), mira)
    page.get_by_label("Street and number").fill("Seestr. 1")
    page.get_by_label("Postcode").fill("04103")
    page.get_by_label("Town or city").fill("Leipzig")
    mira.sign_in()
    assert put(mira, {"address": HOME}).status_code == 200
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It was changed in another window")).to_be_visible()
    expect(page.get_by_text("It says now: Karl-Heine-Str. 12, 04229 Leipzig, Germany")).to_be_visible()
    assert page.get_by_label("Street and number").input_value() == "Seestr. 1"
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your change is saved")).to_be_visible()
    assert profile(mira)["address"] == {**HOME, "street_address": "Seestr. 1", "postal_code": "04103"}


def test_by_the_api(mira: Person) -> None:
    mira.sign_in()
    refused = put(mira, {"address": {"country_code": "US", "city": "Springfield", "zip": "45501"}})
    assert (refused.status_code, [one["field"] for one in refused.json()["errors"]]) == (422, ["/profile/address/zip"])
    found = put(mira, {"address": {**HOME, "postal_code": " ٠٤٢٢٩ "}})
    assert found.json()["profile"]["address"] == HOME
    assert "address" not in put(mira, {"address": None}).json()["profile"]
