-- What lists are ordered by. used_at is the last use of any secret of the key, 0: never.
ALTER TABLE keys ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN expires_order INTEGER GENERATED ALWAYS AS (ifnull(expires_at, 9223372036854775807)) VIRTUAL;

UPDATE keys SET used_at = ifnull((SELECT max(s.last_used_at) FROM secrets s WHERE s.key_id = keys.id), 0);

CREATE INDEX keys_used ON keys (org_id, used_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_expiry ON keys (org_id, expires_order, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_disabled ON keys (org_id, id) WHERE deleted_at IS NULL AND disabled = 1;

-- The tags of keys that are not deleted, to be found by: NAME=VALUE.
CREATE TABLE key_tags (
    key_id TEXT NOT NULL REFERENCES keys (id),
    pair   TEXT NOT NULL,
    org_id TEXT NOT NULL,
    PRIMARY KEY (key_id, pair)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_tags_pair ON key_tags (org_id, pair, key_id);

INSERT INTO key_tags (key_id, pair, org_id)
    SELECT DISTINCT k.id, t.key || '=' || t.value, k.org_id FROM keys k, json_each(k.tags) t WHERE k.deleted_at IS NULL;

-- Use of the last day: calls in each minute since 1970, and who called last.
CREATE TABLE key_minutes (
    key_id TEXT NOT NULL REFERENCES keys (id),
    minute INTEGER NOT NULL,
    calls  INTEGER NOT NULL,
    PRIMARY KEY (key_id, minute)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_minutes_age ON key_minutes (minute);

CREATE TABLE key_callers (
    key_id       TEXT NOT NULL REFERENCES keys (id),
    address      TEXT NOT NULL,
    agent        TEXT NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, address, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_callers_age ON key_callers (last_used_at);

-- What a repeated create is answered with. id is a digest of who asked, where, and the caller's own key.
CREATE TABLE answers (
    id          BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    key_id      TEXT NOT NULL REFERENCES keys (id),
    sealed      BLOB, -- the secret; NULL once the key is deleted
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_key ON answers (key_id);
CREATE INDEX answers_expiry ON answers (expires_at);

-- An event's subject is what stands before the dot of its type.
ALTER TABLE events ADD COLUMN subject TEXT GENERATED ALWAYS AS (substr(type, 1, instr(type, '.') - 1)) VIRTUAL;

CREATE INDEX events_page ON events (org_id, id);
CREATE INDEX events_type ON events (org_id, type, id);
CREATE INDEX events_subject ON events (org_id, subject, id);
CREATE INDEX events_actor ON events (org_id, actor_id, id);
CREATE INDEX events_actor_name ON events (org_id, actor_name, id);
CREATE INDEX events_time ON events (org_id, at);

-- When a refusal of the session was last recorded.
ALTER TABLE sessions ADD COLUMN refused_at INTEGER;
