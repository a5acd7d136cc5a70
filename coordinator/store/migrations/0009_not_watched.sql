-- Why and since when the agent does not watch a server's power (JSON); none: it does.
ALTER TABLE servers ADD COLUMN unwatched TEXT;
