-- since: 14
ALTER TABLE keys ADD COLUMN next_note TEXT;
ALTER TABLE secrets ADD COLUMN next_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replicas ADD COLUMN next_zone TEXT NOT NULL DEFAULT '';

CREATE TABLE next_things (
    key_id TEXT PRIMARY KEY REFERENCES keys (id),
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX keys_next ON keys (org_id, created_at, id);
