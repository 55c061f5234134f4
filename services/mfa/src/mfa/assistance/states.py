"""How far a caller's proof is."""

from typing import Literal, TypeAlias

CheckStatus: TypeAlias = Literal["waiting", "verified", "ended"]
