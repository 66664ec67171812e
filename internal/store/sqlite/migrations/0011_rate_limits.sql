-- How many requests a key lets through in how many seconds; 0: any number. Checks keep it in memory, so a change of it is counted.
ALTER TABLE keys ADD COLUMN rate_requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN rate_seconds INTEGER NOT NULL DEFAULT 0;

DROP TRIGGER key_changed;

CREATE TRIGGER key_changed
AFTER UPDATE OF org_id, name, disabled, expires_at, deleted_at, rate_requests, rate_seconds ON keys
BEGIN UPDATE key_changes SET n = n + 1; END;
