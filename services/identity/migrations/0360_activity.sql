-- What the customer sees of the account's past (E21). Written from events, so nothing waits for it.
CREATE TABLE activity (
    id uuid PRIMARY KEY,                    -- of the event, or of what was folded into one hour
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    times int NOT NULL DEFAULT 1,
    application text,
    device text,
    ip text,
    detail jsonb NOT NULL DEFAULT '{}'      -- factor, methods, changed: names and kinds, no values
);
CREATE INDEX activity_account ON activity (account_id, at DESC, id DESC);
CREATE INDEX activity_at ON activity (at);
