//! Edges: the passwords of BMCs in the API: a change asked for or given up, and one read by a person, with a reason.

use std::sync::Arc;

use api_types::{NewPasswordReading, NewPasswordRotation, Node, PasswordReading};
use axum::{Json, extract::State, http::StatusCode};
use coordinator_core::upkeep::NotShown;
use domain::{events::EventKind, records::Server, upkeep::policy::DAYS_MAX};

use super::{
    Api,
    auth::User,
    request::{JsonBody, Path},
};
use crate::{audit::Asked, problem::Problem};

/// Longest reason for reading a password.
const REASON_BYTES_MAX: usize = 255;

/// Has the password of a node's BMC changed, and proved by a login; one node of a rack at a time.
///
/// Only the password of a user that the coordinator's settings name as ours is changed (`bmc_passwords.users`).
#[utoipa::path(post, path = "/v1/nodes/{node}/bmc/password-rotation", operation_id = "rotate_bmc_password",
    params(("node" = String, Path, description = "name or id")), request_body = NewPasswordRotation,
    responses((status = 202, body = Node), (status = 409, body = Problem)))]
pub async fn rotate(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<NewPasswordRotation>,
) -> Result<(StatusCode, Json<Node>), Problem> {
    let server = api.find_node(&name).await?;
    if wanted.every_days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return Err(Problem::bad_at("every_days", format!("must be 1 to {DAYS_MAX}")));
    }
    let asked = api.upkeep.ask_rotation(&server, user.name(), wanted.every_days).await?;
    let text = format!("{} asked for: {asked}", user.name());
    api.inventory.record(server.id, EventKind::Upkeep, text).await;
    Ok((StatusCode::ACCEPTED, Json(api.node_now(&server).await?)))
}

/// Gives up a change of a BMC's password that the BMC was not told yet, and the node's own schedule.
#[utoipa::path(delete, path = "/v1/nodes/{node}/bmc/password-rotation", operation_id = "cancel_bmc_password_rotation",
    params(("node" = String, Path, description = "name or id")), responses((status = 204), (status = 409, body = Problem)))]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    user: User,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let server = api.find_node(&name).await?;
    api.upkeep.cancel_rotation(&server).await?;
    let text = format!("{} asked for: the password of its BMC not to be changed", user.name());
    api.inventory.record(server.id, EventKind::Upkeep, text).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the password of a node's BMC, for a reason that is kept in the audit record and told as an event.
///
/// It is changed soon after, if its user is ours. Only so many are shown in an hour.
#[utoipa::path(post, path = "/v1/nodes/{node}/bmc/password-reading", operation_id = "read_bmc_password",
    params(("node" = String, Path, description = "name or id")), request_body = NewPasswordReading,
    responses((status = 200, body = PasswordReading), (status = 400, body = Problem), (status = 429, body = Problem)))]
pub async fn read(
    State(api): State<Arc<Api>>,
    user: User,
    change: Asked,
    Path(name): Path<String>,
    JsonBody(wanted): JsonBody<NewPasswordReading>,
) -> Result<Json<PasswordReading>, Problem> {
    let reason = wanted.reason.trim();
    if !(1..=REASON_BYTES_MAX).contains(&reason.len()) {
        let why = format!("must have 1 to {REASON_BYTES_MAX} characters; it is kept, and told as an event");
        return Err(Problem::bad_at("reason", why));
    }
    change.because(reason);
    let server = api.find_node(&name).await?;
    let shown =
        api.upkeep.show_password(&server, user.name(), reason).await.map_err(|error| match error {
            NotShown::TooMany(why) => {
                let seconds = u32::try_from(why.minutes.saturating_mul(60)).unwrap_or(u32::MAX);
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", why.to_string())
                    .again_in(seconds)
            }
            NotShown::Inventory(error) => error.into(),
        })?;
    Ok(Json(PasswordReading {
        place: server.bmc.place(),
        username: server.bmc.username,
        password: shown.password,
        next_password: shown.next,
    }))
}

impl Api {
    async fn node_now(&self, server: &Server) -> Result<Node, Problem> {
        let server = self.find_node(&server.id.to_string()).await?;
        let beside = self.beside(Some(server.id)).await?;
        Ok(self.node_view(server, &beside))
    }
}
