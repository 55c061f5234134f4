-- One row a key (a keyed hash, THR-2) with the moments that count; old ones are dropped with each use.
CREATE TABLE throttle (
    key bytea PRIMARY KEY,
    hits timestamptz[] NOT NULL,
    keep_until timestamptz NOT NULL
);
CREATE INDEX throttle_keep_until ON throttle (keep_until);
