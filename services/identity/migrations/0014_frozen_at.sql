-- What was proven before an account was frozen unfreezes nothing (LNK-7).
ALTER TABLE account ADD COLUMN frozen_at timestamptz;
