-- The certificates of agents that were given, and what became of each. A row is written before its certificate is handed out; what
-- has no row opens nothing.
CREATE TABLE agent_certificates (
    fingerprint  TEXT   NOT NULL PRIMARY KEY,  -- SHA-256 of its DER, in hexadecimal
    rack         TEXT   NOT NULL,
    origin       TEXT   NOT NULL,              -- issued, renewed, taken_up
    renewed_from TEXT,                         -- fingerprint of the one that it follows
    given_us     BIGINT NOT NULL,
    begins_us    BIGINT NOT NULL,
    ends_us      BIGINT NOT NULL,
    used_us      BIGINT,                       -- first time
    replaced_us  BIGINT,                       -- the one that follows it was used
    revoked_us   BIGINT
);
CREATE INDEX agent_certificates_of_rack ON agent_certificates (rack);
