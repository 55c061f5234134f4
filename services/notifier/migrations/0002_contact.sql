-- Whom to reach, where another service than the asker knows it: a second envelope, forgotten like the first.
ALTER TABLE delivery ADD COLUMN contact jsonb;
