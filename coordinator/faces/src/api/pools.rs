//! Edges: pools in the API, for administrators.

use std::sync::Arc;

use api_types::{List, NewPool, Pool, PoolMove, PoolMoves};
use axum::{Json, extract::State, http::StatusCode};
use coordinator_core::pools::{self, PoolingError};
use domain::{pools::POOLS_MAX, records::Server};

use super::{
    Api,
    request::{JsonBody, Path},
};
use crate::problem::Problem;

/// Lists the pools, in the order in which they are tried.
#[utoipa::path(get, path = "/v1/pools", operation_id = "list_pools", responses((status = 200, body = List<Pool>)))]
pub async fn list(State(api): State<Arc<Api>>) -> Result<Json<List<Pool>>, Problem> {
    Ok(Json(List { items: api.pool_views().await? }))
}

/// Shows a pool.
#[utoipa::path(get, path = "/v1/pools/{pool}", operation_id = "show_pool", params(("pool" = String, Path, description = "name")), responses((status = 200, body = Pool)))]
pub async fn show(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<Pool>, Problem> {
    let found = api.pool_views().await?.into_iter().find(|pool| pool.name == name);
    found.map(Json).ok_or_else(|| Problem::not_found("pool", &name))
}

/// Creates a pool.
///
/// Nodes that are inspected from now on can join it; for the others, see pool moves.
#[utoipa::path(post, path = "/v1/pools", operation_id = "create_pool", request_body = NewPool, responses((status = 201, body = Pool), (status = 400, body = Problem)))]
pub async fn create(
    State(api): State<Arc<Api>>,
    JsonBody(wanted): JsonBody<NewPool>,
) -> Result<(StatusCode, Json<Pool>), Problem> {
    let _one_at_a_time = api.pool_changes.lock().await;
    let name = wanted.name.clone();
    let pools = with(api.inventory.pools().await?, wanted)?;
    api.inventory.put_pools(&pools).await?;
    let made = api.pool_views().await?.into_iter().find(|pool| pool.name == name);
    made.map(|pool| (StatusCode::CREATED, Json(pool))).ok_or_else(|| Problem::not_found("pool", &name))
}

/// Deletes a pool.
///
/// Its nodes keep their resource class until they are inspected again or moved.
#[utoipa::path(delete, path = "/v1/pools/{pool}", operation_id = "delete_pool", params(("pool" = String, Path, description = "name")), responses((status = 204)))]
pub async fn delete(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let _one_at_a_time = api.pool_changes.lock().await;
    let mut pools = api.inventory.pools().await?;
    let before = pools.len();
    pools.retain(|pool| pool.name != name);
    if pools.len() == before {
        return Err(Problem::not_found("pool", &name));
    }
    api.inventory.put_pools(&pools).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Moves all inspected nodes that nobody uses into their pools, or says what would happen.
#[utoipa::path(post, path = "/v1/pool-moves", operation_id = "move_to_pools", request_body = PoolMoves, responses((status = 200, body = List<PoolMove>)))]
pub async fn moves(
    State(api): State<Arc<Api>>,
    JsonBody(wanted): JsonBody<PoolMoves>,
) -> Result<Json<List<PoolMove>>, Problem> {
    let mut pools = api.inventory.pools().await?;
    match wanted.pool {
        Some(_) if !wanted.dry_run => {
            return Err(Problem::bad_at("pool", "is only for a dry run; create the pool first"));
        }
        Some(pool) => pools = with(pools, pool).map_err(|problem| problem.within("pool"))?,
        None => {}
    }
    let moves = pools::apply(
        &api.inventory,
        &*api.enroll.parts.provisioner,
        &api.enroll.parts.locks,
        &pools,
        wanted.dry_run,
    )
    .await;
    let moves = moves.map_err(|error| match error {
        PoolingError::Inventory(error) => error.into(),
        PoolingError::Provisioner(error) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ironic",
            format!("{error}; what is already stored is sent to Ironic as soon as it answers"),
        ),
    })?;
    let view = |one: pools::Move| {
        let pools::Move { name: node, from, from_class, to, to_class, held } = one;
        PoolMove { node, from, from_class, to, to_class, held }
    };
    Ok(Json(List { items: moves.into_iter().map(view).collect() }))
}

/// The pools with a new one, checked.
fn with(mut pools: Vec<domain::pools::Pool>, wanted: NewPool) -> Result<Vec<domain::pools::Pool>, Problem> {
    let mut conditions = Vec::new();
    for (position, text) in wanted.conditions.iter().enumerate() {
        let read = text.parse::<domain::pools::Condition>();
        conditions.push(read.map_err(|error| Problem::bad_at(&format!("match[{position}]"), error))?);
    }
    let pool = domain::pools::Pool { name: wanted.name, resource_class: wanted.resource_class, conditions };
    pool.check().map_err(|error| Problem::bad_at(error.field(), &error))?;
    if pools.iter().any(|known| known.name == pool.name) {
        return Err(Problem::conflict_at(
            "name",
            format!("there is already a pool {:?}; delete it first, or choose another name", pool.name),
        ));
    }
    if pools.len() >= POOLS_MAX {
        return Err(Problem::conflict(format!("there are {POOLS_MAX} pools already; delete one first")));
    }
    let place = match &wanted.before {
        None => pools.len(),
        Some(before) => {
            let found = pools.iter().position(|known| &known.name == before);
            found.ok_or_else(|| Problem::bad_at("before", format!("there is no pool {before:?}")))?
        }
    };
    pools.insert(place, pool);
    Ok(pools)
}

impl Api {
    async fn pool_views(&self) -> Result<Vec<Pool>, Problem> {
        let servers = self.inventory.servers(None).await?;
        let pools = self.inventory.pools().await?;
        Ok((1..).zip(pools).map(|(position, pool)| view(position, pool, &servers)).collect())
    }
}

fn view(position: u32, pool: domain::pools::Pool, servers: &[Server]) -> Pool {
    let inside = servers.iter().filter(|server| server.pool.as_ref() == Some(&pool.name));
    Pool {
        servers: inside.map(|server| server.name.clone()).collect(),
        conditions: pool.conditions.iter().map(ToString::to_string).collect(),
        name: pool.name,
        resource_class: pool.resource_class,
        position,
    }
}
