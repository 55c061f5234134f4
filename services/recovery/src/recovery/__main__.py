"""`python -m recovery all|api|worker|migrate`."""

from servicekit.run import main

from recovery.wiring import SERVICE

main(SERVICE)
