-- What many customers share: an autonomous system, an application, everything. A leaky bucket a key: each request adds one to
-- `level`, which flows off by `capacity` a minute. A level above the capacity tells how many were refused; they are not counted on.
CREATE TABLE wide_limit (
    key text PRIMARY KEY,
    capacity bigint NOT NULL,
    level double precision NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX wide_limit_at ON wide_limit (at);
