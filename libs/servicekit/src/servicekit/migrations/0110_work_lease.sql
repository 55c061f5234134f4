-- Rows about which another service is being asked, with no transaction open: until then they are left alone by others. They stay due.
ALTER TABLE work ADD COLUMN leased_until timestamptz;
