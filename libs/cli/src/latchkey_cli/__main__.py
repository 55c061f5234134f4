"""`python -m latchkey_cli`, as images start it."""

from .cli import main

main()
