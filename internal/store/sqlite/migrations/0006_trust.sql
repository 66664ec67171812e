-- Jobs that may act without a stored secret: whoever signs their token, what it must say, and what they may do to which keys.
CREATE TABLE trust_rules (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    name            TEXT NOT NULL,
    folded_name     TEXT NOT NULL,
    provider        TEXT NOT NULL,
    issuer          TEXT NOT NULL,
    conditions      TEXT NOT NULL, -- JSON object: claims and the values that they must have
    pins            TEXT NOT NULL, -- JSON object: claims and the values that they had at first use
    permissions     TEXT NOT NULL, -- JSON array
    key_names       TEXT NOT NULL, -- JSON array of patterns
    created_by_type TEXT NOT NULL,
    created_by_id   TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX trust_rules_name ON trust_rules (org_id, folded_name);
CREATE INDEX trust_rules_org ON trust_rules (org_id, id);
CREATE INDEX trust_rules_issuer ON trust_rules (issuer, id);

-- What a job's token was exchanged for. It ends with its rule.
CREATE TABLE trust_sessions (
    id         TEXT PRIMARY KEY,
    rule_id    TEXT NOT NULL REFERENCES trust_rules (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE,
    pepper_id  TEXT NOT NULL,
    hint       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX trust_sessions_rule ON trust_sessions (rule_id);
CREATE INDEX trust_sessions_over ON trust_sessions (expires_at);

-- Tokens of jobs that were exchanged, by a digest of issuer and jti, for as long as they would be taken again.
CREATE TABLE trust_tokens (
    digest     BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX trust_tokens_over ON trust_tokens (expires_at);
