-- Version 5: what agents have used, which outlives the log and the sessions.

CREATE TABLE usage (
    session TEXT NOT NULL,
    number  INTEGER NOT NULL,     -- counts the entries of a session
    body    BLOB NOT NULL,        -- model.usage.UsageEntry as JSON
    crc     INTEGER NOT NULL,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;

-- What the counters of each session's agent said last.
CREATE TABLE reading (
    session TEXT PRIMARY KEY,
    body    BLOB NOT NULL,        -- store.metering.UsageReading as JSON
    crc     INTEGER NOT NULL
) WITHOUT ROWID;
