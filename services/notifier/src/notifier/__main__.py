"""`python -m notifier all|api|worker|migrate`."""

from servicekit.process.run import main

from notifier.wiring import SERVICE

main(SERVICE)
