-- Of several addresses of a kind one is the primary (INV-15): where mails go first. Until now an account had one of each.
ALTER TABLE identifier ADD COLUMN is_primary boolean NOT NULL DEFAULT true;
UPDATE identifier SET is_primary = false WHERE id NOT IN (
    SELECT DISTINCT ON (account_id, kind) id FROM identifier ORDER BY account_id, kind, verified_at IS NULL, created_at, id
);
CREATE UNIQUE INDEX identifier_primary ON identifier (account_id, kind) WHERE is_primary;

-- An identifier that a change has freed belongs to nobody for a while, so that nobody takes over what still reaches its former owner (STP-4).
CREATE TABLE released_identifier (
    store_id uuid NOT NULL,
    kind text NOT NULL,
    canonical text NOT NULL,
    skeleton text,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    until timestamptz NOT NULL,
    PRIMARY KEY (store_id, kind, canonical)
);
CREATE INDEX released_identifier_skeleton ON released_identifier (store_id, skeleton) WHERE skeleton IS NOT NULL;
CREATE INDEX released_identifier_account ON released_identifier (account_id);
CREATE INDEX released_identifier_until ON released_identifier (until);

-- A change of how an account is named and reached: asked for, confirmed where it must be, done, and undone for a while (STP-3, STP-4).
CREATE TABLE contact_change (
    id uuid PRIMARY KEY,                    -- the flow of the new address's link and code
    approval_id uuid UNIQUE,                -- the flow of those that go to an address the account has; null where none is needed
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    store_id uuid NOT NULL,
    application text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('username', 'email', 'phone')),
    mode text NOT NULL CHECK (mode IN ('replace', 'add', 'primary', 'remove')),
    value text,                             -- the new one; null where one is removed
    canonical text,
    old_value text,                         -- what it takes the place of; null where nothing
    old_canonical text,
    old_verified_at timestamptz,
    old_primary boolean NOT NULL DEFAULT false,
    approver_kind text,
    approver_value text,
    approver_canonical text,
    confirmed_at timestamptz,
    approved_at timestamptz,
    completed_at timestamptz,
    place int,                              -- among the account's completed ones: replicas' clocks differ
    ended_at timestamptz,                   -- cancelled, or nothing can come of it any more
    reverted_at timestamptz,
    revert_until timestamptz,
    browser bytea,
    match text NOT NULL,
    link_ended boolean NOT NULL DEFAULT false,
    approval_link_ended boolean NOT NULL DEFAULT false,
    requested_from text,
    language text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX contact_change_account ON contact_change (account_id, created_at);
CREATE INDEX contact_change_expires ON contact_change (expires_at);

-- What a link that undoes a change is about, one row for each address that has one.
CREATE TABLE contact_revert (
    id uuid PRIMARY KEY,                    -- the flow of its one-time link
    change_id uuid NOT NULL REFERENCES contact_change (id) ON DELETE CASCADE,
    recipient text NOT NULL                 -- masked
);
CREATE INDEX contact_revert_change ON contact_revert (change_id);

-- When what a mailbox or phone of the account could prove last changed: what was asked for before leads nowhere (LNK-7).
ALTER TABLE account ADD COLUMN moved_at timestamptz;
-- Since when there is a second factor; null where it was there before this was noted.
ALTER TABLE account ADD COLUMN second_factor_at timestamptz;
