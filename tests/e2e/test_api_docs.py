"""`/v1/docs` in a browser: everything of the document is drawn, out of our own origin alone."""

import pytest
from gateway.api.operations import OPERATIONS
from playwright.sync_api import expect
from testkit.stack import Product

from .window import NARROW, WIDE, narrow_enough, violations

# Of the viewer's own markup, which we ship as it is published.
VIEWERS_OWN = ("nested-interactive", "select-name")


@pytest.mark.browser
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_operation_is_drawn(product: Product, open_window, size: dict) -> None:
    """WEB-10, WEB-6: nothing from elsewhere, nothing against the policy, nothing that axe finds beyond the viewer's own markup."""
    window = open_window(size)
    asked, said = [], []
    window.page.on("request", lambda request: asked.append(request.url))
    window.page.on("console", lambda message: said.append(message.text))
    window.page.on("pageerror", lambda error: said.append(str(error)))
    page = window.open("/v1/docs")
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    assert not [one for one in violations(page) if not one.startswith(VIEWERS_OWN)]
    assert narrow_enough(page)
    page.locator("#operations-registration-startRegistration button").first.click()
    expect(page.get_by_text("the mailbox alone learns the difference").first).to_be_visible()
    operation = page.locator("#operations-registration-startRegistration")
    operation.get_by_role("tab", name="Example Value").first.click()
    expect(operation.get_by_text("grace@example.org").first).to_be_visible()
    assert all(url.startswith((product.origin, "data:")) for url in asked)
    assert not said
