-- A rule of the access policy refused it: said to whoever asked as often as they look, in place of an end without a reason.
ALTER TABLE sign_in_flow ADD COLUMN denied boolean NOT NULL DEFAULT false;
