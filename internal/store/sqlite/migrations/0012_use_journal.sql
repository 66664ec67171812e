-- Use of keys that is not in their rows yet: thousands of keys in a row. folds says how far each owner, a process, has moved it there: for
-- the ids above the upto before, rows up to seq.
CREATE TABLE use_journal (
    owner   TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (owner, seq)
) STRICT;

CREATE TABLE use_folds (
    owner TEXT NOT NULL,
    upto  TEXT NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (owner, upto)
) STRICT, WITHOUT ROWID;

-- Calls in each hour (UTC) of the last 90 days; days count from 1970.
CREATE TABLE key_days (
    key_id TEXT NOT NULL REFERENCES keys (id),
    day    INTEGER NOT NULL,
    h00    INTEGER NOT NULL DEFAULT 0,
    h01    INTEGER NOT NULL DEFAULT 0,
    h02    INTEGER NOT NULL DEFAULT 0,
    h03    INTEGER NOT NULL DEFAULT 0,
    h04    INTEGER NOT NULL DEFAULT 0,
    h05    INTEGER NOT NULL DEFAULT 0,
    h06    INTEGER NOT NULL DEFAULT 0,
    h07    INTEGER NOT NULL DEFAULT 0,
    h08    INTEGER NOT NULL DEFAULT 0,
    h09    INTEGER NOT NULL DEFAULT 0,
    h10    INTEGER NOT NULL DEFAULT 0,
    h11    INTEGER NOT NULL DEFAULT 0,
    h12    INTEGER NOT NULL DEFAULT 0,
    h13    INTEGER NOT NULL DEFAULT 0,
    h14    INTEGER NOT NULL DEFAULT 0,
    h15    INTEGER NOT NULL DEFAULT 0,
    h16    INTEGER NOT NULL DEFAULT 0,
    h17    INTEGER NOT NULL DEFAULT 0,
    h18    INTEGER NOT NULL DEFAULT 0,
    h19    INTEGER NOT NULL DEFAULT 0,
    h20    INTEGER NOT NULL DEFAULT 0,
    h21    INTEGER NOT NULL DEFAULT 0,
    h22    INTEGER NOT NULL DEFAULT 0,
    h23    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_days_age ON key_days (day);

-- What is known of the last day by the minute.
INSERT OR IGNORE INTO key_days (key_id, day) SELECT DISTINCT key_id, minute / 1440 FROM key_minutes;
UPDATE key_days SET
    h00 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 0),
    h01 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 1),
    h02 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 2),
    h03 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 3),
    h04 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 4),
    h05 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 5),
    h06 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 6),
    h07 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 7),
    h08 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 8),
    h09 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 9),
    h10 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 10),
    h11 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 11),
    h12 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 12),
    h13 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 13),
    h14 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 14),
    h15 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 15),
    h16 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 16),
    h17 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 17),
    h18 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 18),
    h19 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 19),
    h20 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 20),
    h21 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 21),
    h22 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 22),
    h23 = (SELECT ifnull(sum(calls), 0) FROM key_minutes m WHERE m.key_id = key_days.key_id AND m.minute / 60 = key_days.day * 24 + 23);
