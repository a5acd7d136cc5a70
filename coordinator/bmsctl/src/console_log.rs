//! Edges: `bmsctl console --log`: what was recorded of a serial console.

use std::io::{ErrorKind, Write};

use anyhow::bail;
use api_types::ConsoleLine;
use domain::url_text::query;
use protocol::text::{Shown, shown_json};

use super::{
    args::{Console, Output},
    client::Client,
    path::path,
};

/// How lines are asked for: a JSON document each.
const LINES: &str = "application/x-ndjson";

/// Prints it, and with `--follow` what is printed from now on.
pub async fn run(client: &Client, output: Output, asked: Console) -> anyhow::Result<()> {
    let of = if asked.server { "servers" } else { "nodes" };
    let now = jiff::Timestamp::now();
    let [since, until] = [asked.since, asked.until].map(|moment| moment.map(|moment| moment.text(now)));
    let tail = asked.tail.map(|lines| lines.to_string());
    let given = [
        ("since", since.as_deref()),
        ("until", until.as_deref()),
        ("tail", tail.as_deref()),
        ("grep", asked.grep.as_deref()),
        ("follow", asked.follow.then_some("true")),
    ];
    let given = given.into_iter().filter_map(|(name, value)| Some(query(&[(name, value?)])));
    let path =
        format!("{}?{}", path(&[of, &asked.name, "console", "log"])?, given.collect::<Vec<_>>().join("&"));
    let mut cut = None;
    let read = client.lines(&path, LINES, |line| {
        if line.is_empty() {
            return Ok(());
        }
        match serde_json::from_str(line)? {
            ConsoleLine::Cut { why } => cut = Some(why),
            ConsoleLine::Other => {}
            told => match output {
                Output::Json => print(&shown_json(line))?,
                Output::Table => print(&Shown(told).to_string())?,
            },
        }
        Ok(())
    });
    match read.await {
        // Whoever reads has had enough.
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(is_unread) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => match cut {
            Some(why) => bail!("the record was cut off here: {why}"),
            None => Ok(()),
        },
    }
}

fn is_unread(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
