-- Which notices of a total-loss recovery went out: it takes effect only if one did on each day of its delay (REC-12).
ALTER TABLE total_loss_case
    ADD COLUMN delay interval,              -- null: begun by the release before; as long as it was then
    ADD COLUMN announced_day int;           -- the last one, counted from the start
CREATE TABLE total_loss_notice (
    message_id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES total_loss_case (id) ON DELETE CASCADE,
    version bigint NOT NULL,                -- of the event that was heard last
    left_at timestamptz,                    -- handed over to its provider, at first
    failed boolean NOT NULL                 -- it came back
);
CREATE INDEX total_loss_notice_case ON total_loss_notice (case_id);
