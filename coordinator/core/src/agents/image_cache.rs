//! Edges: the racks' image caches: looked at, filled beforehand, and images dropped from them.
//!
//! What must stay true: an agent is given an image beforehand only when that was ordered for its rack, and only for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::rim::AgentError;
use protocol::{
    command::{Failure, FailureKind},
    convert::ToAgent,
    grpc,
    id::{CacheOrderId, RackId},
    image_cache::{CacheAnswer, CacheOrder, CacheState, CacheVerb, CachedImage, Standing},
};
use tokio::sync::oneshot;
use tonic::Status;

use super::hub::AgentHub;

/// How long an agent may take to answer an order for its cache.
pub const CACHE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long an image that was ordered beforehand may be asked for; each time it is, this begins anew.
const WARM_PERMIT: Duration = Duration::from_secs(60 * 60);
/// Most images that are permitted to one rack beforehand; an agent fetches fewer at once.
const WARMS_PER_RACK_MAX: usize = 64;

/// Orders that were not answered yet: for which rack, and whom to tell.
type Asked = HashMap<CacheOrderId, (RackId, oneshot::Sender<Result<CacheState, String>>)>;

/// Orders under way, and what was ordered beforehand.
#[derive(Default)]
pub(super) struct Caches {
    asked: Mutex<Asked>,
    warmed: Mutex<HashMap<(RackId, String), Instant>>,
}

impl Caches {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        // The map holds no invariant across a panic.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warmed(&self) -> MutexGuard<'_, HashMap<(RackId, String), Instant>> {
        self.warmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this image was ordered for this rack beforehand; asked for again, it is permitted longer.
    pub(super) fn is_warmed(&self, rack: &RackId, image: &str, now: Instant) -> bool {
        let mut warmed = self.warmed();
        warmed.retain(|_, until| *until > now);
        let until = warmed.get_mut(&(rack.clone(), image.to_owned()));
        until.map(|until| *until = now + WARM_PERMIT).is_some()
    }

    fn permit(&self, rack: &RackId, image: &str, now: Instant) -> Result<(), AgentError> {
        let mut warmed = self.warmed();
        warmed.retain(|_, until| *until > now);
        let key = (rack.clone(), image.to_owned());
        let of_rack = warmed.keys().filter(|(of, _)| of == rack).count();
        if of_rack >= WARMS_PER_RACK_MAX && !warmed.contains_key(&key) {
            return Err(refused(format!(
                "{WARMS_PER_RACK_MAX} images are being fetched into the cache of rack {rack} beforehand; repeat the request when they \
                 have arrived"
            )));
        }
        warmed.insert(key, now + WARM_PERMIT);
        Ok(())
    }

    /// What has arrived, or could not be fetched, is not asked for any more.
    fn settle(&self, rack: &RackId, images: &[CachedImage]) {
        let mut warmed = self.warmed();
        for CachedImage { id, standing, .. } in images {
            if let (Some(id), Standing::Whole { .. } | Standing::Failed(_)) = (id, standing) {
                warmed.remove(&(rack.clone(), id.clone()));
            }
        }
    }

    /// Takes an agent's answer to whoever waits for it.
    pub(super) fn answer(&self, rack: &RackId, answer: grpc::CacheAnswer) -> Result<(), Status> {
        let CacheAnswer { id, outcome } =
            answer.try_into().map_err(|error: protocol::convert::InvalidMessage| {
                Status::invalid_argument(error.to_string())
            })?;
        let nobody = || Status::not_found("nobody waits for this answer");
        let mut asked = self.asked();
        // Another rack's agent learns nothing of it, and takes nothing away.
        asked.get(&id).filter(|(of, _)| of == rack).ok_or_else(nobody)?;
        let (_, tell) = asked.remove(&id).ok_or_else(nobody)?;
        tell.send(outcome).map_err(|_| nobody())
    }
}

/// An order that is waited for; it is not any more when this is dropped.
struct Waiting<'a> {
    caches: &'a Caches,
    id: CacheOrderId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.caches.asked().remove(&self.id);
    }
}

impl AgentHub {
    /// Has a rack's agent do something with its image cache; gives what is in it then.
    pub async fn image_cache(&self, rack: &RackId, verb: CacheVerb) -> Result<CacheState, AgentError> {
        let outbox = self.outbox(rack).ok_or_else(|| self.is_away(rack))?;
        if !self.can(rack, |wire| wire.cache_orders) {
            return Err(refused(format!(
                "the agent of rack {rack} is too old to show its image cache; update it"
            )));
        }
        if let CacheVerb::Warm(image) = &verb {
            // Before the agent asks for it.
            self.caches.permit(rack, &image.id, Instant::now())?;
        }
        let id = CacheOrderId::random();
        let (tell, told) = oneshot::channel();
        self.caches.asked().insert(id, (rack.clone(), tell));
        let _waiting = Waiting { caches: &self.caches, id };
        let asked = async {
            outbox.send(ToAgent::Cache(CacheOrder { id, verb })).await.map_err(|_| self.is_away(rack))?;
            told.await.map_err(|_| self.is_away(rack))
        };
        match tokio::time::timeout(CACHE_WAIT_MAX, asked).await {
            Ok(Ok(Ok(state))) => {
                self.caches.settle(rack, &state.images);
                Ok(state)
            }
            Ok(Ok(Err(why))) => Err(refused(why)),
            Ok(Err(away)) => Err(away),
            Err(_) => {
                let reason =
                    format!("did not answer for its image cache within {} s", CACHE_WAIT_MAX.as_secs());
                Err(AgentError::Away { rack: rack.clone(), reason })
            }
        }
    }
}

fn refused(message: String) -> AgentError {
    AgentError::Failed(Failure { kind: FailureKind::ImageUnavailable, message })
}

/// Takes in what an agent answered.
pub(super) fn arrive(
    hub: &Arc<AgentHub>,
    rack: &RackId,
    answer: grpc::CacheAnswer,
) -> Result<grpc::CacheHeard, Status> {
    hub.caches.answer(rack, answer)?;
    Ok(grpc::CacheHeard {})
}
