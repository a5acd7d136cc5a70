-- A switch port is one server's: its name as Contrail compares it. Rows of an older version get theirs when the inventory is
-- opened; of two that have the same switch port, one stays without.
ALTER TABLE ports ADD COLUMN link_key TEXT;
CREATE UNIQUE INDEX ports_by_link ON ports (link_key);
