-- Services that answer from memory together, and how far each has applied what was changed.
CREATE TABLE replicas (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    applied   INTEGER NOT NULL,
    renewals  INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL
) STRICT;
