-- Stored answers, encrypted; kept for 24 h (E19, API-4).
CREATE TABLE idempotency (
    key bytea PRIMARY KEY,                  -- HMAC of caller, method, path and key
    fingerprint bytea NOT NULL,             -- HMAC of the body
    status int,
    answer bytea,
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
