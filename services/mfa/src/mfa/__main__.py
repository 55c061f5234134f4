"""`python -m mfa all|api|worker|migrate`."""

from servicekit.run import main

from mfa.wiring import SERVICE

main(SERVICE)
