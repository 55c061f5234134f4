"""What every Latchkey service is built on. Domain-free: nothing here knows what an account or a mail is."""
