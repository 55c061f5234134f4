"""An OpenID provider for the local run and for tests: the real protocol, invented people, and lies on request (decision 15)."""
