//! Edges: serial consoles in the API, by WebSocket: of a node for administrators, of a server for its own project.
//!
//! A binary message is characters, a text message a word of [`api_types::ConsoleSaid`] or [`api_types::ConsoleAsks`]. What must stay
//! true: nobody is at a console who may not be there now (a token that ends, a role that is taken away, a server that is given back,
//! or is in our ramdisk, ends it), a project sees its own server only and only from the start of its tenancy on, and who typed and
//! who took the keyboard is in the audit.

mod carry;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State, ws::WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
};
use domain::{
    lifecycle::ProvisionState,
    records::{Server, TenantServer, TenantServerState},
};
use futures::{FutureExt, future::BoxFuture};
use protocol::{
    console::{Manner, PIECE_BYTES_MAX},
    id::ServerId,
};
use serde::Deserialize;
use uuid::Uuid;

use self::carry::{Ends, Watcher, carry};
use super::{Api, auth::User, request::Query};
use crate::{access::Held, audit::Asked, problem::Problem};

/// How often it is looked whether a project's server still is what it was when its console was opened. Between the end of a tenancy
/// and the next one a server is cleaned, which takes longer.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(5);

/// How one wants to be at a console.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct ConsoleQuery {
    /// Only look; the keyboard is left to others.
    #[serde(default)]
    watch: bool,
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// The serial console of a node, as a WebSocket.
///
/// A binary message is characters, both ways. A text message is JSON: the coordinator says `{"word": ...}` with `opened`, `lost`,
/// `break`, `overrun`, `skipped`, `cannot`, `keyboard`, `held`, `free` or `ended`; a client asks `{"word": "break"}` or
/// `{"word": "take", "force": false}` for the keyboard. Several may look, one types.
#[utoipa::path(get, path = "/v1/nodes/{node}/console", params(("node" = String, Path, description = "name or id"), ConsoleQuery),
    responses((status = 101, description = "the console"), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn of_node(
    State(api): State<Arc<Api>>,
    user: User,
    asked: Asked,
    Path(name): Path<String>,
    Query(query): Query<ConsoleQuery>,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let node = api.find_node(&name).await?;
    let upgrade = upgrade.map_err(|_| no_websocket())?;
    // Whoever sees every node keeps seeing it for as long as the token is good.
    let stays = std::future::pending().boxed();
    open(&api, Opening { user, asked, node, watch: query.watch, stays, upgrade }).await
}

/// The serial console of a server, as a WebSocket: the same words as of a node.
///
/// Open while the server is active and its own system, or its rescue system, runs on it.
#[utoipa::path(get, path = "/v1/servers/{server}/console", params(("server" = String, Path, description = "name or id"), ConsoleQuery),
    responses((status = 101, description = "the console"), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn of_server(
    State(api): State<Arc<Api>>,
    user: User,
    asked: Asked,
    Path(name): Path<String>,
    Query(query): Query<ConsoleQuery>,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let server = api.find_server(&user, &name).await?;
    let node = api.node_in_use(&server).await?;
    let upgrade = upgrade.map_err(|_| no_websocket())?;
    let stays = until_another(Arc::clone(&api), server.id, node.id).boxed();
    open(&api, Opening { user, asked, node, watch: query.watch, stays, upgrade }).await
}

fn no_websocket() -> Problem {
    Problem::bad(
        "a console is a WebSocket (RFC 6455): ask for it with `Upgrade: websocket` over HTTP/1.1, or use bmsctl console",
    )
}

/// What a console is opened with.
struct Opening {
    user: User,
    asked: Asked,
    node: Server,
    watch: bool,
    /// Ends when the server is not this caller's any more.
    stays: BoxFuture<'static, Problem>,
    upgrade: WebSocketUpgrade,
}

async fn open(api: &Arc<Api>, opening: Opening) -> Result<Response, Problem> {
    let Opening { user, asked, node, watch, stays, upgrade } = opening;
    let place = api.authenticator.shares.consoles.take(&user.known)?;
    let manner = if watch { Manner::Looks } else { Manner::Types };
    let console = api.agents.open_console(&node.rack, node.id, user.name(), manner).await?;
    if manner == Manner::Types {
        asked.write_down(&api.inventory, "console", &node.id.to_string()).await;
    }
    let held = Held::new(&api.authenticator, &user.token, &user.known);
    let ends = Ends { gone: held.gone(), stays };
    let watcher = Watcher { inventory: api.inventory.clone(), asked, node: node.id };
    Ok(upgrade.max_message_size(PIECE_BYTES_MAX).on_upgrade(async move |socket| {
        let _place = place;
        carry(socket, console, ends, watcher).await;
    }))
}

/// Whether a server's own system runs on a node in this state, or its tenant's rescue system: then its console shows nothing of ours.
fn is_tenants_own(state: &ProvisionState) -> bool {
    matches!(state, ProvisionState::Active | ProvisionState::Rescue)
}

impl Api {
    /// The node of a server that is in use. [`axum::http::StatusCode::CONFLICT`]: it is in our hands now.
    async fn node_in_use(&self, server: &TenantServer) -> Result<Server, Problem> {
        let node = match server.node.filter(|_| server.state == TenantServerState::Active) {
            Some(node) => self.inventory.server(node).await?,
            None => None,
        };
        let in_use = node.filter(|node| {
            node.node.as_ref().is_some_and(|seen| {
                is_tenants_own(&seen.provision_state)
                    && (seen.instance_id.is_none() || seen.instance_id == server.held_as())
            })
        });
        in_use.ok_or_else(|| {
            let (name, state) = (&server.name, server.state.word());
            Problem::conflict(format!(
                "server {name} is {state} or being prepared; its console is open while its own system, or its rescue \
                 system, runs on it"
            ))
        })
    }
}

/// Waits until a server is not in use on this node any more.
async fn until_another(api: Arc<Api>, server: Uuid, node: ServerId) -> Problem {
    loop {
        tokio::time::sleep(LOOK_AGAIN_EVERY).await;
        // A database that is away for a moment ends nothing.
        let Ok(found) = api.inventory.tenant_server(server).await else { continue };
        let Some(found) = found else { return Problem::not_found("server", &server.to_string()) };
        match api.node_in_use(&found).await {
            Ok(same) if same.id == node => {}
            Ok(_) => {
                return Problem::conflict("the server is on another machine now; open its console again");
            }
            Err(problem) if problem.status < 500 => return problem,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_a_tenants_only_while_nothing_of_ours_runs_there() {
        let check = |state: ProvisionState, expected: bool| {
            assert_eq!(is_tenants_own(&state), expected, "{state:?}");
        };
        check(ProvisionState::Active, true);
        check(ProvisionState::Rescue, true);
        for ours in [
            ProvisionState::Available,
            ProvisionState::Deploying,
            ProvisionState::WaitCallBack,
            ProvisionState::Rescuing,
            ProvisionState::RescueWait,
            ProvisionState::Unrescuing,
            ProvisionState::Deleting,
            ProvisionState::Cleaning,
            ProvisionState::CleanWait,
            ProvisionState::Unknown("new".into()),
        ] {
            check(ours, false);
        }
    }
}
