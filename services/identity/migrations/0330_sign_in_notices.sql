-- When somebody signed in last, to the day: what is told of the next sign-in depends on it (BRF-4, E9). Accounts from before begin anew.
ALTER TABLE account ADD COLUMN last_signed_in_at timestamptz;
-- How many wrong passwords came before the right one, as they were counted.
ALTER TABLE sign_in_flow ADD COLUMN wrong_before int NOT NULL DEFAULT 0;
