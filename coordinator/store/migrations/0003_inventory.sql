-- Since when a tenant's server is in its state. Of physical servers Ironic knows it itself.
ALTER TABLE tenant_servers ADD COLUMN state_since_us BIGINT;
