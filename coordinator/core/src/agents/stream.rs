//! Edges: one agent's stream, from its hello to its end.

use std::{sync::Arc, time::Duration};

use domain::{
    events::EventKind,
    records::{Agent, AgentCertificate, Ramdisk},
};
use protocol::{
    convert::{Declaration, FromAgent, Hello, ToAgent},
    grpc,
    heartbeat::{HEARTBEAT_EVERY, HeartbeatsWanted},
    id::RackId,
    report::Report,
};
use store::InventoryError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::{info, warn};

use super::{
    arrival::{self, Peer},
    hub::{AgentHub, OUTBOX_MAX, Wire},
    renewal::Issuer,
    roster::{Newcomer, Rival},
};

/// An agent that does not say hello within this time is cut off.
const HELLO_WAIT_MAX: Duration = Duration::from_secs(10);
/// A report that cannot be stored is tried again after this pause; the agent waits with the next ones.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// So often; then the stream ends, and the agent comes again.
const STORE_TRIES: u32 = 30;

/// What an agent is sent, as a stream.
pub(super) type Outbound = mpsc::Receiver<ToAgent>;

/// An agent that has said hello.
pub(super) struct Greeted {
    pub hello: Hello,
    pub inbound: Streaming<grpc::AgentMessage>,
}

/// Waits for the hello.
pub(super) async fn greet(mut inbound: Streaming<grpc::AgentMessage>) -> Result<Greeted, Status> {
    let first = tokio::time::timeout(HELLO_WAIT_MAX, inbound.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 10 s"))??;
    let first = first.ok_or_else(|| Status::invalid_argument("the stream ended before a hello"))?;
    match FromAgent::try_from(first).map_err(|error| Status::invalid_argument(error.to_string()))? {
        FromAgent::Hello(hello) => Ok(Greeted { hello, inbound }),
        FromAgent::Report(_) | FromAgent::Heartbeat(_) | FromAgent::Renew(_) | FromAgent::Health(_) => {
            Err(Status::failed_precondition("something else came before the hello"))
        }
    }
}

/// An agent whose certificate was looked up.
pub(super) struct Admitted {
    pub peer: Peer,
    pub certificate: AgentCertificate,
    pub issuer: Arc<Issuer>,
}

/// Takes a greeted agent in: from now on commands reach it, and a task takes in its reports.
pub(super) async fn begin(
    hub: Arc<AgentHub>,
    greeted: Greeted,
    admitted: Admitted,
    stop: CancellationToken,
) -> Result<Outbound, Status> {
    let rack = greeted.hello.rack.clone();
    let newcomer = Newcomer {
        run: greeted.hello.agent_boot_id,
        peer: admitted.peer.clone(),
        follows: admitted.certificate.renewed_from,
    };
    // Before anything of the agent that is here is touched.
    if let Err(rival) = hub.meet(&rack, &newcomer) {
        return Err(refuse(&hub, &rack, &admitted.peer, rival).await);
    }
    let away = |error: InventoryError| Status::unavailable(error.to_string());
    let known = hub.inventory.agent(&rack).await.map_err(away)?;
    let servers = hub.inventory.servers(Some(&rack)).await.map_err(away)?;
    let running = hub.inventory.running_ramdisks().await.map_err(away)?;
    let Greeted { hello, inbound } = greeted;
    let acknowledged = known.as_ref().map_or(0, |agent| agent.acknowledged);
    let started_anew = known.is_none_or(|agent| agent.boot_id != hello.agent_boot_id.0);
    let (outbox, outbound) = mpsc::channel(OUTBOX_MAX);
    let specs: Vec<_> =
        servers.iter().filter(|server| !server.forgetting).map(|server| server.spec()).collect();
    hub.note_told(&specs);
    let first = [
        ToAgent::Welcome {
            coordinator: hub.name.clone(),
            acknowledged,
            heartbeats: Some(HeartbeatsWanted { every: HEARTBEAT_EVERY, at: hub.stream_time() }),
            certificate_days: Some(admitted.issuer.days),
            hardware: true,
            bmc_healths: true,
            certificates: true,
        },
        ToAgent::Declare(Declaration { servers: specs, forget: Vec::new(), complete: true }),
    ];
    for message in first {
        outbox.try_send(message).expect("a new channel has room for two messages");
    }
    let agent = Agent {
        rack: rack.clone(),
        boot_id: hello.agent_boot_id.0,
        version: hello.version.clone(),
        acknowledged,
        seen_us: hub.now_us(),
    };
    hub.inventory.put_agent(&agent).await.map_err(away)?;
    let end = stop.child_token();
    let linked = hub.link(
        &rack,
        newcomer,
        Wire {
            outbox: outbox.clone(),
            end: end.clone(),
            consoles: hello.consoles,
            console_records: hello.console_records,
            bmc_orders: hello.bmc_orders,
            cache_orders: hello.cache_orders,
            tunnels: hello.tunnels,
        },
    );
    let number = match linked {
        Ok(number) => number,
        // Two came in the same moment.
        Err(rival) => return Err(refuse(&hub, &rack, &admitted.peer, rival).await),
    };
    let text = format!(
        "the agent of rack {rack} connected from {} (version {}, run {})",
        admitted.peer, hello.version, hello.agent_boot_id
    );
    hub.inventory.record_event(None, Some(rack.clone()), EventKind::Agent, text).await;
    if started_anew {
        let ours = |ramdisk: &Ramdisk| servers.iter().any(|server| server.id == ramdisk.server);
        let expected = running.into_iter().filter(ours).collect();
        hub.expect_ramdisks(&rack, hello.agent_boot_id, expected);
    }
    tokio::spawn(async move {
        let left = hub.left_over(&rack, number);
        for command in left.again {
            let _ = outbox.send(ToAgent::Command(command)).await;
        }
        for (command, server) in left.ask_after {
            // It waits for reports, which are taken in below.
            tokio::spawn(Arc::clone(&hub).ask_after(rack.clone(), command, server));
        }
        hub.wake.wake_all(servers.into_iter().map(|server| server.id));
        let why = tokio::select! {
            () = end.cancelled() => {
                "it opened another stream, its certificate was revoked, or this coordinator is stopping".to_owned()
            }
            () = hub.watch_readings(&rack) => "its readings are not watched".to_owned(),
            why = take_in_all(&hub, &admitted, inbound, acknowledged, &outbox) => why,
        };
        if hub.unlink(&rack, number) {
            let text = format!("the agent of rack {rack} disconnected: {why}");
            hub.inventory.record_event(None, Some(rack.clone()), EventKind::Agent, text).await;
            if let Ok(servers) = hub.inventory.servers(Some(&rack)).await {
                hub.wake.wake_all(servers.into_iter().map(|server| server.id));
            }
        }
        info!(%rack, why, "agent stream ended");
    });
    Ok(outbound)
}

/// Tells of somebody who wants the place of an agent that is here.
async fn refuse(hub: &AgentHub, rack: &RackId, newcomer: &Peer, rival: Rival) -> Status {
    let Rival { present, is_news } = rival;
    warn!(%rack, %present, %newcomer, "second agent of a rack refused");
    if is_news {
        let text = arrival::alarm(rack, &present, newcomer);
        hub.inventory.record_event(None, Some(rack.clone()), EventKind::Alarm, text).await;
    }
    Status::already_exists(arrival::refusal(rack, &present))
}

/// Takes reports in until the stream ends, and says why it ended.
async fn take_in_all(
    hub: &AgentHub,
    admitted: &Admitted,
    mut inbound: Streaming<grpc::AgentMessage>,
    mut acknowledged: u64,
    outbox: &mpsc::Sender<ToAgent>,
) -> String {
    let rack = &admitted.certificate.rack;
    loop {
        let message = match inbound.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return "it closed its stream".to_owned(),
            Err(status) => return status.message().to_owned(),
        };
        let report = match FromAgent::try_from(message) {
            Ok(FromAgent::Report(report)) => report,
            Ok(FromAgent::Heartbeat(beat)) => {
                hub.heard(rack, beat.oldest_reading);
                let heard = ToAgent::Heard { number: beat.number, at: hub.stream_time() };
                if outbox.send(heard).await.is_err() {
                    return "its stream was closed".to_owned();
                }
                continue;
            }
            Ok(FromAgent::Health(healths)) => {
                hub.health_heard(rack, healths);
                continue;
            }
            Ok(FromAgent::Renew(key)) => {
                let renewed = hub.renew(&admitted.issuer, &admitted.certificate, &key).await;
                if outbox.send(ToAgent::Renewed(renewed)).await.is_err() {
                    return "its stream was closed".to_owned();
                }
                continue;
            }
            Ok(FromAgent::Hello(_)) => return "it said hello twice".to_owned(),
            Err(error) => return format!("it sent an invalid message: {error}"),
        };
        let seq = report.seq;
        if seq > acknowledged {
            if !store(hub, rack, report).await {
                return "its reports could not be stored".to_owned();
            }
            acknowledged = seq;
        }
        if outbox.send(ToAgent::Acknowledge { seq: acknowledged }).await.is_err() {
            return "its stream was closed".to_owned();
        }
    }
}

/// Stores a report and its number, trying again for a while when the database does not answer.
async fn store(hub: &AgentHub, rack: &RackId, report: Report) -> bool {
    let seq = report.seq;
    for _ in 0..STORE_TRIES {
        let stored = async {
            hub.take_in(rack, report.clone()).await?;
            hub.inventory.set_acknowledged(rack, seq).await
        };
        match stored.await {
            Ok(()) => return true,
            Err(error) => warn!(%rack, seq, error = %error, "report not stored"),
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }
    false
}
