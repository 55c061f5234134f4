"""Events of the recovery service. None yet: they come with its features."""
