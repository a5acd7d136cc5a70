-- The history of each server's numbers, an hour a row: by key the lowest, mean and highest of every five minutes.
CREATE TABLE sensor_history (
    server TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    hour   BIGINT NOT NULL,  -- counted since 1970
    series TEXT   NOT NULL,  -- JSON
    PRIMARY KEY (server, hour)
);
