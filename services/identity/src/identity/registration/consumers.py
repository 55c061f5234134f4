"""What became of a registration's message, from the notifier's events: the honest delivery state of the waiting page (E33)."""

from servicekit.events import messages

HANDLERS = messages.handlers({"activation", "account_exists"})
