-- A passkey (WebAuthn) of a factor of that kind, once it is confirmed.
CREATE TABLE passkey (
    factor_id uuid PRIMARY KEY REFERENCES factor (id) ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,              -- COSE
    sign_count bigint NOT NULL,
    aaguid uuid NOT NULL,                   -- the model of the authenticator; zeros where it doesn't say
    transports text[] NOT NULL DEFAULT '{}',
    backup_eligible boolean NOT NULL,       -- it may be synced to other devices
    backed_up boolean NOT NULL
);

-- What an authenticator keeps to find the account by: random, so that it says nothing of a person to anybody.
ALTER TABLE holder ADD COLUMN user_handle bytea UNIQUE;
-- Since when no passkey is to be offered any more.
ALTER TABLE holder ADD COLUMN offers_refused_at timestamptz;
