"""The local inbox under the portal's own address: a mail as it looks, in a frame that can do nothing (README.md)."""

import pytest
from testkit.stack import Person, Product

from .window import Visitor

pytestmark = pytest.mark.browser


class TestMail:
    @pytest.mark.parametrize("script", [True, False])
    def test_is_shown_as_it_looks(self, product: Product, mira: Person, open_window, script: bool) -> None:
        """The frame has the mail, its picture and its button; it runs nothing and belongs to no origin."""
        mira.register()
        mail = mira.mail()
        window: Visitor = open_window(script=script)
        window.page.goto(f"{product.origin}/inbox?message={mail['id']}")
        frame = window.page.frame_locator("iframe")
        assert frame.locator("h1").inner_text() == "One press and your account is ready"
        assert (
            frame.get_by_role("link", name="Activate my account").get_attribute("href")
            == f"{product.origin}/demo/l/{mira.link()}"
        )
        assert frame.locator("img").evaluate("it => it.naturalWidth") == 84
        assert window.page.locator("iframe").get_attribute("sandbox") == "allow-popups allow-popups-to-escape-sandbox"

    def test_nobody_elses_page_frames_it(self, product: Product, mira: Person) -> None:
        """Pages of the portal by nobody at all; a mail by the inbox alone."""
        mira.register()
        with product.client() as http:
            found = http.get(f"/inbox/messages/{mira.mail()['id']}/html")
            page = http.get("/demo/sign-in")
        assert found.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
        assert "frame-ancestors 'self'" in found.headers["content-security-policy"]
        assert page.headers.get_list("x-frame-options") == ["DENY"]
