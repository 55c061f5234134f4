-- A right password is not enough where a factor is enrolled.
ALTER TABLE sign_in_flow DROP CONSTRAINT sign_in_flow_status_check;
ALTER TABLE sign_in_flow ADD CONSTRAINT sign_in_flow_status_check
    CHECK (status IN ('password', 'needs_factor', 'needs_action', 'complete', 'ended'));
