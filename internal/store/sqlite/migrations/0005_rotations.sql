-- How one secret of a key takes the place of another. One of a key at a time is neither promoted nor ended.
CREATE TABLE rotations (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    key_id         TEXT NOT NULL REFERENCES keys (id),
    state          TEXT NOT NULL,
    revision       INTEGER NOT NULL,
    run            BLOB,
    emergency      INTEGER NOT NULL CHECK (emergency IN (0, 1)),
    old_version    INTEGER NOT NULL,
    new_version    INTEGER NOT NULL,
    sealed         BLOB, -- the new secret, for who opened it; NULL once it is promoted or taken back
    sinks          TEXT NOT NULL, -- JSON array
    opened_by_type TEXT NOT NULL,
    opened_by_id   TEXT NOT NULL,
    opened_by_name TEXT NOT NULL,
    opened_at      INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    due_at         INTEGER,
    promoted_at    INTEGER,
    retire_at      INTEGER,
    on_use         TEXT NOT NULL,
    ended_at       INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX rotations_open ON rotations (key_id) WHERE promoted_at IS NULL AND ended_at IS NULL;
CREATE INDEX rotations_key ON rotations (key_id, id);
CREATE INDEX rotations_run ON rotations (key_id, run, id) WHERE run IS NOT NULL;
CREATE INDEX rotations_due ON rotations (due_at) WHERE due_at IS NOT NULL;

-- Secrets that open nothing any more: apart from those that do, so that a check reads no more for each rotation. They are kept so
-- that one that leaked is still recognised.
CREATE TABLE retired_secrets (
    digest       BLOB PRIMARY KEY,
    key_id       TEXT NOT NULL REFERENCES keys (id),
    version      INTEGER NOT NULL,
    hint         TEXT NOT NULL,
    pepper_id    TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    retired_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX retired_secrets_key ON retired_secrets (key_id, version);
