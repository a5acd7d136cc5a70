//! Edges: resources that are shown as a query wants them: with their links opened, as deep as it says, and the part of it that it names.
//!
//! What cannot be shown, is another server's, or would take too long, stays a link, as DSP0266 has it for what a service cannot expand.

use std::time::Duration;

use axum::extract::{Query as Parameters, Request};
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    Principal, RedfishFacade,
    answer::Failed,
    path::Resource,
    query::{Expand, OPENED_MAX, Query, Unanswerable, links, only_member, target},
};

/// Links are opened for so long; a BMC may be asked for some of them.
const OPEN_MAX: Duration = Duration::from_secs(20);

/// What may still be opened for one request.
struct Left {
    links: usize,
    until: Instant,
}

impl RedfishFacade {
    /// A resource as the query wants it.
    pub(super) async fn show(
        &self,
        resource: &Resource,
        principal: &Principal,
        query: Query,
    ) -> Result<Value, Failed> {
        let mut shown = self.get(resource, principal).await?;
        if query.only
            && let Some(member) = only_member(&shown).and_then(|path| own(path, principal))
        {
            return self.get(&member, principal).await;
        }
        if let Some(expand) = query.expand {
            let mut left = Left { links: OPENED_MAX, until: Instant::now() + OPEN_MAX };
            self.open(&mut shown, principal, expand, &mut left).await;
        }
        Ok(query.part_of(shown))
    }

    fn open<'a>(
        &'a self,
        shown: &'a mut Value,
        principal: &'a Principal,
        expand: Expand,
        left: &'a mut Left,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for link in links(shown, expand.which) {
                let Some(resource) = target(link).and_then(|path| own(path, principal)) else { continue };
                let Some(links) = left.links.checked_sub(1) else { return };
                left.links = links;
                match timeout_at(left.until, self.get(&resource, principal)).await {
                    Ok(Ok(found)) => *link = found,
                    Ok(Err(_)) => continue,
                    Err(_) => return,
                }
                if let Some(deeper) = expand.deeper() {
                    self.open(link, principal, deeper, left).await;
                }
            }
        })
    }
}

/// What a path names, unless that is another server's.
fn own(path: &str, principal: &Principal) -> Option<Resource> {
    Resource::parse(path).filter(|resource| resource.server().is_none_or(|id| id == principal.server.id))
}

/// What the query of a request asks.
pub(super) fn query_of(request: &Request) -> Result<Query, Failed> {
    let bad =
        |why: String| Failed::new(StatusCode::BAD_REQUEST, "Base.1.18.QueryParameterValueFormatError", why);
    let parameters = Parameters::<Vec<(String, String)>>::try_from_uri(request.uri())
        .map_err(|error| bad(format!("the query cannot be read: {error}")))?;
    Query::read(&parameters).map_err(|why| match why {
        Unanswerable::NotSupported(why) => {
            Failed::new(StatusCode::NOT_IMPLEMENTED, "Base.1.18.QueryNotSupported", why)
        }
        Unanswerable::BadValue(why) => bad(why),
    })
}
