-- The tables of an SQLite file, and `tip`. Text is compared byte by byte, as SQLite does.

-- One row: who may write, and how far the log was written.
CREATE TABLE tip (
    one      BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    version  BIGINT NOT NULL,               -- counts commits
    nonce    TEXT COLLATE "C" NOT NULL,     -- of the last commit: two with one version differ in it
    timeline TEXT COLLATE "C" NOT NULL,     -- of the engine, when a host became the active one
    promise  TEXT COLLATE "C" NOT NULL      -- what a commit survived then: process, power, replicas
) WITH (fillfactor = 10);
INSERT INTO tip (version, nonce, timeline, promise) VALUES (0, '', '', '');

CREATE TABLE meta (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL,
    crc   BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE session (
    id    TEXT COLLATE "C" PRIMARY KEY,
    body  BYTEA NOT NULL,                   -- model.Session as JSON
    crc   BIGINT NOT NULL
) WITH (fillfactor = 50);

-- A row holds facts, or pieces of one stream, that were appended together.
CREATE TABLE log (
    id      BIGINT PRIMARY KEY,             -- of the first event
    session TEXT COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL,                -- of the first event
    count   INTEGER NOT NULL,
    at      BIGINT NOT NULL,                -- wall clock, Unix milliseconds: for retention by age
    stream  TEXT COLLATE "C",               -- of its pieces (sxhost.model.pieces); NULL: facts
    body    BYTEA NOT NULL,                 -- NDJSON lines; long ones compressed (store.runs)
    crc     BIGINT NOT NULL
);
ALTER TABLE log ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX log_by_session ON log (session, seq);
CREATE INDEX log_pieces ON log (session, stream, seq) WHERE stream IS NOT NULL;

CREATE TABLE key (
    session TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL,
    id      BIGINT NOT NULL,
    crc     BIGINT NOT NULL,
    PRIMARY KEY (session, key)
);
CREATE INDEX key_by_seq ON key (session, seq);

-- Pieces of a stream before `seq` that are to leave.
CREATE TABLE superseded (
    session TEXT COLLATE "C" NOT NULL,
    stream  TEXT COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL,
    crc     BIGINT NOT NULL,
    PRIMARY KEY (session, stream, seq)
);

CREATE TABLE message (
    id      BIGINT PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL,
    body    BYTEA NOT NULL,                 -- model.Message as JSON
    key     TEXT COLLATE "C",
    crc     BIGINT NOT NULL
);
CREATE INDEX message_by_session ON message (session);

CREATE TABLE approval (
    id      BIGINT PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL,
    body    BYTEA NOT NULL,                 -- model.Approval as JSON
    crc     BIGINT NOT NULL
);
CREATE INDEX approval_by_session ON approval (session);

CREATE TABLE audit (
    id    BIGINT PRIMARY KEY,
    body  BYTEA NOT NULL,                   -- model.AuditEntry as JSON
    crc   BIGINT NOT NULL
);

-- One row: how many of these scripts were run.
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version (version) VALUES (0);
