//! Edges: the console of a BMC that offers it by WebSocket, as OpenBMC does; where it does not, by serial over LAN with the same
//! user.
//!
//! The connection is an ordinary request of this service's client, so that certificate, log-in and its budget are the same.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::{
    StatusCode,
    header::{CONNECTION, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use protocol::{
    identity::ExpectedIdentity,
    ipmi::{self, sol::line::Take},
    spec::{BmcEndpoint, BmcProtocol},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::client::generate_key,
        protocol::{Role, WebSocketConfig},
    },
};
use tracing::debug;

use super::{RedfishBmc, fault::Fault, stream::Stream};
use crate::bmc::{
    Bmc, BmcError, BmcOptions, IpmiBmc, LogIns,
    budget::Budget,
    console::{self, Console, Far, Heard, Typed},
    keys::Keys,
    who::Who,
};

/// Where OpenBMC has the first console of its host; older releases know the first of them only.
const PATHS: [&str; 2] = ["/console0", "/console/default"];
/// Largest message of the service.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

impl RedfishBmc {
    /// Opens the console by the first way that there is.
    pub(super) async fn open_console(&self, take: Take) -> Result<Console, BmcError> {
        let mut state = self.begin().await;
        // Nothing is typed at another machine.
        self.system(&mut state).await?;
        for path in PATHS {
            match state.http.upgrade(path).await {
                Ok((stream, begun)) => return Ok(carried(stream, begun).await),
                Err(Fault::Refused(refused)) if says_there_is_none(refused.status) => {
                    debug!(bmc = self.address, path, "no console by WebSocket there");
                }
                Err(fault) => return Err(self.error(fault)),
            }
        }
        drop(state);
        self.by_ipmi.console(take).await.map_err(|error| BmcError::Refused {
            address: self.address.clone(),
            reason: format!(
                "it has no console by WebSocket at {}, and none by serial over LAN: {error}",
                PATHS.join(" or ")
            ),
        })
    }
}

/// The same BMC by IPMI. Nothing is asked of it before somebody wants a console that Redfish has not.
pub(super) fn by_ipmi(
    endpoint: &BmcEndpoint,
    keys: Keys,
    limits: (BmcOptions, Budget),
    log_ins: LogIns,
) -> IpmiBmc {
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Ipmi { cipher_suite: None },
        port: ipmi::PORT,
        ..endpoint.clone()
    };
    // What it says of itself in this language, nobody knows; what it said by Redfish was compared a moment ago.
    IpmiBmc::new(endpoint, None, Who::new(ExpectedIdentity::default()), keys, limits, log_ins)
}

/// Whether this answer says that there is nothing of the kind: no such path, or a page instead of another language.
fn says_there_is_none(status: Option<StatusCode>) -> bool {
    let none = [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::NOT_IMPLEMENTED,
        StatusCode::BAD_REQUEST,
    ];
    status.is_some_and(|status| status.is_success() || none.contains(&status))
}

/// The headers that ask for it (RFC 6455, section 4.1).
pub(super) fn headers() -> [(HeaderName, String); 4] {
    [
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_VERSION, "13".to_owned()),
        (SEC_WEBSOCKET_KEY, generate_key()),
    ]
}

async fn carried(stream: Stream, begun: Bytes) -> Console {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let socket =
        WebSocketStream::from_partially_read(stream, begun.to_vec(), Role::Client, Some(config)).await;
    let (console, far) = console::pair();
    tokio::spawn(carry(socket, far));
    console
}

/// Both ways, until either end is gone.
async fn carry(mut socket: WebSocketStream<Stream>, far: Far) {
    let Far { mut typed, heard } = far;
    loop {
        tokio::select! {
            message = socket.next() => {
                let characters = match message {
                    Some(Ok(Message::Binary(characters))) => characters,
                    Some(Ok(Message::Text(characters))) => characters.into(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_))) | None => {
                        let _ = heard.send(Heard::Lost("the BMC has closed its console".to_owned())).await;
                        return;
                    }
                    Some(Err(error)) => {
                        let why = format!("the connection to the BMC's console broke: {error}");
                        let _ = heard.send(Heard::Lost(why)).await;
                        return;
                    }
                };
                if heard.send(Heard::Characters(characters)).await.is_err() {
                    return;
                }
            }
            typed = typed.recv() => match typed {
                Some(Typed::Characters(characters)) => {
                    // What could not be sent is seen as a broken connection.
                    let _ = socket.send(Message::Binary(characters)).await;
                }
                Some(Typed::Break) => {
                    let why = "this BMC's console is a WebSocket, which carries no break";
                    let _ = heard.send(Heard::Cannot(why)).await;
                }
                None => {
                    let _ = socket.close(None).await;
                    return;
                }
            },
        }
    }
}
