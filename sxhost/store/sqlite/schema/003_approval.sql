-- What agents ask, and what they were told.

CREATE TABLE approval (
    id      INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    body    BLOB NOT NULL,          -- approval.Approval as JSON
    crc     INTEGER NOT NULL
);
CREATE INDEX approval_by_session ON approval (session);
