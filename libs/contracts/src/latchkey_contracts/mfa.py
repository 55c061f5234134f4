"""Events of the mfa service. None yet: they come with its features."""
