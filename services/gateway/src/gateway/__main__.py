"""`python -m gateway all|api|worker|migrate`."""

from servicekit.process.run import main

from gateway.wiring import SERVICE

main(SERVICE)
