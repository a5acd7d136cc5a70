//! Edges: what is done within a request that stays open: a console is typed at, its keyboard is taken.

use axum::{http::StatusCode, response::IntoResponse};
use http::Method;
use store::Inventory;

use super::{Asked, Open, Witness};
use crate::access::ROUTES;

impl Asked {
    /// Writes down that this was done to an object in the name of whoever asked.
    pub async fn write_down(&self, inventory: &Inventory, action: &str, object: &str) {
        self.does(action);
        let witness = Witness::new(inventory.clone(), ROUTES);
        let open = Open::new(&witness, self, &Method::GET, Some(object.to_owned()));
        open.close(StatusCode::SWITCHING_PROTOCOLS.into_response()).await;
    }
}
