"""What a way to a provider and back is for."""

from typing import Literal, TypeAlias

Purpose: TypeAlias = Literal["sign_in", "step_up", "link"]
