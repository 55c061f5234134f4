"""Latchkey privacy: consents, data copy, erasure."""
