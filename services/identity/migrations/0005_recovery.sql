-- What a "this wasn't me" link is about.
CREATE TABLE notice (
    id uuid PRIMARY KEY,                    -- the flow of its one-time link
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    application text NOT NULL,
    what text NOT NULL,
    recipient text NOT NULL,                -- masked
    device text,
    created_at timestamptz NOT NULL
);
CREATE INDEX notice_created ON notice (created_at);
CREATE INDEX notice_account ON notice (account_id);

-- A reset flow sets one password.
CREATE TABLE completed_reset (
    flow_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    completed_at timestamptz NOT NULL
);
