-- Files of firmware that the coordinator keeps; the bytes lie in its state directory under the same name.
CREATE TABLE firmware_files (
    sha256     TEXT   NOT NULL PRIMARY KEY,  -- of the file, lower-case hexadecimal
    sha512     TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    file_bytes BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);
-- Updates of servers' firmware, each with how far it has come.
CREATE TABLE firmware_updates (
    id            TEXT   NOT NULL PRIMARY KEY,
    server        TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    wanted        TEXT   NOT NULL,            -- what is wanted, JSON
    stage         TEXT   NOT NULL,            -- JSON
    attempt       BIGINT NOT NULL,            -- how many times it was proved that the BMC was not given it
    asked_us      BIGINT NOT NULL,
    since_us      BIGINT NOT NULL,            -- in its stage
    not_before_us BIGINT NOT NULL,
    trouble       TEXT,
    versions      TEXT   NOT NULL,            -- before it, JSON
    is_over       BIGINT NOT NULL
);
-- One at a time of each server.
CREATE UNIQUE INDEX firmware_updates_open ON firmware_updates (server) WHERE is_over = 0;
