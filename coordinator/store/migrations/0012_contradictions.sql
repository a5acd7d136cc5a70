-- Contradictions between Ironic, Nova and our records that are seen now: since when, and whether somebody was told. A row goes
-- with its contradiction.
CREATE TABLE contradictions (
    server   TEXT   NOT NULL,         -- name of the server
    what     TEXT   NOT NULL,         -- kind of finding, JSON
    since_us BIGINT NOT NULL,
    told     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (server, what)
);
