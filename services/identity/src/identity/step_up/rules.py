"""What a step-up's own message says that it is for (OTP-10). Pure functions."""

from collections.abc import Mapping
from typing import Any

from servicekit.masks import mask


def about(payload: Mapping[str, Any] | None) -> str | None:
    """The new address or number, masked; None where there is none."""
    kind, target = (payload or {}).get("kind"), (payload or {}).get("target")
    if kind not in {"email", "phone"} or not isinstance(target, str) or not target:
        return None
    return mask(kind, target)
