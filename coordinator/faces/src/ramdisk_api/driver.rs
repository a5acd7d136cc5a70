//! Edges: one task for each connected ramdisk, which keeps Ironic informed of it.

use std::sync::Arc;

use domain::rim::{IronicRamdiskError, Token};
use protocol::{boot::BootPurpose, hardware::HardwareReport, secret::Secret};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::{
    Inner, Session,
    inventory::inspection_report,
    job,
    pace::{TRIES_MAX, heartbeat_after, retry_after},
    table::Table,
};

/// Runs until the ramdisk is gone, or Ironic has no more use for it.
pub(super) async fn run(inner: Arc<Inner>, session: Arc<Session>, hardware: HardwareReport) {
    let work = async {
        match session.purpose {
            BootPurpose::Inspect => inspect(&inner, &session, &hardware).await,
            BootPurpose::Clean | BootPurpose::Deploy | BootPurpose::Rescue => serve(&inner, &session).await,
        }
    };
    tokio::select! {
        end = work => {
            info!(server = %session.server, purpose = ?session.purpose, %end, "ironic is done with the ramdisk");
            session.say(end);
        }
        () = session.end.cancelled() => {}
    }
}

async fn inspect(inner: &Inner, session: &Session, hardware: &HardwareReport) -> String {
    let (name, hints) = match inner.hardware.server(session.server).await {
        Some(server) => (server.name, server.root_device),
        None => (session.server.to_string(), Default::default()),
    };
    let report = inspection_report(&name, hardware, &hints);
    for tried in 0..TRIES_MAX {
        match inner.ironic.continue_inspection(session.server, &report).await {
            Ok(()) => return "the inspection's result was delivered".to_owned(),
            Err(error @ IronicRamdiskError::Refused { .. }) => {
                warn!(server = %session.server, %error, "inspection result refused");
                return format!("the inspection's result was not taken: {error}");
            }
            Err(error @ (IronicRamdiskError::NotNow { .. } | IronicRamdiskError::Unavailable { .. })) => {
                debug!(server = %session.server, %error, "inspection result is not taken yet");
                session.say(format!("delivering the inspection's result: {error}"));
            }
        }
        sleep(retry_after(tried)).await;
    }
    warn!(server = %session.server, "inspection result could not be delivered");
    "the inspection's result could not be delivered".to_owned()
}

async fn serve(inner: &Arc<Inner>, session: &Arc<Session>) -> String {
    let token = match take_up(inner, session).await {
        Some(token) => token,
        None => match look_up(inner, session).await {
            Ok(token) => token,
            Err(reason) => {
                warn!(server = %session.server, %reason, "ramdisk cannot be handed to ironic");
                return reason;
            }
        },
    };
    heartbeats(inner, session, &token).await
}

/// The token of a session that an earlier process had begun; its job, if one was under way, starts again.
async fn take_up(inner: &Arc<Inner>, session: &Arc<Session>) -> Option<Secret> {
    let record = match inner.store.load(session.id).await {
        Ok(record) => record?,
        Err(error) => {
            warn!(server = %session.server, %error, "stored ramdisk session could not be read");
            return None;
        }
    };
    let table: Table = match serde_json::from_str(record.reveal()) {
        Ok(table) => table,
        Err(error) => {
            warn!(server = %session.server, %error, "stored ramdisk session is not readable");
            return None;
        }
    };
    let token = table.token.clone()?;
    let running = table.running();
    *session.table() = table;
    info!(server = %session.server, jobs = running.len(), "ramdisk session taken up again");
    for (id, job) in running {
        inner.tasks.spawn(job::run(inner.clone(), session.clone(), id, job));
    }
    Some(token)
}

async fn look_up(inner: &Inner, session: &Session) -> Result<Secret, String> {
    for tried in 0..TRIES_MAX {
        match inner.ironic.lookup(session.server).await {
            Ok(Token::GivenAway) => {
                return Err(
                    "Ironic has given this server's agent token to another ramdisk, or to an earlier run \
                            that could not store it; power the server off to start afresh"
                        .to_owned(),
                );
            }
            Ok(Token::Clear(token)) => {
                session.table().token = Some(token.clone());
                // Without this a restart would leave the server stuck: Ironic never shows the token again.
                if let Err(error) = inner.save(session).await {
                    warn!(server = %session.server, %error, "ramdisk token could not be stored");
                }
                return Ok(token);
            }
            Err(error @ IronicRamdiskError::Refused { .. }) => return Err(error.to_string()),
            Err(error @ (IronicRamdiskError::NotNow { .. } | IronicRamdiskError::Unavailable { .. })) => {
                debug!(server = %session.server, %error, "lookup is not answered yet");
                session.say(format!("asking Ironic for a token: {error}"));
            }
        }
        sleep(retry_after(tried)).await;
    }
    Err("Ironic gave no token for this ramdisk in time".to_owned())
}

async fn heartbeats(inner: &Inner, session: &Session, token: &Secret) -> String {
    let url = inner.callback_url(session.server);
    loop {
        let tried = session.table().count_heartbeat();
        match inner.ironic.heartbeat(session.server, token, &url, &inner.config.ca_pem).await {
            Ok(()) => {}
            Err(error @ IronicRamdiskError::Refused { .. }) => {
                // The token was wiped: Ironic has switched the server off, or is about to.
                return format!("no more heartbeats: {error}");
            }
            Err(error @ (IronicRamdiskError::NotNow { .. } | IronicRamdiskError::Unavailable { .. })) => {
                debug!(server = %session.server, %error, "heartbeat is not taken yet");
            }
        }
        let news = session.table().has_news();
        tokio::select! {
            () = sleep(heartbeat_after(news, tried)) => {}
            () = session.wake.notified() => {}
        }
    }
}
