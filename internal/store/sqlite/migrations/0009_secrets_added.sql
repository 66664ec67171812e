-- A service that checks keys remembers which secrets there are. It counts here who else adds one.
ALTER TABLE key_changes ADD COLUMN added INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER secret_added AFTER INSERT ON secrets
BEGIN UPDATE key_changes SET added = added + 1; END;
