-- Rows enough for a planner to mind, and no triggers: each table as if it had grown over time.
SET session_replication_role = replica;

INSERT INTO orgs (id, slug, name, data_key, master_key_id, created_at)
    SELECT 'org_' || i, 'org-' || i, 'Org ' || i, 'x', 'm', i FROM generate_series(1, 2000) i;
INSERT INTO users (id, name, created_at, email, issuer, subject)
    SELECT 'usr_' || i, 'U', i, i || '@example.com', 'https://id.example', i::text FROM generate_series(1, 20000) i;
INSERT INTO memberships (org_id, user_id, role, created_at)
    SELECT 'org_' || (i % 200), 'usr_' || i, 'member', i FROM generate_series(1, 5000) i;
INSERT INTO sessions (id, user_id, digest, pepper_id, hint, created_at, ended_at, expires_at)
    SELECT 'ses_' || i, 'usr_' || (i % 2000), sha256(('s' || i)::bytea), 'p', '', i,
        CASE WHEN i % 3 = 0 THEN i + 1 END, CASE WHEN i % 3 = 1 THEN i + 2 END FROM generate_series(1, 10000) i;

INSERT INTO keys (id, org_id, name, folded_name, disabled, tags, created_at, created_by_type, created_by_id, created_by_name,
        updated_at, expires_at, revision, used_at)
    SELECT 'key_' || lpad(i::text, 6, '0'), 'org_' || (i % 4), 'k' || i, 'k' || i, i % 50 = 0, '{}', i, 'user', 'usr_1', 'U', i,
        CASE WHEN i % 10 = 0 THEN i * 1000 END, 1, CASE WHEN i % 3 = 0 THEN 0 ELSE i * 100 END FROM generate_series(1, 20000) i;
INSERT INTO secrets (key_id, version, state, hint, digest, pepper_id, sealed, created_at)
    SELECT id, 1, 'current', '', sha256(id::bytea), 'p', 'x', created_at FROM keys;
INSERT INTO retired_secrets (digest, key_id, version, hint, pepper_id, created_at, retired_at)
    SELECT sha256(('r' || id)::bytea), id, 0, '', 'p', created_at, created_at FROM keys WHERE created_at % 4 = 0;
INSERT INTO key_tags (key_id, pair, org_id)
    SELECT id, 'team=t' || (created_at % 40), org_id FROM keys;
INSERT INTO key_minutes (key_id, minute, calls)
    SELECT id, created_at * 3 + m, 1 FROM keys, generate_series(1, 2) m;
INSERT INTO key_days (key_id, day)
    SELECT id, created_at * 2 + d FROM keys, generate_series(1, 2) d;
INSERT INTO key_callers (key_id, address, agent, last_used_at)
    SELECT id, '192.0.2.0/24', 'agent', created_at FROM keys;
INSERT INTO events (id, at, type, org_id, key_id, actor_type, actor_id, actor_name, data)
    SELECT 'evt_' || lpad(created_at::text, 6, '0'), created_at * 1000000000, CASE WHEN created_at % 7 < 3 THEN 'key.created' ELSE 'org.renamed' END, org_id, id,
        'user', 'usr_' || (created_at % 100), 'U' || (created_at % 100), '{}' FROM keys;
INSERT INTO answers (id, fingerprint, key_id, expires_at)
    SELECT sha256(('a' || id)::bytea), 'x', id, created_at FROM keys;
INSERT INTO rotations (id, org_id, key_id, state, revision, run, emergency, old_version, new_version, sinks, opened_by_type, opened_by_id,
        opened_by_name, opened_at, updated_at, due_at, on_use, ended_at)
    SELECT 'rot_' || id, org_id, id, 'retired', 1, 'x', false, 1, 2, '[]', 'user', 'usr_1', 'U', 1, 1,
        CASE WHEN created_at % 20 = 0 THEN created_at END, 'cut', CASE WHEN created_at % 20 > 0 THEN 1 END FROM keys WHERE created_at % 2 = 0;

INSERT INTO invitations (id, kind, org_id, email, role, invited_by_type, invited_by_id, invited_by_name, digest, pepper_id, created_at,
        expires_at, closed_at)
    SELECT 'inv_' || i, 'member', 'org_' || (i % 500), i % 2500 || '@example.com', 'member', 'user', 'usr_1', 'U', sha256(('i' || i)::bytea), 'p', i,
        i + 100, CASE WHEN i % 2 = 0 THEN i + 1 END FROM generate_series(1, 5000) i;
INSERT INTO device_grants (id, user_code, digest, pepper_id, state, client, host, address, created_at, expires_at)
    SELECT 'dev_' || i, 'CODE' || i, sha256(('d' || i)::bytea), 'p', 'pending', '', '', '192.0.2.' || (i % 250), i, i + 100
    FROM generate_series(1, 5000) i;
INSERT INTO tries (kind, subject, count, since)
    SELECT 'password', i || '@example.com', 1, i FROM generate_series(1, 5000) i;
INSERT INTO trust_rules (id, org_id, name, folded_name, provider, issuer, conditions, pins, permissions, key_names, created_by_type,
        created_by_id, created_by_name, created_at)
    SELECT 'tru_' || i, 'org_' || (i % 500), 'r' || i, 'r' || i, 'other', 'https://id' || (i % 100) || '.example', '{}', '{}', '[]', '[]', 'user', 'usr_1', 'U', i
    FROM generate_series(1, 5000) i;
INSERT INTO trust_sessions (id, rule_id, name, digest, pepper_id, hint, created_at, expires_at)
    SELECT 'trs_' || i, 'tru_' || i, '', sha256(('t' || i)::bytea), 'p', '', i, i + 100 FROM generate_series(1, 5000) i;
INSERT INTO trust_tokens (digest, expires_at)
    SELECT sha256(('j' || i)::bytea), i FROM generate_series(1, 20000) i;
INSERT INTO changes (n, kind, org_id, key_id, at)
    SELECT i, 'key', 'org_1', 'key_1', i FROM generate_series(1, 20000) i;
UPDATE key_changes SET n = 20000, known = 20000;
INSERT INTO use_journal (owner, seq, entries)
    SELECT 'own_' || (i % 3), i, 'x' FROM generate_series(1, 5000) i;
INSERT INTO use_folds (owner, upto, seq) VALUES ('own_0', 'key~', 10), ('own_1', 'key~', 10), ('own_2', 'key~', 10);

ANALYZE;
