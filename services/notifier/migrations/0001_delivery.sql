-- One row a message. What is to be said stays sealed until it is sent, and is forgotten when it is over.
CREATE TABLE delivery (
    id uuid PRIMARY KEY,                    -- also the Message-ID; made from the event, so that a replay finds it
    account_id uuid NOT NULL,
    flow_id uuid,
    application text NOT NULL,
    language text NOT NULL,
    template text NOT NULL,
    channel text NOT NULL,
    sealed jsonb,
    trace jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'sending', 'submitting', 'handed_over', 'failed', 'suppressed', 'expired')),
    attempts int NOT NULL DEFAULT 0,        -- times it may have been handed over
    tries int NOT NULL DEFAULT 0,           -- times it was taken up
    reason text,
    provider text,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    lease uuid,
    leased_until timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'queued';
CREATE INDEX delivery_leased ON delivery (leased_until) WHERE state IN ('sending', 'submitting');
CREATE INDEX delivery_finished ON delivery (finished_at);
CREATE INDEX delivery_account ON delivery (account_id);
