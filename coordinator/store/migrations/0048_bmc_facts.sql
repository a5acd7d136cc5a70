-- What each server's BMC says of itself and its server, part by part as it was read last.
CREATE TABLE bmc_facts (
    server  TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    part    TEXT   NOT NULL,
    facts   TEXT   NOT NULL,  -- JSON
    read_us BIGINT NOT NULL,  -- by the agent's clock
    PRIMARY KEY (server, part)
);
