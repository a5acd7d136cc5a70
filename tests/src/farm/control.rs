//! Edges: the HTTP address where a running farm is looked at and its faults are switched.
//!
//! ```text
//!   GET    /faults                    every fault by its name, and what it does
//!   GET    /bmcs[?group=NAME]         all BMCs, or a group's, as they are now
//!   GET    /bmcs/NAME                 one
//!   PUT    /bmcs/NAME/faults          a JSON list: these faults, and no others
//!   DELETE /bmcs/NAME/faults          none
//!   PUT, DELETE /groups/NAME/faults   the same for a whole group
//! ```
//!
//! It lets everybody in: it is for loopback, where the BMCs are.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use super::{fault::Fault, running::VirtualBmc};

type Bmcs = Arc<Vec<VirtualBmc>>;

/// The address, served until this is dropped.
#[derive(Debug)]
pub struct Control {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Control {
    pub(super) async fn start(addr: SocketAddr, bmcs: Bmcs) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(addr).await.with_context(|| format!("control address {addr}"))?;
        let addr = listener.local_addr()?;
        let router = Router::new()
            .route("/faults", get(known_faults))
            .route("/bmcs", get(list))
            .route("/bmcs/{name}", get(one))
            .route("/bmcs/{name}/faults", put(set_one).delete(clear_one))
            .route("/groups/{name}/faults", put(set_group).delete(clear_group))
            .with_state(bmcs);
        let task = tokio::spawn(async move {
            // It ends with the farm.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { addr, task: task.abort_handle() })
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

async fn known_faults() -> Json<Value> {
    let all = Fault::all();
    Json(all.into_iter().map(|(fault, what)| json!({ "fault": fault, "what": what })).collect())
}

async fn list(State(bmcs): State<Bmcs>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    if let Some(unknown) = query.keys().find(|key| *key != "group") {
        return refused(StatusCode::BAD_REQUEST, &format!("{unknown}: only group may be asked for"));
    }
    let group = query.get("group");
    let wanted = bmcs.iter().filter(|bmc| group.is_none_or(|group| bmc.group == *group));
    Json(wanted.map(VirtualBmc::status).collect::<Vec<_>>()).into_response()
}

async fn one(State(bmcs): State<Bmcs>, Path(name): Path<String>) -> Response {
    match bmcs.iter().find(|bmc| bmc.name == name) {
        Some(bmc) => Json(bmc.status()).into_response(),
        None => refused(StatusCode::NOT_FOUND, &format!("there is no BMC {name:?}; GET /bmcs lists them")),
    }
}

type Faults = Result<Json<Vec<Fault>>, JsonRejection>;

async fn set_one(State(bmcs): State<Bmcs>, Path(name): Path<String>, faults: Faults) -> Response {
    set(&bmcs, &name, |bmc| bmc.name == name, faults)
}

async fn clear_one(State(bmcs): State<Bmcs>, Path(name): Path<String>) -> Response {
    set(&bmcs, &name, |bmc| bmc.name == name, Ok(Json(vec![])))
}

async fn set_group(State(bmcs): State<Bmcs>, Path(name): Path<String>, faults: Faults) -> Response {
    set(&bmcs, &name, |bmc| bmc.group == name, faults)
}

async fn clear_group(State(bmcs): State<Bmcs>, Path(name): Path<String>) -> Response {
    set(&bmcs, &name, |bmc| bmc.group == name, Ok(Json(vec![])))
}

fn set(bmcs: &[VirtualBmc], name: &str, is_meant: impl Fn(&VirtualBmc) -> bool, faults: Faults) -> Response {
    let faults = match faults {
        Ok(Json(faults)) => faults,
        Err(error) => {
            let why = format!("{}; GET /faults lists what there is", error.body_text());
            return refused(StatusCode::BAD_REQUEST, &why);
        }
    };
    let mut changed = 0;
    for bmc in bmcs.iter().filter(|bmc| is_meant(bmc)) {
        if let Err(error) = bmc.set_faults(faults.clone()) {
            return refused(StatusCode::BAD_REQUEST, &format!("{error:#}"));
        }
        changed += 1;
    }
    if changed == 0 {
        return refused(
            StatusCode::NOT_FOUND,
            &format!("there is no {name:?}; GET /bmcs lists what there is"),
        );
    }
    Json(json!({ "changed": changed })).into_response()
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
