-- Passwords that BMCs have from their factory, one line for each BMC, and what became of each.
CREATE TABLE factory_passwords (
    id        TEXT   NOT NULL PRIMARY KEY,
    rack      TEXT,              -- only this rack's agent is given it
    serial    TEXT,              -- as it was written; the marks are what is compared
    mac       TEXT,
    uuid      TEXT,
    mac_mark    TEXT UNIQUE,
    serial_mark TEXT UNIQUE,
    uuid_mark   TEXT UNIQUE,
    username  TEXT   NOT NULL,
    password  TEXT   NOT NULL,   -- sealed
    stage     TEXT   NOT NULL,   -- its name
    detail    TEXT   NOT NULL,   -- JSON: the stage
    order_id  TEXT,              -- under which an agent was told to try it
    added_us  BIGINT NOT NULL
);
-- When a server's BMC was claimed by such a password: its user is ours alone.
ALTER TABLE servers ADD COLUMN bmc_factory_us BIGINT;
