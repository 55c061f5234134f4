"""What became of a registration's message, or of a change of address, from the notifier's events: the honest delivery state of the page
that waits (E33).
"""

from servicekit.events import messages

HANDLERS = messages.handlers({"activation", "account_exists", "contact_confirm", "contact_approve", "contact_taken"})
