"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, 30 s, one step either way, each accepted once (MFA-4)."""

import base64
import hmac
import secrets
from datetime import datetime
from io import BytesIO
from urllib.parse import quote

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from latchkey_contracts.http.factors import TotpSetup

SECRET_BYTES = 20  # 160 bits
STEP_SECONDS, DIGITS = 30, 6
SKEW_STEPS = 1


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def accepted(secret: bytes, typed: str, now: datetime, last_step: int | None) -> int | None:
    """The time step whose code this is, if it is a new one; None: not right, or accepted before."""
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    current, hotp = int(now.timestamp()) // STEP_SECONDS, HOTP(secret, DIGITS, SHA1())  # noqa: S303 - the algorithm that apps know
    found = None
    for step in range(current - SKEW_STEPS, current + SKEW_STEPS + 1):
        if hmac.compare_digest(hotp.generate(step), typed.encode()) and (last_step is None or step > last_step):
            found = step
    return found


def setup(secret: bytes, issuer: str, account: str) -> TotpSetup:
    """What an app scans, or is told. `account`: as the app's list names it."""
    text = base64.b32encode(secret).decode().rstrip("=")
    label = quote(f"{issuer}:{account}" if account else issuer, safe="")
    uri = f"otpauth://totp/{label}?secret={text}&issuer={quote(issuer, safe='')}"
    return TotpSetup(secret=text, uri=uri, qr_svg=_picture(uri))


def _picture(uri: str) -> str:
    """With its namespace: without one a browser takes it within a page alone, not as a picture."""
    written = BytesIO()
    segno.make(uri, error="m", micro=False).save(
        written, kind="svg", scale=4, border=4, omitsize=True, svgclass="qr", lineclass=None, xmldecl=False, nl=False
    )
    return written.getvalue().decode()
