-- Version 2: what agents have used, which outlives the log and the sessions.

CREATE TABLE usage (
    session TEXT COLLATE "C" NOT NULL,
    number  BIGINT NOT NULL,                -- counts the entries of a session
    body    BYTEA NOT NULL,                 -- model.usage.UsageEntry as JSON
    crc     BIGINT NOT NULL,
    PRIMARY KEY (session, number)
);

-- What the counters of each session's agent said last.
CREATE TABLE reading (
    session TEXT COLLATE "C" PRIMARY KEY,
    body    BYTEA NOT NULL,                 -- store.metering.UsageReading as JSON
    crc     BIGINT NOT NULL
);
