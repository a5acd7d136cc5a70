-- Servers in use that are to be adopted, or were: what an administrator said runs there, and how far it has come.
CREATE TABLE adoptions (
    server   TEXT   NOT NULL PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
    tenant   TEXT   NOT NULL UNIQUE,  -- id of the tenant's server; Ironic's instance_uuid too
    wanted   TEXT   NOT NULL,         -- what runs there, JSON
    stage    TEXT   NOT NULL,
    reason   TEXT,                    -- what it waits for, or why it failed
    asked_us BIGINT NOT NULL
);
