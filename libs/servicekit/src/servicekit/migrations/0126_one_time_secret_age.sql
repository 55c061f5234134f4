-- The purge looks every minute; without it, through all links and codes of a month.
CREATE INDEX one_time_secret_created_at ON one_time_secret (created_at);
