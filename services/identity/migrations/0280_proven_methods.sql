-- What an attempt has proven, and when (RFC 8176 `amr`). An attempt of the release before has proven a password, if anything.
ALTER TABLE sign_in_flow ADD COLUMN methods text[] NOT NULL DEFAULT '{pwd}';
ALTER TABLE sign_in_flow ADD COLUMN proven_at timestamptz;
