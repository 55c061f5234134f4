-- An attempt's password is kept until the attempt is decided, and no longer; that one was chosen stays, for what the flow asks next.
ALTER TABLE registration_attempt ADD COLUMN password_chosen boolean NOT NULL DEFAULT true;
UPDATE registration_attempt SET password_chosen = false WHERE password_hash IS NULL;
UPDATE registration_attempt SET password_hash = NULL WHERE status NOT IN ('check_your_messages', 'password');
