"""A browser's tab without a browser: opens pages, presses buttons, keeps cookies. For what has more cases than Chromium has time."""

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import urljoin

import httpx
from testkit.stack import Product

_FORM = re.compile(r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_INPUT = re.compile(r"<input\b([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@dataclass(frozen=True)
class Form:
    action: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Shown:
    """A page as it came, after its redirects."""

    status: int
    url: str
    html: str

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.html, re.DOTALL)
        return unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""

    @property
    def main(self) -> str:
        return self.html.split("<main", 1)[1].split("</main", 1)[0]

    @property
    def forms(self) -> list[Form]:
        found = []
        for action, inside in _FORM.findall(self.html):
            fields = {}
            for one in _INPUT.findall(inside):
                of = {name: unescape(value) for name, value in _ATTRIBUTE.findall(one)}
                if "name" in of and of.get("type") != "checkbox":
                    fields[of["name"]] = of.get("value", "")
            found.append(Form(unescape(action), fields))
        return found

    def form(self, action: str | None = None) -> Form:
        """The first one of the page's content, or the first that leads there."""
        if action is not None:
            return next(one for one in self.forms if action in one.action)
        return next(
            one for one in self.forms if f'action="{one.action}"'.replace("&", "&amp;") in self.main or one.action in self.main
        )

    @property
    def ways(self) -> list[str]:
        """Where its content leads."""
        return re.findall(r'(?:href|action)="(/[^"#]+)"', self.main)


class Tab:
    """Of a browser: tabs that are given the same client share its cookies."""

    def __init__(self, product: Product, client: httpx.Client | None = None) -> None:
        headers = {"Origin": product.origin, "Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 Firefox/128.0"}
        self.product = product
        self.client = client or httpx.Client(base_url=product.origin, timeout=30, trust_env=False, headers=headers)

    def another(self) -> "Tab":
        return Tab(self.product, self.client)

    def open(self, path: str) -> Shown:
        return self._shown(self.client.get(path, follow_redirects=True))

    def press(self, page: Shown, action: str | None = None, **typed: str) -> Shown:
        form = page.form(action)
        answer = self.client.post(urljoin(page.url, form.action), data={**form.fields, **typed})
        assert answer.status_code == 303, f"a press is answered with {answer.status_code}"
        return self.open(urljoin(str(answer.url), answer.headers["location"]))

    def _shown(self, answer: httpx.Response) -> Shown:
        for cookie in self.client.cookies.jar:
            if cookie.value and len(cookie.value) >= 40:
                self.product.secrets.add(cookie.value)
        return Shown(answer.status_code, str(answer.url), answer.text)

    # --- its cookies -------------------------------------------------------------------------------------------------------

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.client.cookies.jar}

    def set(self, name: str, value: str) -> None:
        """As the browser would keep it if we had set it."""
        found = next((one for one in self.client.cookies.jar if one.name == name), None)
        if found is not None:
            found.value = value
        else:
            self.client.cookies.set(name, value, domain=_host(self.product), path="/")

    def drop(self, *names: str) -> None:
        for cookie in list(self.client.cookies.jar):
            if not names or cookie.name in names:
                self.client.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)


def _host(product: Product) -> str:
    host = httpx.URL(product.origin).host
    return host if "." in host else f"{host}.local"  # as http.cookiejar calls a host without a dot
