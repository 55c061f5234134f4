-- A bounce is final: no later receipt of that message moves it (REL-8).
ALTER TABLE delivery ADD COLUMN bounced boolean NOT NULL DEFAULT false;
