"""`python -m identity all|api|worker|migrate`."""

from servicekit.process.run import main

from identity.wiring import SERVICE

main(SERVICE)
