//! Edges: the REST API under `/v1`, for administrators and tenants.

pub mod types;
