"""What can be asked for by a name alone."""

from typing import Literal

Kind = Literal["password_reset", "username_reminder"]
