"""HTTP in and out: problems, callers, idempotency, the guard before the handlers, and the client for peers."""
