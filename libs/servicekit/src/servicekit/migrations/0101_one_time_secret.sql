-- Links and codes: only hashes, one successful use (OTP-*, LNK-*).
CREATE TABLE one_time_secret (
    id uuid PRIMARY KEY,
    purpose text NOT NULL,
    flow_id uuid NOT NULL,
    subject text,                           -- account id where one is known
    tenant text NOT NULL,
    browser bytea,                          -- hash of the flow token of the browser that asked (LNK-3)
    link_hash bytea UNIQUE,                 -- SHA-256 of 256 random bits (LNK-5)
    code_hash bytea,                        -- HMAC with a key outside of the database (OTP-7)
    match text,                             -- two digits shown where it was asked for
    link_expires_at timestamptz,
    code_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    superseded_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX one_time_secret_flow ON one_time_secret (flow_id, purpose);
CREATE INDEX one_time_secret_subject ON one_time_secret (subject) WHERE used_at IS NULL AND ended_at IS NULL;

-- Wrong tries are counted per flow, over all of its codes (C5, OTP-5).
CREATE TABLE one_time_tries (
    flow_id uuid NOT NULL,
    purpose text NOT NULL,
    wrong int NOT NULL,
    PRIMARY KEY (flow_id, purpose)
);
