-- Grants that were used, until they would be too old anyway (STP-2).
CREATE TABLE step_up_used (
    grant_id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX step_up_used_expires ON step_up_used (expires_at);
