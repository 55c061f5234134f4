"""`latchkey`, the one program beside the services. It may know everything below it; nothing knows it."""

__version__ = "0.1.0"
