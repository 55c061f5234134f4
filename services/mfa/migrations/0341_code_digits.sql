-- How long the code is that was sent last, where somebody guesses it is longer (OTP-5). Null: a link, or sent by the release before.
ALTER TABLE challenge ADD COLUMN digits smallint;
ALTER TABLE factor ADD COLUMN digits smallint;
