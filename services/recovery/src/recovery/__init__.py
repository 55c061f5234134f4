"""Latchkey recovery: username reminder and password reset."""
