-- What a known secret opens is kept in memory by the service that checks keys. It counts here who else changes it.
CREATE TABLE key_changes (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;

INSERT INTO key_changes (id, n) VALUES (1, 0);

CREATE TRIGGER key_changed AFTER UPDATE OF org_id, name, disabled, expires_at, deleted_at ON keys
BEGIN UPDATE key_changes SET n = n + 1; END;

CREATE TRIGGER key_removed AFTER DELETE ON keys
BEGIN UPDATE key_changes SET n = n + 1; END;

CREATE TRIGGER secret_changed AFTER UPDATE OF key_id, version, state, digest, expires_at ON secrets
BEGIN UPDATE key_changes SET n = n + 1; END;

CREATE TRIGGER secret_removed AFTER DELETE ON secrets
BEGIN UPDATE key_changes SET n = n + 1; END;

CREATE TRIGGER org_changed AFTER UPDATE OF slug, name ON orgs
BEGIN UPDATE key_changes SET n = n + 1; END;
