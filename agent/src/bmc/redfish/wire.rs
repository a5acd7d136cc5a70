//! Edges: one HTTP/1.1 connection to a service, kept from one request to the next.
//!
//! There are thousands of them, and nearly all rest. So a connection that rests is its stream and nothing else: it has no task and no
//! buffers. Whoever asks brings HTTP to the stream, moves it while he waits, and takes the stream back when the answer has come to its
//! end.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
    header::{HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::{
    request::{Request, Unsendable},
    stream::{Place, Stream},
    unanswered::WireError,
};

/// A stream that has rested longer is not used again: services close theirs at some time, and say so or not.
const REST_MAX: Duration = Duration::from_secs(90);

/// The connection to one service, made when it is needed.
pub(super) struct Wire {
    place: Place,
    host: HeaderValue,
    /// None: there is none, or it is in use.
    resting: Option<(Instant, Stream)>,
}

impl Wire {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The host's name is none of HTTP.
    pub(super) fn new(place: Place) -> Result<Self, Unsendable> {
        let host = if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.clone() };
        let usual = if place.tls.is_some() { 443 } else { 80 };
        let host = if place.port == usual { host } else { format!("{host}:{}", place.port) };
        let host = HeaderValue::from_str(&host).map_err(|_| Unsendable::Header(hyper::header::HOST))?;
        Ok(Self { place, host, resting: None })
    }

    /// Another connection to the same service.
    pub(super) fn another(&self) -> Self {
        Self { place: self.place.clone(), host: self.host.clone(), resting: None }
    }

    /// Sends a request, and waits for the head of its answer. A kept stream that its service has closed meanwhile is replaced by a new
    /// one: nothing was asked on it yet.
    pub(super) async fn begin(&mut self, request: &Request) -> Result<Exchange, WireError> {
        let until = Instant::now() + request.time;
        match tokio::time::timeout_at(until, self.begin_now(request, until)).await {
            Ok(begun) => begun,
            Err(_) => Err(WireError::Time(request.time)),
        }
    }

    async fn begin_now(&mut self, request: &Request, until: Instant) -> Result<Exchange, WireError> {
        loop {
            let kept = self.resting.take().filter(|(since, _)| since.elapsed() < REST_MAX);
            let is_kept = kept.is_some();
            let stream = match kept {
                Some((_, stream)) => stream,
                None => self.place.connect().await?,
            };
            let (mut sender, connection) = settings().handshake(TokioIo::new(stream)).await?;
            let mut moved = Moved { connection, has_ended: false };
            if is_kept && moved.has_ended_meanwhile().await {
                continue;
            }
            let time = request.time;
            let sent = sender.try_send_request(request.to(&self.host)?);
            match moved.along(sent).await {
                Ok(response) => return Ok(Exchange { moved, sender, response, until, time }),
                Err(mut failed) => {
                    let was_not_asked = failed.take_message().is_some();
                    if !is_kept || !was_not_asked {
                        return Err(failed.into_error().into());
                    }
                }
            }
        }
    }

    /// Takes the stream back from an exchange that has come to its end, if the service leaves it open. What was answered stays.
    pub(super) async fn take_back(&mut self, exchange: Exchange) -> (StatusCode, HeaderMap) {
        let Exchange { mut moved, sender, response, .. } = exchange;
        let (head, _) = response.into_parts();
        if !moved.has_ended_meanwhile().await && sender.is_ready() {
            let parts = moved.connection.into_parts();
            // What comes unasked is nobody's answer.
            if parts.read_buf.is_empty() {
                self.resting = Some((Instant::now(), parts.io.into_inner()));
            }
        }
        (head.status, head.headers)
    }
}

/// HTTP as lenient as services need it.
fn settings() -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    settings
}

/// A connection, moved by whoever waits for something of it.
struct Moved {
    connection: Connection<TokioIo<Stream>, Full<Bytes>>,
    has_ended: bool,
}

impl Moved {
    /// What it ends with is told to whoever waits for an answer or a body.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if !self.has_ended && self.connection.poll_without_shutdown(cx).is_ready() {
            self.has_ended = true;
        }
    }

    async fn along<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            self.poll(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }

    async fn has_ended_meanwhile(&mut self) -> bool {
        poll_fn(|cx| {
            self.poll(cx);
            Poll::Ready(self.has_ended)
        })
        .await
    }
}

/// A request whose answer has begun.
pub(super) struct Exchange {
    moved: Moved,
    sender: SendRequest<Full<Bytes>>,
    response: Response<Incoming>,
    /// When its time is over.
    until: Instant,
    time: Duration,
}

impl Exchange {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its body may come for so long from now on.
    pub(super) fn may_last(&mut self, time: Duration) {
        (self.until, self.time) = (Instant::now() + time, time);
    }

    /// What comes next of the body; none: it has come to its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        let Self { moved, response, .. } = self;
        let next = async {
            loop {
                match response.body_mut().frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(error),
                    // Trailers say nothing here.
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            }
        };
        match tokio::time::timeout_at(self.until, moved.along(next)).await {
            Ok(chunk) => Ok(chunk?),
            Err(_) => Err(WireError::Time(self.time)),
        }
    }

    /// The stream of a connection that speaks something else from now on, and what has come on it already.
    pub(super) async fn upgraded(mut self) -> (Stream, Bytes) {
        self.moved.along(poll_fn(|_| Poll::Ready(()))).await;
        let parts = self.moved.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use hyper::Method;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const WAIT: Duration = Duration::from_secs(10);

    /// A service that gives these answers, one after the other, on whatever connection it is asked; behind `!` it closes. Counted are
    /// its connections and its requests.
    struct Scripted {
        wire: Wire,
        connections: Arc<AtomicUsize>,
        requests: Arc<AtomicUsize>,
    }

    impl Scripted {
        async fn start(answers: &[&'static str]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>()));
            let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
            let counts = (Arc::clone(&connections), Arc::clone(&requests));
            tokio::spawn(async move {
                while let Ok((mut tcp, _)) = listener.accept().await {
                    counts.0.fetch_add(1, Ordering::SeqCst);
                    let (answers, requests) = (Arc::clone(&answers), Arc::clone(&counts.1));
                    tokio::spawn(async move {
                        let mut buffer = [0; 1024];
                        while matches!(tcp.read(&mut buffer).await, Ok(length) if length > 0) {
                            requests.fetch_add(1, Ordering::SeqCst);
                            let Some(answer) = answers.lock().unwrap().pop() else { return };
                            let (text, closes) =
                                answer.strip_suffix('!').map_or((answer, false), |text| (text, true));
                            tcp.write_all(text.as_bytes()).await.unwrap();
                            if closes {
                                return;
                            }
                        }
                    });
                }
            });
            let place = Place { host: "127.0.0.1".to_owned(), port, tls: None, wait: WAIT };
            Self { wire: Wire::new(place).unwrap(), connections, requests }
        }

        async fn ask(&mut self) -> Result<String, WireError> {
            let request = Request::new(Method::GET, "/redfish/v1", WAIT);
            let mut exchange = self.wire.begin(&request).await?;
            let mut body = Vec::new();
            while let Some(chunk) = exchange.chunk().await? {
                body.extend_from_slice(&chunk);
            }
            self.wire.take_back(exchange).await;
            Ok(String::from_utf8(body).unwrap())
        }

        /// The service's closing has arrived.
        async fn until_closed(&mut self) {
            let Some((_, Stream::Plain(tcp))) = &self.wire.resting else { return };
            tokio::time::timeout(WAIT, tcp.readable()).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_as_long_as_its_service_keeps_it() {
        async fn check(first: &'static str, connections: usize) {
            let mut service = Scripted::start(&[first, PLAIN]).await;
            assert_eq!(service.ask().await.unwrap(), "ok", "{first}");
            if connections > 1 {
                service.until_closed().await;
            }
            assert_eq!(service.ask().await.unwrap(), "ok", "{first}");
            assert_eq!(service.connections.load(Ordering::SeqCst), connections, "{first}");
            assert_eq!(service.requests.load(Ordering::SeqCst), 2, "{first}");
        }
        check(PLAIN, 1).await;
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nX: 1\r\n\r\n",
            1,
        )
        .await;
        check("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 2).await;
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", 2).await;
        check("HTTP/1.0 200 OK\r\n\r\nok!", 2).await;
        // What nobody has asked for is not the next one's answer.
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n", 2).await;
    }

    #[tokio::test]
    async fn what_may_have_been_heard_is_not_sent_again_here() {
        let mut service = Scripted::start(&[PLAIN, "!", PLAIN]).await;
        service.ask().await.unwrap();
        let error = service.ask().await.unwrap_err();
        assert!(matches!(error, WireError::Http(_)), "{error}");
        assert_eq!(service.requests.load(Ordering::SeqCst), 2);
        assert_eq!(service.ask().await.unwrap(), "ok");
        assert_eq!(service.connections.load(Ordering::SeqCst), 2);
    }
}
