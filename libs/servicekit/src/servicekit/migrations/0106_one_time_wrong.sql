-- Wrong codes in a row of one subject, over all its flows, until a right code or link (OTP-5). Where a flow has no subject its own id
-- stands for it, so that the same is written for known and unknown people.
CREATE TABLE one_time_wrong (
    purpose text NOT NULL,
    subject text NOT NULL,
    wrong int NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (purpose, subject)
);
CREATE INDEX one_time_wrong_subject ON one_time_wrong (subject);
CREATE INDEX one_time_wrong_last_at ON one_time_wrong (last_at);
