"""`python -m gateway all|api|worker|migrate`."""

from servicekit.run import main

from gateway.wiring import SERVICE

main(SERVICE)
