"""A person at the OpenID provider of the local run, as a browser of theirs sees it: its page, its form, and where it leads back to."""

from urllib.parse import parse_qs, urlsplit

import httpx


class Elsewhere:
    """`url`: of the provider. `who`: what it says of the person; `sub` is the account there."""

    def __init__(self, url: str, **who: str) -> None:
        self.url = url
        self.who = who
        self.http = httpx.Client(timeout=20, trust_env=False)

    def confirm(self, redirect_to: str, **more: str) -> str:
        """Signs in there. Answers the address that the browser is sent back to."""
        return self._press(redirect_to, {**self.who, **more})

    def deny(self, redirect_to: str) -> str:
        return self._press(redirect_to, {"deny": "1"})

    def _press(self, redirect_to: str, pressed: dict[str, str]) -> str:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(redirect_to).query).items()}
        shown = self.http.get(redirect_to)
        assert shown.status_code == 200, shown.text
        answer = self.http.post(f"{self.url}/authorize", data={**asked, **pressed})
        assert answer.status_code in {200, 303}, answer.text
        return str(answer.headers["location"]) if answer.status_code == 303 else answer.text

    def lie(self, lie: str | None, *, once: bool = True) -> None:
        """The provider's next answer, or all until it is taken back."""
        self.http.post(f"{self.url}/lies", json={"lie": lie, "once": once}).raise_for_status()

    def rotate(self) -> None:
        self.http.post(f"{self.url}/rotate").raise_for_status()
