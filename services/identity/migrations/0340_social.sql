-- Accounts elsewhere that sign in here: by issuer and subject, never by address (REG-5). `shown`: what it is called there.
CREATE TABLE linked_identity (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    store_id uuid NOT NULL,
    provider text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    shown text,
    linked_at timestamptz NOT NULL,
    used_at timestamptz,
    UNIQUE (store_id, issuer, subject)
);
CREATE INDEX linked_identity_account ON linked_identity (account_id);

-- One way to a provider and back; once. `flow_id`: the sign-in or step-up that goes on. Nonce and code verifier follow from the state, which
-- is the browser's alone.
CREATE TABLE social_attempt (
    id uuid PRIMARY KEY,
    state_hash bytea NOT NULL UNIQUE,
    purpose text NOT NULL CHECK (purpose IN ('sign_in', 'step_up', 'link')),
    flow_id uuid,
    store_id uuid NOT NULL,
    application text NOT NULL,
    provider text NOT NULL,
    browser bytea,
    account_id uuid REFERENCES account (id) ON DELETE CASCADE,
    session_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX social_attempt_expires ON social_attempt (expires_at);
CREATE INDEX social_attempt_account ON social_attempt (account_id) WHERE account_id IS NOT NULL;

-- Whom a provider has named in this attempt, where that is nobody's account yet; and by which link it was proven.
ALTER TABLE sign_in_flow ADD COLUMN newcomer jsonb;
ALTER TABLE sign_in_flow ADD COLUMN identity_id uuid;
-- What is linked to the account once this attempt is activated.
ALTER TABLE registration_attempt ADD COLUMN newcomer jsonb;

ALTER TABLE step_up DROP CONSTRAINT step_up_status_check;
ALTER TABLE step_up ADD CONSTRAINT step_up_status_check
    CHECK (status IN ('password', 'needs_factor', 'needs_provider', 'complete', 'ended'));
