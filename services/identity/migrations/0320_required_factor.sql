-- All else is proven, and mfa said that a factor must be added before the session begins (D32).
ALTER TABLE sign_in_flow ADD COLUMN factor_due boolean NOT NULL DEFAULT false;
