"""Latchkey gateway: public API, hosted pages, console."""
