"""`python -m mfa all|api|worker|migrate`."""

from servicekit.process.run import main

from mfa.wiring import SERVICE

main(SERVICE)
