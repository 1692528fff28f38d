-- Each row carries a checksum over its own columns: SQLite has none for its pages.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    crc   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE session (
    id    TEXT PRIMARY KEY,
    body  BLOB NOT NULL,        -- model.Session as JSON
    crc   INTEGER NOT NULL
) WITHOUT ROWID;

-- One row holds the events that were appended together: their NDJSON lines.
CREATE TABLE log (
    id      INTEGER PRIMARY KEY,    -- of the first event
    session TEXT NOT NULL,
    seq     INTEGER NOT NULL,       -- of the first event
    count   INTEGER NOT NULL,
    at      INTEGER NOT NULL,       -- wall clock, Unix milliseconds: for retention by age
    body    BLOB NOT NULL,
    crc     INTEGER NOT NULL
);
CREATE INDEX log_by_session ON log (session, seq);
CREATE INDEX log_by_age ON log (at);

CREATE TABLE key (
    session TEXT NOT NULL,
    key     TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    crc     INTEGER NOT NULL,
    PRIMARY KEY (session, key)
) WITHOUT ROWID;
CREATE INDEX key_by_seq ON key (session, seq);

CREATE TABLE message (
    id      INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    body    BLOB NOT NULL,          -- model.Message as JSON
    key     TEXT,
    crc     INTEGER NOT NULL
);
CREATE INDEX message_by_session ON message (session);
