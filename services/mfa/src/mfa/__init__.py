"""Latchkey mfa: factors and challenges."""
