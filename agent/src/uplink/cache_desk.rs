//! Edges: orders of the coordinator's for the rack's image cache. Each is answered by a call of its own, so that a long list never stands in
//! front of a report.

use std::sync::Arc;

use protocol::{
    error_chain::chain,
    grpc as wire,
    image_cache::{CacheAnswer, CacheOrder},
};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::client::{UplinkConfig, UplinkError, dial};
use crate::image::Cache;

/// Orders that are carried out and answered at the same time; one beyond is dropped, and whoever gave it hears nothing.
const ORDERS_AT_ONCE: usize = 8;

/// Carries out orders for the cache.
#[derive(Clone)]
pub struct CacheDesk {
    config: Arc<UplinkConfig>,
    cache: Arc<Cache>,
    places: Arc<Semaphore>,
}

impl CacheDesk {
    /// For this cache, over connections made by this configuration.
    pub fn new(config: Arc<UplinkConfig>, cache: Arc<Cache>) -> Self {
        Self { config, cache, places: Arc::new(Semaphore::new(ORDERS_AT_ONCE)) }
    }

    /// Carries an order out and answers it, beside everything else.
    pub fn take(&self, order: CacheOrder) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            warn!(order = %order.id, "too many orders for the image cache, one is dropped");
            return;
        };
        let this = self.clone();
        tokio::spawn(async move {
            let CacheOrder { id, verb } = order;
            let outcome = this.cache.order(verb).await;
            info!(order = %id, refused = outcome.as_ref().err(), "order for the image cache");
            if let Err(error) = this.answer(CacheAnswer { id, outcome }).await {
                warn!(order = %id, error = %chain(&error), "order for the image cache could not be answered");
            }
            drop(place);
        });
    }

    async fn answer(&self, answer: CacheAnswer) -> Result<(), UplinkError> {
        let mut client = wire::agent_link_client::AgentLinkClient::new(dial(&self.config).await?);
        let heard = client.answer_cache(wire::CacheAnswer::from(answer)).await;
        heard.map(drop).map_err(|status| UplinkError::Ended(status.message().to_owned()))
    }
}
