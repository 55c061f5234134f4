-- Every attempt is a record of its own (REG-3): its password and profile count only if its own link or code is used.
CREATE TABLE registration_attempt (
    id uuid PRIMARY KEY,
    store_id uuid NOT NULL,
    application text NOT NULL,
    account_id uuid,                        -- once the message has left and the account is known
    identifiers jsonb NOT NULL,             -- [{kind, value, canonical}]
    recipient_kind text NOT NULL,
    recipient text NOT NULL,                -- canonical
    recipient_value text NOT NULL,
    password_hash text,
    profile jsonb NOT NULL,
    consents jsonb NOT NULL,
    language text NOT NULL,
    return_to text,
    browser bytea,
    match text NOT NULL,
    requested_from text,
    status text NOT NULL CHECK (status IN ('check_your_messages', 'password', 'activated', 'complete', 'ended')),
    proven_by text,
    link_ended boolean NOT NULL DEFAULT false,
    delivery_state text NOT NULL DEFAULT 'queued',
    delivery_at timestamptz NOT NULL,
    delivery_version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX registration_attempt_recipient ON registration_attempt (store_id, recipient) WHERE status IN ('check_your_messages', 'password');
CREATE INDEX registration_attempt_account ON registration_attempt (account_id);
CREATE INDEX registration_attempt_created ON registration_attempt (created_at);
