CREATE TABLE sign_in_flow (
    id uuid PRIMARY KEY,
    store_id uuid NOT NULL,
    application text NOT NULL,
    identifier text,
    browser bytea,
    account_id uuid,
    remember boolean NOT NULL DEFAULT false,
    status text NOT NULL CHECK (status IN ('password', 'needs_action', 'complete', 'ended')),
    failures int NOT NULL DEFAULT 0,
    return_to text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_flow_expires ON sign_in_flow (expires_at);

CREATE TABLE session (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    application text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    methods text[] NOT NULL,
    device text,
    ip text,
    idle interval NOT NULL,
    created_at timestamptz NOT NULL,
    authenticated_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX session_account ON session (account_id) WHERE revoked_at IS NULL;
CREATE INDEX session_expires ON session (expires_at);
