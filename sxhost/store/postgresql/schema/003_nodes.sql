-- What a log needs that several nodes write to at once.

-- What each of the last commits has changed, but for events, which `log` has.
CREATE TABLE change (
    version BIGINT PRIMARY KEY,             -- of `tip` after it
    nonce   TEXT COLLATE "C" NOT NULL,
    body    BYTEA NOT NULL,                 -- store.news.Change as MessagePack
    crc     BIGINT NOT NULL
);
ALTER TABLE change ALTER COLUMN body SET STORAGE EXTERNAL;

-- Messages that a node has leased; one whose time is over is none.
CREATE TABLE lease (
    id       BIGINT PRIMARY KEY,            -- of the message
    session  TEXT COLLATE "C" NOT NULL,
    until_ms BIGINT NOT NULL,               -- by this engine's clock, Unix milliseconds
    life     TEXT COLLATE "C" NOT NULL,     -- of the node
    crc      BIGINT NOT NULL
) WITH (fillfactor = 50);
