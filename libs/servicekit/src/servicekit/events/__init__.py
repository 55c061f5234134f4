"""Events out and in, exactly once in effect: outbox and relay, inbox, parked records, and the work they leave behind."""
