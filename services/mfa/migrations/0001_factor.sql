-- One row for everybody who ever began a factor: the lock of all that is theirs. `version` is what identity's marker goes by.
CREATE TABLE holder (
    account_id uuid PRIMARY KEY,
    store_id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 0
);

CREATE TABLE factor (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    application text NOT NULL,              -- where it was added
    kind text NOT NULL CHECK (kind IN ('email', 'phone', 'totp', 'passkey', 'recovery_codes')),
    -- pending: not proven yet; proven: it counts as soon as identity knows that there is one; active: it counts
    status text NOT NULL CHECK (status IN ('pending', 'proven', 'active')),
    name text,
    target bytea,                           -- encrypted: an address or number
    masked text,
    secret bytea,                           -- encrypted: of an app; recovery codes until they are confirmed
    risk_notice smallint,                   -- of a phone: which words on its risk the customer was shown (PST-1)
    salt bytea,                             -- of recovery codes
    last_step bigint,                       -- of an app: the newest time step that was accepted (RFC 6238)
    created_at timestamptz NOT NULL,
    expires_at timestamptz,                 -- while it is pending
    confirmed_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX factor_account ON factor (account_id, created_at);
CREATE INDEX factor_pending ON factor (expires_at) WHERE status = 'pending';

CREATE TABLE recovery_code (
    factor_id uuid NOT NULL REFERENCES factor (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (factor_id, hash)
);

-- What one sign-in or step-up has to prove beside the password; its id is that flow's.
CREATE TABLE challenge (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('sign_in', 'step_up')),
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    store_id uuid NOT NULL,
    application text NOT NULL,
    browser bytea,                          -- of a sign-in
    session_id uuid,                        -- of a step-up
    requested_from text,
    language text NOT NULL,
    match text NOT NULL,                    -- what a link asks for elsewhere
    action text,                            -- of a step-up
    factor_id uuid,                         -- what was sent last: to which factor, by which channel, as what
    channel text,
    form text CHECK (form IN ('code', 'link')),
    masked text,                            -- where it went
    link_ended boolean NOT NULL DEFAULT false,  -- by a wrong number elsewhere
    status text NOT NULL CHECK (status IN ('waiting', 'proven', 'ended')),
    methods text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    proven_at timestamptz
);
CREATE INDEX challenge_expires ON challenge (expires_at);
CREATE INDEX challenge_account ON challenge (account_id);

-- Browsers and API clients that aren't asked for a factor for a while; `device` is the gateway's name of one (BRF-3).
CREATE TABLE trusted_device (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    device text NOT NULL,
    name text,                              -- browser and system, in words
    application text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    expires_at timestamptz NOT NULL,
    UNIQUE (account_id, device)
);
CREATE INDEX trusted_device_expires ON trusted_device (expires_at);
