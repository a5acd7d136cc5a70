//! Edges: requests that come through a proxy count as their client's, for everything that asks where one is from.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::map_request,
};

use super::hops::Proxies;

/// Routes to whom a request through one of these proxies is its client's: its address stands in [`ConnectInfo`]. What the
/// proxy itself may have is the listener's matter.
pub fn behind(router: Router, proxies: Proxies) -> Router {
    if proxies.are_none() {
        return router;
    }
    router.layer(map_request(move |mut request: Request| {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        if let Some(peer) = peer {
            let client = proxies.client(peer.ip(), request.headers());
            if client != peer.ip().to_canonical() {
                // Which port of the client it was, the proxy knows.
                request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, 0)));
            }
        }
        std::future::ready(request)
    }))
}
