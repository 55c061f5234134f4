"""`python -m privacy all|api|worker|migrate`."""

from servicekit.process.run import main

from privacy.wiring import SERVICE

main(SERVICE)
