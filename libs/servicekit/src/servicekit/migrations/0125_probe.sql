-- Readiness writes here (servicekit.process.health). A row per process, at a place that it chose by chance, so that none waits for another.
CREATE TABLE probe (
    id smallint PRIMARY KEY,
    at timestamptz NOT NULL
);
