-- An account's live sessions in their order, so that the newest are found without sorting (SES-7).
CREATE INDEX session_account_created ON session (account_id, created_at) WHERE revoked_at IS NULL;
DROP INDEX session_account;
