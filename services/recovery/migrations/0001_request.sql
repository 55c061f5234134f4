-- A reminder or reset that somebody asked for. What was typed may be nobody's; it is forgotten when the request is over.
CREATE TABLE request (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('password_reset', 'username_reminder')),
    store_id uuid NOT NULL,
    application text NOT NULL,
    identifier text,
    language text NOT NULL,
    browser bytea,                          -- of whoever asked; after a rep's start, of whoever pressed
    match text NOT NULL,
    requested_from text,
    started_by_rep boolean NOT NULL DEFAULT false,
    account_id uuid,                        -- once a message has left
    recipient text,                         -- masked
    status text NOT NULL CHECK (status IN ('check_your_messages', 'new_password', 'complete', 'ended')),
    link_ended boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX request_account ON request (account_id) WHERE status IN ('check_your_messages', 'new_password');
CREATE INDEX request_expires ON request (expires_at);
