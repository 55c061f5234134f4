"""Identifiers as somebody may read them who needn't be their owner."""


def mask(kind: str, value: str) -> str:
    """First letters, or the last two digits (ENU-3)."""
    if kind == "phone":
        return f"•••{value[-2:]}"
    if kind == "email":
        local, _, domain = value.partition("@")
        return f"{local[:1]}•••@{domain[:1]}•••"
    return f"{value[:1]}•••"
