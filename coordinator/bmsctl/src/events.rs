//! Edges: `bmsctl events`.

use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use api_types::{Event, List};
use domain::url_text::query;
use protocol::{
    backoff::Backoff,
    text::{Shown, shown_json},
};

use super::{
    args::{Connection, Events, Output},
    client::{Client, Refused},
    output,
};

/// Pauses before a broken stream is taken up again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));

/// Prints them, and with `follow` those that come.
pub async fn run(
    client: Client,
    connection: &Connection,
    output: Output,
    asked: Events,
) -> anyhow::Result<()> {
    let given = [("node", &asked.node), ("server", &asked.server)];
    let given = given.into_iter().filter_map(|(name, value)| Some(query(&[(name, value.as_deref()?)])));
    let filter: String = given.map(|text| format!("&{text}")).collect();
    if asked.follow {
        return go_on(client, connection, output, &format!("/v1/events/stream?limit=20{filter}")).await;
    }
    let events: List<Event> = client.get(&format!("/v1/events?limit=200{filter}")).await?;
    output::list(output, &events.items, &["time", "server", "kind", "text"], |event| {
        vec![event.at.clone(), whom(event), event.kind_word().to_owned(), event.text.clone()]
    })
}

/// The server's name, or its id once it is forgotten, to a tenant its own server's name; nothing for what belongs to no server.
fn whom(event: &Event) -> String {
    let id = || event.node.map(|id| id.to_string());
    let tenants = || event.server_name.clone();
    event.node_name.clone().or_else(id).or_else(tenants).unwrap_or_default()
}

/// Whoever reads our output has gone: the end, and no fault.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
struct Unread;

/// Follows for ever: a stream that breaks or ends is taken up where it was, with a new token when the old one has expired.
async fn go_on(
    mut client: Client,
    connection: &Connection,
    output: Output,
    path: &str,
) -> anyhow::Result<()> {
    let (mut last, mut began, mut told, mut pauses) = (None, false, false, PAUSES.pauses());
    loop {
        let from = last.clone();
        let followed = client.follow(path, from.as_deref(), |id, data| {
            (began, told) = (true, false);
            pauses.reset();
            last = Some(id.to_owned());
            print(output, data)
        });
        match followed.await {
            Ok(()) => began = true,
            Err(error) if error.is::<Unread>() => return Ok(()),
            Err(error) => {
                let status = error.downcast_ref().map(|Refused(problem)| problem.status);
                match status {
                    Some(401) if began => match Client::connect(connection).await {
                        Ok(renewed) => client = renewed,
                        Err(error) => tell(&mut told, &error),
                    },
                    // The coordinator, or what it needs, is not ready.
                    Some(500..) if began => tell(&mut told, &error),
                    Some(_) => return Err(error),
                    None if began => tell(&mut told, &error),
                    None => return Err(error),
                }
            }
        }
        tokio::time::sleep(pauses.take()).await;
    }
}

/// Said once per outage, and not among the events.
#[allow(clippy::print_stderr)]
fn tell(told: &mut bool, error: &anyhow::Error) {
    if !std::mem::replace(told, true) {
        eprintln!("{}; continuing when it answers again", Shown(format_args!("{error:#}")));
    }
}

fn print(format: Output, data: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = match format {
        Output::Json => writeln!(out, "{}", shown_json(data)),
        Output::Table => {
            let event: Event = serde_json::from_str(data)?;
            writeln!(out, "{}", output::event_line(&event, &whom(&event)))
        }
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Unread.into()),
        done => Ok(done?),
    }
}
