-- For whom Ironic adopted a server on the interface in adopted_port, and its other interfaces: no other instance is given them.
ALTER TABLE servers ADD COLUMN adopted_for TEXT;     -- JSON; none: a row of an older version
ALTER TABLE servers ADD COLUMN adopted_others TEXT;  -- uuids, JSON
