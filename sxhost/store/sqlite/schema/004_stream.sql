-- A row of the log holds facts, or pieces of one stream: pieces leave once something has them whole.
-- `upgrades.split_pieces` moves what was there into the new table.

ALTER TABLE log RENAME TO log_3;
DROP INDEX log_by_session;
DROP INDEX log_by_age;
CREATE TABLE log (
    id      INTEGER PRIMARY KEY,    -- of the first event
    session TEXT NOT NULL,
    seq     INTEGER NOT NULL,       -- of the first event
    count   INTEGER NOT NULL,
    at      INTEGER NOT NULL,       -- wall clock, Unix milliseconds: for retention by age
    stream  TEXT,                   -- of its pieces (sxhost.model.pieces); NULL: facts
    body    BLOB NOT NULL,          -- NDJSON lines; long ones compressed (store.runs)
    crc     INTEGER NOT NULL
);
CREATE INDEX log_by_session ON log (session, seq);
CREATE INDEX log_facts ON log (session, seq, count) WHERE stream IS NULL;
CREATE INDEX log_pieces ON log (session, stream, seq) WHERE stream IS NOT NULL;

-- An event whose key is known may have left as a piece: its id is told all the same.
ALTER TABLE key RENAME TO key_3;
DROP INDEX key_by_seq;
CREATE TABLE key (
    session TEXT NOT NULL,
    key     TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    id      INTEGER NOT NULL,
    crc     INTEGER NOT NULL,
    PRIMARY KEY (session, key)
) WITHOUT ROWID;
CREATE INDEX key_by_seq ON key (session, seq);

-- Pieces of a stream before `seq` that are to leave.
CREATE TABLE superseded (
    session TEXT NOT NULL,
    stream  TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    crc     INTEGER NOT NULL,
    PRIMARY KEY (session, stream, seq)
) WITHOUT ROWID;
