"""The providers file of the local run: where the inbox's stand-ins listen, with credentials of this data folder alone.

The notifier reads it (LATCHKEY_PROVIDERS_FILE), and so do the stand-ins, which check what the notifier proves with it.
"""

import base64
import json
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FROM = "+15005550006"  # Twilio's own number for tests


def write(path: Path, ports: Mapping[str, int]) -> None:
    """`ports`: of smtp, twilio, backup. Credentials stay what they were, so that a restart strands no receipt."""
    known = {one["name"]: one for one in read(path)} if path.exists() else {}
    found = [{**_fresh(name, port), **_kept(known.get(name, {}))} for name, port in ports.items()]
    lines = ["# Made by `make run` for this machine only; credentials of stand-ins, kept over restarts."]
    for one in found:
        lines += ["", "[[provider]]", *(f"{key} = {json.dumps(value)}" for key, value in one.items())]
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text("\n".join(lines) + "\n")
    part.replace(path)


def read(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(path.read_text())["provider"]
    return found


def port(provider: Mapping[str, Any]) -> int:
    return urlsplit(str(provider["url"])).port or 0


def channels(provider: Mapping[str, Any]) -> frozenset[str]:
    usual = ["email"] if provider["kind"] == "smtp" else ["sms", "voice"]
    return frozenset(provider.get("channels", usual))


def key_of(provider: Mapping[str, Any]) -> bytes:
    """The bytes behind whsec_<base64>."""
    return base64.b64decode(provider["secret"].removeprefix("whsec_"))


def _fresh(name: str, port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    if name == "smtp":
        return {"name": name, "kind": "smtp", "url": f"smtp://127.0.0.1:{port}", "secret": secret}
    if name == "twilio":
        sid, token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
        return {"name": name, "kind": "twilio", "url": url, "account_sid": sid, "auth_token": token, "from": FROM}
    return {"name": name, "kind": "https", "channels": ["sms", "voice"], "url": f"{url}/messages", "secret": secret}


def _kept(known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: known[key] for key in ("secret", "account_sid", "auth_token") if key in known}
