CREATE TABLE account (
    id uuid PRIMARY KEY,
    store_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'active', 'disabled', 'frozen', 'erased')),
    profile jsonb NOT NULL DEFAULT '{}',
    consents jsonb NOT NULL DEFAULT '[]',
    language text,
    created_at timestamptz NOT NULL,
    activated_at timestamptz
);
CREATE INDEX account_pending ON account (created_at) WHERE status = 'pending';

-- One account per canonical identifier and store, pending ones included (REG-6, INV-14).
CREATE TABLE identifier (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    store_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('username', 'email', 'phone')),
    value text NOT NULL,
    canonical text NOT NULL,
    skeleton text,                          -- usernames: look-alikes are the same (REG-11)
    verified_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (store_id, kind, canonical),
    UNIQUE (store_id, skeleton)
);
CREATE INDEX identifier_account ON identifier (account_id);

CREATE TABLE password_credential (
    account_id uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash text NOT NULL,
    changed_at timestamptz NOT NULL
);

-- What is asked at the next sign-in (D32).
CREATE TABLE required_action (
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    action text NOT NULL,
    PRIMARY KEY (account_id, action)
);
