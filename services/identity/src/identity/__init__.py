"""Latchkey identity: accounts, registration, activation, sign-in, sessions, configuration."""
