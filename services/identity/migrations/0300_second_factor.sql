-- Whether the account has a second factor, as mfa's `version` of it says: an older one, that comes late, changes nothing.
ALTER TABLE account ADD COLUMN second_factor boolean NOT NULL DEFAULT false;
ALTER TABLE account ADD COLUMN second_factor_version bigint NOT NULL DEFAULT 0;

-- What mfa was asked for a flow, and said that nothing (more) is needed: proven, or trusted. Whoever enrols a factor while a flow without
-- that waits for something else ends it.
ALTER TABLE sign_in_flow ADD COLUMN factor_done boolean NOT NULL DEFAULT false;

-- Fresh authentication for one call of one action (STP-1, STP-2).
CREATE TABLE step_up (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    session_id uuid NOT NULL,
    application text NOT NULL,
    action text NOT NULL,
    payload_hash text NOT NULL,
    status text NOT NULL CHECK (status IN ('password', 'needs_factor', 'complete', 'ended')),
    failures int NOT NULL DEFAULT 0,
    methods text[] NOT NULL DEFAULT '{}',
    proven_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX step_up_expires ON step_up (expires_at);
CREATE INDEX step_up_account ON step_up (account_id);
