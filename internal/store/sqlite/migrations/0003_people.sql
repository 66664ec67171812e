-- How people sign in: by an e-mail address and a password, or as somebody at an OpenID provider.
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN password TEXT;
ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN subject TEXT CHECK ((subject IS NULL) = (issuer IS NULL));

CREATE UNIQUE INDEX users_email ON users (email);
CREATE UNIQUE INDEX users_identity ON users (issuer, subject);

CREATE INDEX memberships_joined ON memberships (org_id, created_at, user_id);

-- Sessions were those of the command line alone. over_at is when one ended or expires; NULL: neither is known.
ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'cli';
ALTER TABLE sessions ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN org_id TEXT REFERENCES orgs (id);
ALTER TABLE sessions ADD COLUMN permissions TEXT; -- JSON array of strings
ALTER TABLE sessions ADD COLUMN expires_at INTEGER;
ALTER TABLE sessions ADD COLUMN over_at INTEGER
    GENERATED ALWAYS AS (coalesce(min(ended_at, expires_at), ended_at, expires_at)) VIRTUAL;

CREATE INDEX sessions_user ON sessions (user_id, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_over ON sessions (over_at) WHERE over_at IS NOT NULL;

-- Links that make an account, open an org or set a password. An empty address: whoever opens it says.
CREATE TABLE invitations (
    id              TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,
    org_id          TEXT REFERENCES orgs (id),
    email           TEXT NOT NULL,
    role            TEXT NOT NULL,
    invited_by_type TEXT NOT NULL,
    invited_by_id   TEXT NOT NULL,
    invited_by_name TEXT NOT NULL,
    digest          BLOB NOT NULL UNIQUE,
    pepper_id       TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    closed_at       INTEGER,
    over_at         INTEGER GENERATED ALWAYS AS (coalesce(min(closed_at, expires_at), expires_at)) VIRTUAL
) STRICT, WITHOUT ROWID;

CREATE INDEX invitations_org ON invitations (org_id, created_at, id) WHERE closed_at IS NULL;
CREATE INDEX invitations_email ON invitations (email, created_at, id) WHERE closed_at IS NULL;
CREATE INDEX invitations_over ON invitations (over_at);

-- Programs that wait for a person to sign them in.
CREATE TABLE device_grants (
    id         TEXT PRIMARY KEY,
    user_code  TEXT NOT NULL UNIQUE,
    digest     BLOB NOT NULL UNIQUE,
    pepper_id  TEXT NOT NULL,
    state      TEXT NOT NULL,
    client     TEXT NOT NULL,
    host       TEXT NOT NULL,
    address    TEXT NOT NULL,
    user_id    TEXT REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    polled_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX device_grants_address ON device_grants (address, expires_at);
CREATE INDEX device_grants_expiry ON device_grants (expires_at);

-- What failed and how often, in a window that began at since.
CREATE TABLE tries (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    count   INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX tries_age ON tries (since);
