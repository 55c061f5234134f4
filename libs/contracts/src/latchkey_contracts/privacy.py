"""Events of the privacy service. None yet: they come with its features."""
