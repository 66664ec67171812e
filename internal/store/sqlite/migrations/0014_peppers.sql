-- A service finds secrets by digests under the peppers that it knows of. It is told here of another pepper, and of digests that took
-- others' places: what it keeps by the old ones is to be dropped, and the new ones are there.
CREATE TRIGGER pepper_added AFTER INSERT ON material WHEN NEW.kind = 'pepper'
BEGIN UPDATE key_changes SET n = n + 1; END;

CREATE TRIGGER pepper_removed AFTER DELETE ON material WHEN OLD.kind = 'pepper'
BEGIN UPDATE key_changes SET n = n + 1; END;

CREATE TRIGGER secret_moved AFTER UPDATE OF digest ON secrets
BEGIN UPDATE key_changes SET added = added + 1; END;

CREATE TRIGGER retired_secret_moved AFTER UPDATE OF digest ON retired_secrets
BEGIN UPDATE key_changes SET n = n + 1, added = added + 1; END;
