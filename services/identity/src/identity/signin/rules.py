"""How long wrong passwords for one identifier are slowed down: growing, never for good (BRF-1). Pure functions."""

from collections.abc import Sequence

from servicekit.throttle import Limit

# Sliding windows: the sixth wrong password within 30 s of the fifth waits, and so on up to an hour.
FAILURES: Sequence[Limit] = (Limit(5, 30), Limit(10, 300), Limit(20, 3600))
