-- The tables that every service has: events on their way out, events that came in, work to do.

CREATE TABLE aggregate_version (
    subject text PRIMARY KEY,
    version bigint NOT NULL
);

-- Rows are deleted once the broker has acknowledged them; the id is drawn under the lock of the aggregate's version row.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    subject text NOT NULL,
    aggregateversion bigint NOT NULL,
    attributes jsonb NOT NULL,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE inbox (
    consumer text NOT NULL,
    source text NOT NULL,
    event_id uuid NOT NULL,
    handled_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, source, event_id)
);
CREATE INDEX inbox_handled_at ON inbox (handled_at);

CREATE TABLE parked (
    id uuid PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    "offset" bigint NOT NULL,
    subject text,
    event_type text,
    headers jsonb NOT NULL,
    value bytea,
    reason text NOT NULL,
    attempts int NOT NULL,
    parked_at timestamptz NOT NULL,
    last_tried_at timestamptz NOT NULL,
    due_at timestamptz,                     -- null: waits for an operator
    UNIQUE (consumer, topic, partition, "offset")
);
CREATE INDEX parked_due ON parked (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX parked_subject ON parked (consumer, subject) WHERE due_at IS NOT NULL;

CREATE TABLE work (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    trace jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    failed_at timestamptz,                  -- given up; waits for an operator
    reason text
);
CREATE INDEX work_due ON work (due_at, id) WHERE failed_at IS NULL;
