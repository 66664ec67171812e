-- Times are unix microseconds in UTC; NULL is "none". Ids are time-ordered text. Text is sorted and compared by its bytes.

CREATE TABLE material (
    kind     TEXT COLLATE "C" NOT NULL,
    id       TEXT COLLATE "C" NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE orgs (
    id            TEXT COLLATE "C" PRIMARY KEY,
    slug          TEXT COLLATE "C" NOT NULL UNIQUE,
    name          TEXT COLLATE "C" NOT NULL,
    recoverable   BOOLEAN NOT NULL DEFAULT true,
    data_key      BYTEA NOT NULL,
    master_key_id TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE users (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    email      TEXT COLLATE "C",
    password   TEXT COLLATE "C",
    issuer     TEXT COLLATE "C",
    subject    TEXT COLLATE "C" CHECK ((subject IS NULL) = (issuer IS NULL))
);

CREATE UNIQUE INDEX users_email ON users (email);
CREATE UNIQUE INDEX users_identity ON users (issuer, subject);

CREATE TABLE memberships (
    org_id     TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    role       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id)
);

CREATE INDEX memberships_user ON memberships (user_id);
CREATE INDEX memberships_joined ON memberships (org_id, created_at, user_id);

CREATE TABLE sessions (
    id           TEXT COLLATE "C" PRIMARY KEY,
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    digest       BYTEA NOT NULL UNIQUE,
    pepper_id    TEXT COLLATE "C" NOT NULL,
    hint         TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    ended_at     BIGINT,
    refused_at   BIGINT,
    kind         TEXT COLLATE "C" NOT NULL DEFAULT 'cli',
    name         TEXT COLLATE "C" NOT NULL DEFAULT '',
    host         TEXT COLLATE "C" NOT NULL DEFAULT '',
    org_id       TEXT COLLATE "C" REFERENCES orgs (id),
    permissions  TEXT COLLATE "C", -- JSON array of strings
    expires_at   BIGINT,
    over_at      BIGINT GENERATED ALWAYS AS (least(ended_at, expires_at)) STORED,
    first_use_by BIGINT
);

CREATE INDEX sessions_user ON sessions (user_id, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_over ON sessions (over_at) WHERE over_at IS NOT NULL;
CREATE INDEX sessions_idle ON sessions (coalesce(last_used_at, created_at)) WHERE ended_at IS NULL AND expires_at IS NULL;

CREATE TABLE keys (
    id              TEXT COLLATE "C" PRIMARY KEY,
    org_id          TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    name            TEXT COLLATE "C" NOT NULL,
    folded_name     TEXT COLLATE "C" NOT NULL,
    disabled        BOOLEAN NOT NULL DEFAULT false,
    tags            TEXT COLLATE "C" NOT NULL, -- JSON object of strings
    created_at      BIGINT NOT NULL,
    created_by_type TEXT COLLATE "C" NOT NULL,
    created_by_id   TEXT COLLATE "C" NOT NULL,
    created_by_name TEXT COLLATE "C" NOT NULL,
    updated_at      BIGINT NOT NULL,
    expires_at      BIGINT,
    deleted_at      BIGINT,
    revision        BIGINT NOT NULL,
    used_at         BIGINT NOT NULL DEFAULT 0,
    rate_requests   BIGINT NOT NULL DEFAULT 0, -- it lets through in rate_seconds; 0: any number
    rate_seconds    BIGINT NOT NULL DEFAULT 0,
    expires_order   BIGINT GENERATED ALWAYS AS (coalesce(expires_at, 9223372036854775807)) STORED
);

CREATE UNIQUE INDEX keys_name ON keys (org_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX keys_page ON keys (org_id, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_used ON keys (org_id, used_at, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_expiry ON keys (org_id, expires_order, id) WHERE deleted_at IS NULL;
CREATE INDEX keys_disabled ON keys (org_id, id) WHERE deleted_at IS NULL AND disabled;

CREATE TABLE secrets (
    key_id       TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    version      BIGINT NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    hint         TEXT COLLATE "C" NOT NULL,
    digest       BYTEA NOT NULL UNIQUE, -- kept after the key is deleted, so that a leaked secret is still recognised
    pepper_id    TEXT COLLATE "C" NOT NULL,
    sealed       BYTEA,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    last_prefix  TEXT COLLATE "C",
    last_agent   TEXT COLLATE "C",
    PRIMARY KEY (key_id, version)
);

CREATE UNIQUE INDEX secrets_current ON secrets (key_id) WHERE state = 'current';

CREATE TABLE events (
    id         TEXT COLLATE "C" PRIMARY KEY,
    at         BIGINT NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    org_id     TEXT COLLATE "C" REFERENCES orgs (id),
    key_id     TEXT COLLATE "C" REFERENCES keys (id),
    actor_type TEXT COLLATE "C" NOT NULL,
    actor_id   TEXT COLLATE "C" NOT NULL,
    actor_name TEXT COLLATE "C" NOT NULL,
    data       TEXT COLLATE "C" NOT NULL, -- JSON object of strings
    subject    TEXT COLLATE "C" GENERATED ALWAYS AS (substr(type, 1, greatest(strpos(type, '.') - 1, 0))) STORED
);

CREATE INDEX events_key ON events (org_id, key_id, id);
CREATE INDEX events_page ON events (org_id, id);
CREATE INDEX events_type ON events (org_id, type, id);
CREATE INDEX events_subject ON events (org_id, subject, id);
CREATE INDEX events_actor ON events (org_id, actor_id, id);
CREATE INDEX events_actor_name ON events (org_id, actor_name, id);
CREATE INDEX events_time ON events (org_id, at);

-- One row that Ping writes.
CREATE TABLE readiness (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
);

INSERT INTO readiness (id, at) VALUES (1, 0);

-- The tags of keys that are not deleted, to be found by: NAME=VALUE.
CREATE TABLE key_tags (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    pair   TEXT COLLATE "C" NOT NULL,
    org_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, pair)
);

CREATE INDEX key_tags_pair ON key_tags (org_id, pair, key_id);

-- Use of the last day: calls in each minute since 1970, and who called last.
CREATE TABLE key_minutes (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    minute BIGINT NOT NULL,
    calls  BIGINT NOT NULL,
    PRIMARY KEY (key_id, minute)
);

CREATE INDEX key_minutes_age ON key_minutes (minute);

CREATE TABLE key_callers (
    key_id       TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    address      TEXT COLLATE "C" NOT NULL,
    agent        TEXT COLLATE "C" NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, address, agent)
);

CREATE INDEX key_callers_age ON key_callers (last_used_at);

-- What a repeated create is answered with. id is a digest of who asked, where, and the caller's own key.
CREATE TABLE answers (
    id          BYTEA PRIMARY KEY,
    fingerprint BYTEA NOT NULL,
    key_id      TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    sealed      BYTEA, -- the secret; NULL once the key is deleted
    expires_at  BIGINT NOT NULL
);

CREATE INDEX answers_key ON answers (key_id);
CREATE INDEX answers_expiry ON answers (expires_at);

-- Links that make an account, open an org or set a password. An empty address: whoever opens it says.
CREATE TABLE invitations (
    id              TEXT COLLATE "C" PRIMARY KEY,
    kind            TEXT COLLATE "C" NOT NULL,
    org_id          TEXT COLLATE "C" REFERENCES orgs (id),
    email           TEXT COLLATE "C" NOT NULL,
    role            TEXT COLLATE "C" NOT NULL,
    invited_by_type TEXT COLLATE "C" NOT NULL,
    invited_by_id   TEXT COLLATE "C" NOT NULL,
    invited_by_name TEXT COLLATE "C" NOT NULL,
    digest          BYTEA NOT NULL UNIQUE,
    pepper_id       TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    closed_at       BIGINT,
    over_at         BIGINT GENERATED ALWAYS AS (least(closed_at, expires_at)) STORED
);

CREATE INDEX invitations_org ON invitations (org_id, created_at, id) WHERE closed_at IS NULL;
CREATE INDEX invitations_email ON invitations (email, created_at, id) WHERE closed_at IS NULL;
CREATE INDEX invitations_over ON invitations (over_at);

-- Programs that wait for a person to sign them in.
CREATE TABLE device_grants (
    id         TEXT COLLATE "C" PRIMARY KEY,
    user_code  TEXT COLLATE "C" NOT NULL UNIQUE,
    digest     BYTEA NOT NULL UNIQUE,
    pepper_id  TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    client     TEXT COLLATE "C" NOT NULL,
    host       TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    polled_at  BIGINT,
    sealed     BYTEA
);

CREATE INDEX device_grants_address ON device_grants (address, expires_at);
CREATE INDEX device_grants_expiry ON device_grants (expires_at);

-- What failed and how often, in a window that began at since.
CREATE TABLE tries (
    kind    TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    count   BIGINT NOT NULL,
    since   BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE INDEX tries_age ON tries (since);

-- How one secret of a key takes the place of another. One of a key at a time is neither promoted nor ended.
CREATE TABLE rotations (
    id             TEXT COLLATE "C" PRIMARY KEY,
    org_id         TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    key_id         TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    state          TEXT COLLATE "C" NOT NULL,
    revision       BIGINT NOT NULL,
    run            BYTEA,
    emergency      BOOLEAN NOT NULL,
    old_version    BIGINT NOT NULL,
    new_version    BIGINT NOT NULL,
    sealed         BYTEA, -- the new secret, for who opened it; NULL once it is promoted or taken back
    sinks          TEXT COLLATE "C" NOT NULL, -- JSON array
    opened_by_type TEXT COLLATE "C" NOT NULL,
    opened_by_id   TEXT COLLATE "C" NOT NULL,
    opened_by_name TEXT COLLATE "C" NOT NULL,
    opened_at      BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    due_at         BIGINT,
    promoted_at    BIGINT,
    retire_at      BIGINT,
    on_use         TEXT COLLATE "C" NOT NULL,
    ended_at       BIGINT,
    quiet_seconds  BIGINT NOT NULL DEFAULT 0,
    grace_seconds  BIGINT NOT NULL DEFAULT 0,
    armed_at       BIGINT
);

CREATE UNIQUE INDEX rotations_open ON rotations (key_id) WHERE promoted_at IS NULL AND ended_at IS NULL;
CREATE INDEX rotations_key ON rotations (key_id, id);
CREATE INDEX rotations_run ON rotations (key_id, run, id) WHERE run IS NOT NULL;
CREATE INDEX rotations_due ON rotations (due_at) WHERE due_at IS NOT NULL;

-- Secrets that open nothing any more: apart from those that do, so that a check reads no more for each rotation. They are kept so
-- that one that leaked is still recognised.
CREATE TABLE retired_secrets (
    digest       BYTEA PRIMARY KEY,
    key_id       TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    version      BIGINT NOT NULL,
    hint         TEXT COLLATE "C" NOT NULL,
    pepper_id    TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    retired_at   BIGINT NOT NULL
);

CREATE UNIQUE INDEX retired_secrets_key ON retired_secrets (key_id, version);

-- Jobs that may act without a stored secret: whoever signs their token, what it must say, and what they may do to which keys.
CREATE TABLE trust_rules (
    id              TEXT COLLATE "C" PRIMARY KEY,
    org_id          TEXT COLLATE "C" NOT NULL REFERENCES orgs (id),
    name            TEXT COLLATE "C" NOT NULL,
    folded_name     TEXT COLLATE "C" NOT NULL,
    provider        TEXT COLLATE "C" NOT NULL,
    issuer          TEXT COLLATE "C" NOT NULL,
    conditions      TEXT COLLATE "C" NOT NULL, -- JSON object: claims and the values that they must have
    pins            TEXT COLLATE "C" NOT NULL, -- JSON object: claims and the values that they had at first use
    permissions     TEXT COLLATE "C" NOT NULL, -- JSON array
    key_names       TEXT COLLATE "C" NOT NULL, -- JSON array of patterns
    created_by_type TEXT COLLATE "C" NOT NULL,
    created_by_id   TEXT COLLATE "C" NOT NULL,
    created_by_name TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    last_used_at    BIGINT
);

CREATE UNIQUE INDEX trust_rules_name ON trust_rules (org_id, folded_name);
CREATE INDEX trust_rules_org ON trust_rules (org_id, id);
CREATE INDEX trust_rules_issuer ON trust_rules (issuer, id);

-- What a job's token was exchanged for. It ends with its rule.
CREATE TABLE trust_sessions (
    id         TEXT COLLATE "C" PRIMARY KEY,
    rule_id    TEXT COLLATE "C" NOT NULL REFERENCES trust_rules (id) ON DELETE CASCADE,
    name       TEXT COLLATE "C" NOT NULL,
    digest     BYTEA NOT NULL UNIQUE,
    pepper_id  TEXT COLLATE "C" NOT NULL,
    hint       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX trust_sessions_rule ON trust_sessions (rule_id);
CREATE INDEX trust_sessions_over ON trust_sessions (expires_at);

-- Tokens of jobs that were exchanged, by a digest of issuer and jti, for as long as they would be taken again.
CREATE TABLE trust_tokens (
    digest     BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX trust_tokens_over ON trust_tokens (expires_at);

-- What changes what a secret opens, by number. Whoever writes it holds the one row of key_changes until the transaction has ended, so
-- that the order of numbers is that in which changes were committed, and none is missing.
CREATE TABLE changes (
    n      BIGINT PRIMARY KEY,
    kind   TEXT COLLATE "C" NOT NULL,
    org_id TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C", -- NULL: every key of the org, or any
    at     BIGINT NOT NULL
);

-- n is the number of the last change, known that of the last one of a secret that was there before; added counts the secrets.
CREATE TABLE key_changes (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    n     BIGINT NOT NULL,
    known BIGINT NOT NULL,
    added BIGINT NOT NULL
);

INSERT INTO key_changes (id, n, known, added) VALUES (1, 0, 0, 0);

CREATE FUNCTION log_change(what TEXT, org TEXT, key TEXT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number BIGINT;
BEGIN
    UPDATE key_changes SET n = n + 1, known = CASE WHEN what = 'added' THEN known ELSE n + 1 END,
        added = added + CASE WHEN what IN ('added', 'digests') THEN 1 ELSE 0 END WHERE id = 1 RETURNING n INTO STRICT number;
    INSERT INTO changes (n, kind, org_id, key_id, at)
        VALUES (number, what, org, key, (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT);
END $$;

CREATE FUNCTION log_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM log_change('removed', OLD.org_id, OLD.id);
    ELSE
        PERFORM log_change('key', NEW.org_id, NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION log_secret() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    holder TEXT := CASE WHEN TG_OP = 'DELETE' THEN OLD.key_id ELSE NEW.key_id END;
BEGIN
    PERFORM log_change(CASE WHEN TG_OP = 'INSERT' THEN 'added' ELSE 'secret' END, k.org_id, k.id) FROM keys k WHERE k.id = holder;
    RETURN NULL;
END $$;

CREATE FUNCTION log_org() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM log_change('org', NEW.id, NULL);
    RETURN NULL;
END $$;

-- Secrets are found by digests under the peppers that a service knows of.
CREATE FUNCTION log_pepper() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM log_change('pepper', '', NULL);
    RETURN NULL;
END $$;

-- They run as late as can be: when the transaction is committed. Digests that take others' places are logged once for all of a
-- transaction, by who moves them.
CREATE CONSTRAINT TRIGGER pepper_added AFTER INSERT ON material
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 'pepper') EXECUTE FUNCTION log_pepper();

CREATE CONSTRAINT TRIGGER pepper_removed AFTER DELETE ON material
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.kind = 'pepper') EXECUTE FUNCTION log_pepper();

CREATE CONSTRAINT TRIGGER key_changed AFTER UPDATE OF org_id, name, disabled, expires_at, deleted_at, rate_requests, rate_seconds ON keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_key();

CREATE CONSTRAINT TRIGGER key_removed AFTER DELETE ON keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_key();

CREATE CONSTRAINT TRIGGER secret_added AFTER INSERT ON secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_secret();

CREATE CONSTRAINT TRIGGER secret_changed AFTER UPDATE OF key_id, version, state, expires_at ON secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_secret();

CREATE CONSTRAINT TRIGGER secret_removed AFTER DELETE ON secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_secret();

CREATE CONSTRAINT TRIGGER org_changed AFTER UPDATE OF slug, name ON orgs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_org();

-- Services that answer from memory together, and how far each has applied what was changed.
CREATE TABLE replicas (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    version    TEXT COLLATE "C" NOT NULL,
    applied    BIGINT NOT NULL,
    renewals   BIGINT NOT NULL,
    joined_at  BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    flushed_at BIGINT -- when it last wrote the use of keys; NULL: it told nothing yet
);

-- Use of keys that is not in their rows yet: thousands of keys in a row. folds says how far each owner, a process, has moved it there: for
-- the ids above the upto before, rows up to seq.
CREATE TABLE use_journal (
    owner   TEXT COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL,
    entries BYTEA NOT NULL,
    PRIMARY KEY (owner, seq)
);

CREATE TABLE use_folds (
    owner TEXT COLLATE "C" NOT NULL,
    upto  TEXT COLLATE "C" NOT NULL,
    seq   BIGINT NOT NULL,
    PRIMARY KEY (owner, upto)
);

-- Calls in each hour (UTC) of the last 90 days; days count from 1970.
CREATE TABLE key_days (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES keys (id),
    day    BIGINT NOT NULL,
    h00    BIGINT NOT NULL DEFAULT 0,
    h01    BIGINT NOT NULL DEFAULT 0,
    h02    BIGINT NOT NULL DEFAULT 0,
    h03    BIGINT NOT NULL DEFAULT 0,
    h04    BIGINT NOT NULL DEFAULT 0,
    h05    BIGINT NOT NULL DEFAULT 0,
    h06    BIGINT NOT NULL DEFAULT 0,
    h07    BIGINT NOT NULL DEFAULT 0,
    h08    BIGINT NOT NULL DEFAULT 0,
    h09    BIGINT NOT NULL DEFAULT 0,
    h10    BIGINT NOT NULL DEFAULT 0,
    h11    BIGINT NOT NULL DEFAULT 0,
    h12    BIGINT NOT NULL DEFAULT 0,
    h13    BIGINT NOT NULL DEFAULT 0,
    h14    BIGINT NOT NULL DEFAULT 0,
    h15    BIGINT NOT NULL DEFAULT 0,
    h16    BIGINT NOT NULL DEFAULT 0,
    h17    BIGINT NOT NULL DEFAULT 0,
    h18    BIGINT NOT NULL DEFAULT 0,
    h19    BIGINT NOT NULL DEFAULT 0,
    h20    BIGINT NOT NULL DEFAULT 0,
    h21    BIGINT NOT NULL DEFAULT 0,
    h22    BIGINT NOT NULL DEFAULT 0,
    h23    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, day)
);

CREATE INDEX key_days_age ON key_days (day);
