-- Whoever calls the help desk proves who they are by a code that was sent to the account's own address or number (E24).
CREATE TABLE caller_check (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    application text NOT NULL,
    channel text NOT NULL,
    masked text NOT NULL,
    status text NOT NULL CHECK (status IN ('waiting', 'verified', 'ended')),
    asked_by text NOT NULL,
    verified_by text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    verified_until timestamptz
);
CREATE INDEX caller_check_account ON caller_check (account_id, created_at);
CREATE INDEX caller_check_created ON caller_check (created_at);

-- The newest notice of each kind, so that it can be said again; no address and no secret is in it (E24).
CREATE TABLE notice_told (
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    what text NOT NULL,
    payload jsonb NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, what)
);
CREATE INDEX notice_told_at ON notice_told (told_at);
