-- Changes that were asked for: by whom, from where, and what was answered. No part of a request's body is kept.
CREATE TABLE audit (
    id         BIGINT NOT NULL PRIMARY KEY,
    at_us      BIGINT NOT NULL,
    bucket     TEXT   NOT NULL,  -- whose rows are counted together when old ones are deleted
    request_id TEXT   NOT NULL,
    source     TEXT,
    user_id    TEXT,
    user_name  TEXT,
    project_id TEXT,
    standing   TEXT,
    method     TEXT   NOT NULL,
    route      TEXT   NOT NULL,
    via        TEXT,
    action     TEXT,
    object     TEXT,
    status     BIGINT
);
CREATE INDEX audit_by_bucket ON audit (bucket, id);
