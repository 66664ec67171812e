-- Times are unix microseconds in UTC; NULL is "none". Ids are time-ordered text.

CREATE TABLE material (
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE orgs (
    id            TEXT PRIMARY KEY,
    slug          TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    recoverable   INTEGER NOT NULL DEFAULT 1 CHECK (recoverable IN (0, 1)),
    data_key      BLOB NOT NULL,
    master_key_id TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    user_id    TEXT NOT NULL REFERENCES users (id),
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    digest       BLOB NOT NULL UNIQUE,
    pepper_id    TEXT NOT NULL,
    hint         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    ended_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    name            TEXT NOT NULL,
    folded_name     TEXT NOT NULL,
    disabled        INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    tags            TEXT NOT NULL, -- JSON object of strings
    created_at      INTEGER NOT NULL,
    created_by_type TEXT NOT NULL,
    created_by_id   TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    updated_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    deleted_at      INTEGER,
    revision        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX keys_name ON keys (org_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX keys_page ON keys (org_id, id) WHERE deleted_at IS NULL;

CREATE TABLE secrets (
    key_id       TEXT NOT NULL REFERENCES keys (id),
    version      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    hint         TEXT NOT NULL,
    digest       BLOB NOT NULL UNIQUE, -- kept after the key is deleted, so that a leaked secret is still recognised
    pepper_id    TEXT NOT NULL,
    sealed       BLOB,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    last_prefix  TEXT,
    last_agent   TEXT,
    PRIMARY KEY (key_id, version)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX secrets_current ON secrets (key_id) WHERE state = 'current';

CREATE TABLE events (
    id         TEXT PRIMARY KEY,
    at         INTEGER NOT NULL,
    type       TEXT NOT NULL,
    org_id     TEXT REFERENCES orgs (id),
    key_id     TEXT REFERENCES keys (id),
    actor_type TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    data       TEXT NOT NULL -- JSON object of strings
) STRICT, WITHOUT ROWID;

CREATE INDEX events_key ON events (org_id, key_id, id);

-- One row that Ping writes.
CREATE TABLE readiness (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;

INSERT INTO readiness (id, at) VALUES (1, 0);
