//! Edges: serial consoles in the API, by WebSocket: of a node for administrators, of a server for its own project.
//!
//! A binary message is characters, a text message a word of [`api_types::ConsoleSaid`] or [`api_types::ConsoleAsks`]. What must stay
//! true: nobody is at a console who may not be there now (a token that ends, a role that is taken away, a server that is given back,
//! or is in our ramdisk, ends it), a project sees its own server only and only from the start of its tenancy on, and who typed and
//! who took the keyboard is in the audit.

mod carry;
pub mod log;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{State, ws::WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
};
use coordinator_core::agents::Visit;
use domain::records::{Server, TenantServer, TenantServerState};
use futures::{FutureExt, future::BoxFuture};
use protocol::{
    console::{Manner, PIECE_BYTES_MAX},
    id::{ServerId, TenancyId},
};
use serde::Deserialize;
use tokio::sync::Notify;
use uuid::Uuid;

use self::carry::{Ends, Watcher, carry};
use super::{
    Api,
    auth::User,
    request::{Path, Query},
};
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
    let (stays, look) = (std::future::pending().boxed(), Arc::default());
    open(&api, Opening { user, asked, node, tenancy: None, watch: query.watch, stays, look, upgrade }).await
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
    let (tenancy, look) = (node.tenancy(), Arc::<Notify>::default());
    let stays = until_another(Arc::clone(&api), server.id, node.id, Arc::clone(&look)).boxed();
    open(&api, Opening { user, asked, node, tenancy, watch: query.watch, stays, look, upgrade }).await
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
    /// It is there only while the server is this tenancy's; none: whosever it is.
    tenancy: Option<TenancyId>,
    watch: bool,
    /// Ends when the server is not this caller's any more.
    stays: BoxFuture<'static, Problem>,
    /// Has that looked at now.
    look: Arc<Notify>,
    upgrade: WebSocketUpgrade,
}

async fn open(api: &Arc<Api>, opening: Opening) -> Result<Response, Problem> {
    let Opening { user, asked, node, tenancy, watch, stays, look, upgrade } = opening;
    let place = api.authenticator.shares.consoles.take(&user.known)?;
    let manner = if watch { Manner::Looks } else { Manner::Types };
    let visit = Visit { who: user.name(), manner, tenancy };
    let console = api.agents.open_console(&node, visit).await?;
    if manner == Manner::Types {
        asked.write_down(&api.inventory, "console", &node.id.to_string()).await;
    }
    let held = Held::new(&api.authenticator, &user.token, &user.known);
    let ends = Ends { gone: held.gone(), stays, look };
    let sees_all = tenancy.is_none();
    let watcher = Watcher { inventory: api.inventory.clone(), asked, node: node.id, sees_all };
    Ok(upgrade.max_message_size(PIECE_BYTES_MAX).on_upgrade(async move |socket| {
        let _place = place;
        carry(socket, console, ends, watcher).await;
    }))
}

/// In whose name a project's server is carried by Ironic, and its console recorded.
fn tenancy_of(server: &TenantServer) -> Option<TenancyId> {
    server.held_as().map(TenancyId)
}

impl Api {
    /// The node of a server that is in use. [`axum::http::StatusCode::CONFLICT`]: it is in our hands now.
    async fn node_in_use(&self, server: &TenantServer) -> Result<Server, Problem> {
        let node = match server.node.filter(|_| server.state == TenantServerState::Active) {
            Some(node) => self.inventory.server(node).await?,
            None => None,
        };
        let in_use = node.filter(|node| node.tenancy().is_some() && node.tenancy() == tenancy_of(server));
        in_use.ok_or_else(|| {
            let (name, state) = (&server.name, server.state.word());
            Problem::conflict(format!(
                "server {name} is {state} or being prepared; its console is open while its own system, or its rescue \
                 system, runs on it"
            ))
        })
    }
}

/// Waits until a server is not in use on this node any more. Looked at at once when that is asked for.
async fn until_another(api: Arc<Api>, server: Uuid, node: ServerId, look: Arc<Notify>) -> Problem {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN_EVERY) => {}
            () = look.notified() => {}
        }
        // A database that is away for a moment ends nothing.
        let Ok(found) = api.inventory.tenant_server(server).await else { continue };
        let Some(found) = found else { return Problem::not_found("server", &server.to_string()) };
        match api.node_in_use(&found).await {
            Ok(same) if same.id == node => {}
            Ok(_) => return moved(),
            Err(problem) if problem.status < 500 => return problem,
            Err(_) => {}
        }
    }
}

/// Waits until a server is gone, or is on another node.
async fn until_moved(api: Arc<Api>, server: Uuid, node: ServerId) -> Problem {
    loop {
        tokio::time::sleep(LOOK_AGAIN_EVERY).await;
        match api.inventory.tenant_server(server).await {
            Ok(None) => return Problem::not_found("server", &server.to_string()),
            Ok(Some(found)) if found.node != Some(node) => return moved(),
            Ok(Some(_)) | Err(_) => {}
        }
    }
}

fn moved() -> Problem {
    Problem::conflict("the server is on another machine now; open its console again")
}
