//! Edges: `bmsctl audit`.

use clap::Subcommand;

use super::{
    args::Output,
    client::Client,
    output,
    since::{Moment, moment},
};
use api_types::{AuditEntry, PAGE_ITEMS_MAX, Page};
use domain::url_text::query;

/// Most entries that are listed at once.
const ENTRIES_MAX: i64 = 100_000;

/// What can be asked of the record of changes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List who requested which change, from where, and with which result; the newest last.
    #[command(
        after_help = "Examples:\n  bmsctl audit list --since 2h\n  bmsctl audit list --user eve --object web1 -o json"
    )]
    List(Filter),
}

/// Which changes.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only changes by this user, by id or name.
    #[arg(long)]
    user: Option<String>,
    /// Only changes made with a token of this project, by id or name.
    #[arg(long)]
    project: Option<String>,
    /// Only changes to the object with this id, or with this name if the request used the name.
    #[arg(long)]
    object: Option<String>,
    /// Only changes since then: a time such as 2026-11-30T08:00:00Z, or how long ago, such as 2h or 30m.
    #[arg(long, value_parser = moment)]
    since: Option<Moment>,
    /// Show at most this many, the newest ones.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=ENTRIES_MAX))]
    limit: u32,
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let Command::List(filter) = command;
    let found = read(client, &filter).await?;
    let header = ["time", "user", "project", "from", "what", "object", "answer", "request"];
    output::list(output, &found, &header, row)
}

/// Page by page into the past until there are as many as are wanted; the newest last.
async fn read(client: &Client, filter: &Filter) -> anyhow::Result<Vec<AuditEntry>> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let left = filter.limit.saturating_sub(u32::try_from(found.len())?);
        let path = path(filter, left.min(PAGE_ITEMS_MAX), marker.as_deref());
        let Page { mut items, next } = client.get::<Page<AuditEntry>>(&path).await?;
        items.append(&mut found);
        found = items;
        marker = next;
        if marker.is_none() || found.len() >= filter.limit as usize {
            return Ok(found);
        }
    }
}

fn path(filter: &Filter, limit: u32, marker: Option<&str>) -> String {
    let limit = limit.to_string();
    let since = filter.since.map(|moment| moment.text(jiff::Timestamp::now()));
    let given = [
        ("user", filter.user.as_deref()),
        ("project", filter.project.as_deref()),
        ("object", filter.object.as_deref()),
        ("since", since.as_deref()),
        ("limit", Some(&*limit)),
        ("marker", marker),
    ];
    let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    format!("/v1/audit?{}", query(&given))
}

/// A project's name with its id; rows of before names were kept have the id alone.
fn project(entry: &AuditEntry) -> String {
    match (&entry.project, &entry.project_id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    }
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let action = entry.action.as_ref().map(|action| format!(" {action}")).unwrap_or_default();
    let reason = entry.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let via = entry.via.as_ref().map(|page| format!(" (by the page {page})")).unwrap_or_default();
    vec![
        entry.at.clone(),
        text(&entry.user),
        project(entry),
        text(&entry.source),
        format!("{} {}{action}{via}{reason}", entry.method, entry.route),
        text(&entry.object),
        entry.status.map_or("hung up".to_owned(), |status| status.to_string()),
        entry.request_id.clone(),
    ]
}
