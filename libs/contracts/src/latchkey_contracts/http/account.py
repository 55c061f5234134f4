"""/v1/me/password (api.md §3)."""

from .common import PasswordText, Request


class PasswordChange(Request):
    """PWD-6: the current password first; other sessions end unless the customer wants to keep them."""

    current_password: PasswordText
    password: PasswordText
    end_other_sessions: bool = True
