//! Edges: the web pages under `/ui/`, for people without a command line.
//!
//! ```text
//!   browser --- form, page ---> handlers here --- the visitor's token ---> the REST API's routes, in this process
//!      ^-------- "changed" ---- live.rs <--- events
//! ```
//!
//! What must stay true: the pages do nothing that the REST API would refuse, and who may use which stands in
//! [`crate::access::PAGES`]; the token never reaches a script, another
//! site or a log; every form carries the session's secret; nothing is loaded from anywhere else; every page works
//! without the script, which only reads live parts anew when something changed.

mod actions;
mod asset;
mod audit;
mod boots;
mod brake;
mod catalogue;
mod chart;
mod console;
mod discoveries;
mod disk;
mod erase_certificates;
mod factory_passwords;
mod form;
mod found;
mod health;
mod image_caches;
mod inside;
mod live;
mod new_server;
mod nodes;
mod onboard;
mod page;
mod part;
mod pools;
mod proof;
mod rest;
mod rules;
pub(crate) mod seen;
mod servers;
mod session;
mod shelf;
mod shelves;
mod signin;
mod upload;
mod view;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};
use domain::import::FILE_BYTES_MAX;
use store::{
    Inventory,
    clock::{Clock, SystemClock},
    secret::Sealer,
};

use crate::{
    access::{Authenticator, PAGES},
    audit::{Witness, witness},
    problem::Problem,
};
use brake::Brake;
use factory_passwords::FactoryPasswords;
use page::fixed;
use rest::Rest;
use session::Visitor;

/// Largest form, but for import files.
const FORM_BYTES_MAX: usize = 256 << 10;

/// What a browser may do with our pages: load style and script from here, send forms here, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the pages need.
pub struct Ui {
    rest: Rest,
    authenticator: Arc<Authenticator>,
    inventory: Inventory,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    brake: Mutex<Brake>,
}

/// The pages in front of the API: its routes, with ours beside them.
pub fn router(
    api: Router,
    authenticator: Arc<Authenticator>,
    inventory: Inventory,
    sealer: Sealer,
) -> Router {
    let ui = Arc::new(Ui {
        rest: Rest::new(api.clone()),
        authenticator,
        inventory,
        sealer,
        clock: Arc::new(SystemClock),
        brake: Mutex::default(),
    });
    let pages = routes()
        .0
        .route_layer(from_fn_with_state(Arc::clone(&ui), session::admit))
        .route_layer(from_fn_with_state(Witness::new(ui.inventory.clone(), PAGES), witness))
        // Around it, because a refusal is a page, too.
        .layer(map_response(guard))
        .with_state(ui);
    api.merge(pages)
}

/// Routes with their paths, which a test compares with the table of pages.
#[derive(Default)]
pub(crate) struct Routes(pub Router<Arc<Ui>>, pub Vec<String>);

impl Routes {
    /// One more.
    fn route(mut self, path: &str, methods: MethodRouter<Arc<Ui>>) -> Self {
        self.1.push(path.to_owned());
        Self(self.0.route(path, methods), self.1)
    }

    /// Something around all that there are so far.
    fn map(self, around: impl FnOnce(Router<Arc<Ui>>) -> Router<Arc<Ui>>) -> Self {
        Self(around(self.0), self.1)
    }
}

/// Every page and form.
pub(crate) fn routes() -> Routes {
    let pages = Routes::default()
        .route("/ui", get(async || Redirect::permanent("/ui/")))
        .route("/ui/", get(home))
        .route("/ui/sign-in", get(signin::form).post(signin::sign_in))
        .route("/ui/sign-out", post(signin::sign_out))
        .route("/ui/nodes", get(nodes::list))
        .route("/ui/add", get(onboard::add_form).post(onboard::add))
        .route("/ui/nodes/{node}", get(nodes::show))
        .route("/ui/nodes/{node}/act", post(nodes::act).get(to_node))
        .route("/ui/nodes/{node}/console", get(console::of_node))
        .route("/ui/nodes/{node}/console/socket", get(console::node_socket))
        .route("/ui/nodes/{node}/console/log", get(console::node_log))
        .route("/ui/nodes/{node}/delete", post(nodes::delete).get(to_node))
        .route("/ui/discoveries", get(discoveries::list))
        .route("/ui/discoveries/scan", post(discoveries::scan).get(discoveries::to_list))
        .route("/ui/discoveries/window", post(discoveries::window).get(discoveries::to_list))
        .route("/ui/discoveries/{id}", get(discoveries::show).post(discoveries::accept))
        .route("/ui/discoveries/{id}/act", post(discoveries::act).get(discoveries::to_list))
        .route("/ui/pools/apply", post(pools::apply).get(async || Redirect::to("/ui/pools")))
        .route("/ui/image-caches", post(image_caches::warm).get(image_caches::to_images))
        .route(
            "/ui/image-caches/{rack}/{cached}/delete",
            post(image_caches::remove).get(image_caches::to_images),
        )
        .route("/ui/agents", get(catalogue::agents))
        .route("/ui/events", get(catalogue::events))
        .route("/ui/audit", get(audit::list))
        .route("/ui/erase-certificates", get(erase_certificates::list))
        .route("/ui/erase-certificates/{id}", get(erase_certificates::show))
        .route("/ui/catalogue", get(catalogue::catalogue))
        .route("/ui/servers", get(servers::list))
        .route("/ui/new", get(new_server::form).post(new_server::create))
        .route("/ui/servers/{server}", get(servers::show))
        .route("/ui/servers/{server}/act", post(servers::act).get(to_server))
        .route("/ui/servers/{server}/console", get(console::of_server))
        .route("/ui/servers/{server}/console/socket", get(console::server_socket))
        .route("/ui/servers/{server}/console/log", get(console::server_log))
        .route("/ui/servers/{server}/delete", post(servers::delete).get(to_server))
        .route("/ui/live", get(live::stream));
    let pages = shelf::routes::<shelves::Images>(pages);
    let pages = shelf::routes::<shelves::Flavors>(pages);
    let pages = shelf::routes::<pools::Pools>(pages);
    let pages = shelf::routes::<rules::Rules>(pages);
    let pages = shelf::routes::<shelves::Networks>(pages)
        .map(|pages| pages.layer(DefaultBodyLimit::max(FORM_BYTES_MAX)));
    shelf::routes_of_files::<FactoryPasswords, _, _>(pages, factory_passwords::import)
        .route("/ui/import", get(onboard::import_form).post(onboard::import))
        // Everything around the file is small.
        .map(|pages| pages.layer(DefaultBodyLimit::max(FILE_BYTES_MAX + FORM_BYTES_MAX)))
        .route("/ui/{*rest}", get(nothing))
        .route("/ui/style.css", get(asset::style))
        .route("/ui/live.js", get(asset::script))
        .route("/ui/console.js", get(asset::console))
        .route("/ui/icon.svg", get(asset::icon))
}

/// Headers by which a browser protects our pages.
async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, fixed(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, fixed("DENY"));
    headers.insert(header::REFERRER_POLICY, fixed("same-origin"));
    // What is made for one visitor is kept by nobody; what is the same for all says itself how long.
    headers.entry(header::CACHE_CONTROL).or_insert(fixed("no-store"));
    response
}

/// Where somebody begins.
async fn home(visitor: Visitor) -> Redirect {
    Redirect::to(if visitor.known.standing.sees_all() { "/ui/nodes" } else { "/ui/servers" })
}

/// A refused action's page has the action's address; whoever loads it again gets the server's page.
async fn to_node(axum::extract::Path(name): axum::extract::Path<String>) -> Redirect {
    Redirect::to(&format!("/ui/nodes/{}", domain::url_text::segment(&name)))
}

async fn to_server(axum::extract::Path(name): axum::extract::Path<String>) -> Redirect {
    Redirect::to(&format!("/ui/servers/{}", domain::url_text::segment(&name)))
}

async fn nothing(visitor: Option<Visitor>) -> Response {
    let problem = Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such page");
    page::failure(visitor.as_ref(), &problem).into_response()
}
