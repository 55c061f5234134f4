"""Latchkey notifier: e-mail, SMS and voice, driven by events."""
