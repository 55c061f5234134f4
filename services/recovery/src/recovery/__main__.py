"""`python -m recovery all|api|worker|migrate`."""

from servicekit.process.run import main

from recovery.wiring import SERVICE

main(SERVICE)
