-- Of a step-up: the new value that it is for, masked, as its message says it (OTP-10).
ALTER TABLE challenge ADD COLUMN about text;
