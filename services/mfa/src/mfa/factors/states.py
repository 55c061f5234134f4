"""How far a factor is."""

from typing import Literal

FactorStatus = Literal["pending", "proven", "active"]
