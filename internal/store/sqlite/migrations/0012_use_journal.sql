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
