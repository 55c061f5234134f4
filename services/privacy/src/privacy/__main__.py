"""`python -m privacy all|api|worker|migrate`."""

from servicekit.run import main

from privacy.wiring import SERVICE

main(SERVICE)
