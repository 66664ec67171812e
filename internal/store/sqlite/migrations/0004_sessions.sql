-- A session that was made for a waiting program and not used by then is over; NULL: it has no such limit.
ALTER TABLE sessions ADD COLUMN first_use_by INTEGER;

CREATE INDEX sessions_idle ON sessions (ifnull(last_used_at, created_at)) WHERE ended_at IS NULL AND expires_at IS NULL;

-- The token of a grant's session, for the program whose answer was lost. Only its device code opens it.
ALTER TABLE device_grants ADD COLUMN sealed BLOB;
