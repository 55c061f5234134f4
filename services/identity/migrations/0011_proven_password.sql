-- SHA-256 of the password hash that a sign-in has proven: a flow that waits for something newly required must not outlive it
-- (REC-6, LNK-7).
ALTER TABLE sign_in_flow ADD COLUMN proven_hash bytea;
