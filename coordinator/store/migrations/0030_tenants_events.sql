-- Whose server an event was about when it happened, and what that tenant is told. Events from before are administrators' only.
ALTER TABLE events ADD COLUMN tenant TEXT;       -- our id of the tenant's server
ALTER TABLE events ADD COLUMN tenant_name TEXT;  -- its name at that time
ALTER TABLE events ADD COLUMN told TEXT;         -- in the tenant's words; none: administrators only
CREATE INDEX events_by_project ON events (project_id, id);

-- What kind of trouble a server's reason is: its tenant is told the kind only.
ALTER TABLE servers ADD COLUMN trouble TEXT;
