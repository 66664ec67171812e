-- since: 1
ALTER TABLE keys ADD COLUMN next_note TEXT COLLATE "C";
ALTER TABLE secrets ADD COLUMN next_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE replicas ADD COLUMN next_zone TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE next_things (
    key_id TEXT COLLATE "C" PRIMARY KEY REFERENCES keys (id),
    at     BIGINT NOT NULL
);

CREATE INDEX keys_next ON keys (org_id, created_at, id);
