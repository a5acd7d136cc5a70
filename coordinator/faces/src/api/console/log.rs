//! Edges: what was recorded of a serial console, in the API: read at the rack, told line by line as fast as it is taken.
//!
//! What must stay true: a project reads what its own server printed in its own tenancy, and nothing of before, after or between; the
//! rack leaves the rest out, so that it never comes here. An answer that is not told to its end says so in its last line.

use std::{sync::Arc, time::Duration};

use api_types::ConsoleLine;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use coordinator_core::agents::ConsoleRecord;
use domain::records::{Server, TenantServer};
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use protocol::{
    console_record::{RecordLine, Recorded, SOUGHT_CHARS_MAX, TAIL_LINES_MAX, WantedLines},
    id::TenancyId,
};
use serde::Deserialize;

use super::{
    super::{
        Api,
        auth::User,
        request::{Path, Query},
        time::{moment_us, time},
    },
    tenancy_of, until_moved,
};
use crate::{
    access::{Held, Place},
    audit::Asked,
    problem::Problem,
};

/// While nothing is printed, an empty line shows so often that the answer goes on.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct LogQuery {
    /// Printed then or later, such as 2026-11-30T08:00:00Z.
    since: Option<String>,
    /// Printed before.
    until: Option<String>,
    /// Of those only the last so many, at most 10000.
    tail: Option<u32>,
    /// Only those with this text in them, whatever their case; at most 200 characters.
    grep: Option<String>,
    /// And then what is printed from now on.
    #[serde(default)]
    follow: bool,
}

/// What was recorded of a node's serial console.
///
/// Plain text, or with `Accept: application/json` an array, or with `application/x-ndjson` an object a line. Marks show whose the server
/// was. An answer that could not be told to its end ends with a line that says why. Records are kept at the rack, for the days that its
/// agent is configured for and within a bound of bytes.
#[utoipa::path(get, path = "/v1/nodes/{node}/console/log", operation_id = "read_node_console",
    params(("node" = String, Path, description = "name or id"), LogQuery),
    responses((status = 200, content_type = "application/json", body = Vec<ConsoleLine>), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn of_node(
    State(api): State<Arc<Api>>,
    user: User,
    asked: Asked,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Problem> {
    let node = api.find_node(&name).await?;
    let stays = std::future::pending().boxed();
    read(&api, Reading { user, asked, node, tenancy: None, stays, query, form: Form::of(&headers) }).await
}

/// What was recorded of a server's serial console in its own time.
///
/// The same as of a node, but only what its own system, or its rescue system, printed since it is this project's.
#[utoipa::path(get, path = "/v1/servers/{server}/console/log", operation_id = "read_server_console",
    params(("server" = String, Path, description = "name or id"), LogQuery),
    responses((status = 200, content_type = "application/json", body = Vec<ConsoleLine>), (status = 409, body = Problem)))]
pub async fn of_server(
    State(api): State<Arc<Api>>,
    user: User,
    asked: Asked,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Problem> {
    let server = api.find_server(&user, &name).await?;
    let (node, tenancy) = api.node_of(&server).await?;
    let stays = until_moved(Arc::clone(&api), server.id, node.id).boxed();
    let (tenancy, form) = (Some(tenancy), Form::of(&headers));
    read(&api, Reading { user, asked, node, tenancy, stays, query, form }).await
}

/// What is read, and how.
struct Reading {
    user: User,
    asked: Asked,
    node: Server,
    /// None: whatever was printed.
    tenancy: Option<TenancyId>,
    /// Ends when the server is not this caller's any more.
    stays: BoxFuture<'static, Problem>,
    query: LogQuery,
    form: Form,
}

async fn read(api: &Arc<Api>, reading: Reading) -> Result<Response, Problem> {
    let Reading { user, asked, node, tenancy, stays, query, form } = reading;
    let wanted = wanted(query, tenancy)?;
    let place = api.authenticator.shares.consoles.take(&user.known)?;
    let record = api.agents.read_console(&node, wanted).await?;
    asked.write_down(&api.inventory, "console log", &node.id.to_string()).await;
    let gone = Held::new(&api.authenticator, &user.token, &user.known).gone();
    let told = Telling { record, gone, stays, sees_all: tenancy.is_none(), is_over: false, _place: place };
    let body = form.bytes(stream::unfold(told, Telling::next)).map(Ok::<_, std::convert::Infallible>);
    let kind = [(header::CONTENT_TYPE, form.content_type())];
    Ok((kind, Body::from_stream(body)).into_response())
}

fn wanted(query: LogQuery, tenancy: Option<TenancyId>) -> Result<WantedLines, Problem> {
    let LogQuery { since, until, tail, grep, follow } = query;
    let text = grep.unwrap_or_default();
    if text.chars().count() > SOUGHT_CHARS_MAX {
        return Err(Problem::bad_at(
            "grep",
            format!("has more than {SOUGHT_CHARS_MAX} characters; write fewer"),
        ));
    }
    if tail.is_some_and(|lines| lines > TAIL_LINES_MAX) {
        return Err(Problem::bad_at(
            "tail",
            format!("is above {TAIL_LINES_MAX}; leave it out for all lines"),
        ));
    }
    if follow && until.is_some() {
        return Err(Problem::bad_at(
            "until",
            "says where to end, and `follow` not to; leave one of them out",
        ));
    }
    let moment = |field, text: Option<String>| text.map(|text| moment_us(field, &text)).transpose();
    let (since_us, until_us) = (moment("since", since)?, moment("until", until)?);
    Ok(WantedLines { tenancy, since_us, until_us, tail, text, follow })
}

impl Api {
    /// The node of a project's server, and in whose name Ironic carries it. [`axum::http::StatusCode::CONFLICT`]: it has none.
    async fn node_of(&self, server: &TenantServer) -> Result<(Server, TenancyId), Problem> {
        let node = match server.node {
            Some(node) => self.inventory.server(node).await?,
            None => None,
        };
        node.zip(tenancy_of(server)).ok_or_else(|| {
            let (name, state) = (&server.name, server.state.word());
            Problem::conflict(format!(
                "server {name} is {state} and has printed nothing yet; read it when it is active"
            ))
        })
    }
}

/// A record on its way to whoever asked for it.
struct Telling {
    record: ConsoleRecord,
    gone: BoxFuture<'static, Problem>,
    stays: BoxFuture<'static, Problem>,
    sees_all: bool,
    is_over: bool,
    _place: Place,
}

impl Telling {
    /// What comes next; an inner none: nothing for a while.
    async fn next(mut self) -> Option<(Option<ConsoleLine>, Self)> {
        if self.is_over {
            return None;
        }
        let line = tokio::select! {
            line = self.record.next() => match line {
                Ok(line) => line.map(|line| view(line, self.sees_all)).ok_or(None),
                Err(why) => Err(Some(why)),
            },
            why = &mut self.gone => Err(Some(why.detail.clone())),
            why = &mut self.stays => Err(Some(why.detail.clone())),
            () = tokio::time::sleep(KEEP_ALIVE_EVERY) => return Some((None, self)),
        };
        match line {
            Ok(line) => Some((Some(line), self)),
            Err(None) => None,
            Err(Some(why)) => {
                self.is_over = true;
                Some((Some(ConsoleLine::Cut { why }), self))
            }
        }
    }
}

/// A line as the API says it. Why a console was lost tells of a BMC, which is no tenant's business.
fn view(line: RecordLine, sees_all: bool) -> ConsoleLine {
    let at = time(line.at_us).unwrap_or_default();
    match line.what {
        Recorded::Printed(text) => ConsoleLine::Printed { at, text },
        Recorded::Note(text) => ConsoleLine::Note { at, text },
        Recorded::Lost(why) => ConsoleLine::Lost { at, why: sees_all.then_some(why) },
        Recorded::TenancyBegan(TenancyId(tenancy)) => ConsoleLine::TenancyBegan { at, tenancy },
        Recorded::TenancyEnded(TenancyId(tenancy)) => ConsoleLine::TenancyEnded { at, tenancy },
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    /// One JSON document.
    Array,
    /// A JSON document a line.
    Lines,
}

impl Form {
    /// As the client accepts it.
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.contains("application/x-ndjson") {
            Form::Lines
        } else if accept.contains("application/json") {
            Form::Array
        } else {
            Form::Text
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; charset=utf-8",
            Form::Array => "application/json",
            Form::Lines => "application/x-ndjson",
        }
    }

    /// The lines as bytes, with what stands around them.
    fn bytes(
        self,
        lines: impl Stream<Item = Option<ConsoleLine>> + Send + 'static,
    ) -> impl Stream<Item = String> + Send + 'static {
        let (head, foot) = if self == Form::Array { ("[", "]\n") } else { ("", "") };
        let mut is_first = true;
        let lines = lines.map(move |line| match (line, self) {
            (None, Form::Text | Form::Array | Form::Lines) => "\n".to_owned(),
            (Some(line), Form::Text) => format!("{line}\n"),
            (Some(line), Form::Lines) => format!("{}\n", json(&line)),
            (Some(line), Form::Array) => {
                let comma = if std::mem::take(&mut is_first) { "" } else { "," };
                format!("{comma}{}\n", json(&line))
            }
        });
        let around = |text: &str| stream::iter((!text.is_empty()).then(|| text.to_owned()));
        around(head).chain(lines).chain(around(foot))
    }
}

fn json(line: &ConsoleLine) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_form_is_whole_whatever_comes() {
        let note = |text: &str| Some(ConsoleLine::Note { at: "T".into(), text: text.into() });
        let written = async |form: Form, lines: Vec<Option<ConsoleLine>>| {
            form.bytes(stream::iter(lines)).collect::<String>().await
        };
        let lines = || vec![note("a"), None, note("b"), Some(ConsoleLine::Cut { why: "gone".into() })];
        assert_eq!(written(Form::Text, lines()).await, "T -- a\n\nT -- b\n-- cut off here: gone\n");
        let array: Vec<ConsoleLine> = serde_json::from_str(&written(Form::Array, lines()).await).unwrap();
        assert_eq!(array, lines().into_iter().flatten().collect::<Vec<_>>());
        let each = written(Form::Lines, lines()).await;
        let each: Vec<ConsoleLine> =
            each.split_whitespace().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(each, array);
        assert_eq!(written(Form::Array, vec![]).await, "[]\n");
        assert_eq!(written(Form::Text, vec![]).await, "");
    }

    #[test]
    fn what_cannot_be_wanted_is_refused_with_its_field() {
        let query = || LogQuery { since: None, until: None, tail: None, grep: None, follow: false };
        let check = |query: LogQuery, field: &str| {
            let refused = wanted(query, None).unwrap_err();
            assert!(format!("{refused:?}").contains(field), "{refused:?}");
        };
        check(LogQuery { since: Some("yesterday".into()), ..query() }, "since");
        check(LogQuery { tail: Some(TAIL_LINES_MAX + 1), ..query() }, "tail");
        check(LogQuery { grep: Some("x".repeat(SOUGHT_CHARS_MAX + 1)), ..query() }, "grep");
        check(LogQuery { until: Some("2026-11-30T08:00:00Z".into()), follow: true, ..query() }, "until");
        let found = wanted(LogQuery { since: Some("1970-01-01T00:00:01Z".into()), ..query() }, None).unwrap();
        assert_eq!(found, WantedLines { since_us: Some(1_000_000), ..WantedLines::default() });
    }

    #[test]
    fn a_tenant_is_not_told_of_the_bmc() {
        let lost = || RecordLine { at_us: 0, what: Recorded::Lost("the BMC at 192.0.2.5 is gone".into()) };
        assert!(view(lost(), true).to_string().contains("192.0.2.5"));
        assert_eq!(view(lost(), false).to_string(), "1970-01-01T00:00:00.000Z -- console lost");
    }
}
