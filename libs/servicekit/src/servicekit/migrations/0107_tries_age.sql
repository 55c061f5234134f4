-- Tries of flows that never had a secret go by their age. The default is for the release before, which may still be running.
ALTER TABLE one_time_tries ADD COLUMN last_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX one_time_tries_last_at ON one_time_tries (last_at);
