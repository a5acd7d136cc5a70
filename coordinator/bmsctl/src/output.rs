//! Edges: what `bmsctl` prints.
//!
//! What must stay true: nothing that somebody else chose reaches a terminal as it is. Tables and sentences show it escaped;
//! JSON is exact, because it has escapes of its own. Everything that is printed passes here.

use std::{
    io::{ErrorKind, IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::bail;
use api_types::Event;
use comfy_table::{Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::text::{Shown, shown_json};
use serde::Serialize;

use super::{args::Output, client::Refused};

/// Prints rows as a table, or the things themselves as JSON.
pub fn list<T: Serialize, C: Into<Cell>>(
    output: Output,
    items: &[T],
    header: &[&str],
    row: impl Fn(&T) -> Vec<C>,
) -> anyhow::Result<()> {
    match output {
        Output::Json => json(&items),
        Output::Table => {
            line(table(header, items.iter().map(row)));
            Ok(())
        }
    }
}

fn table<C: Into<Cell>>(header: &[&str], rows: impl Iterator<Item = Vec<C>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| cell.into().shown()));
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A cell of a table: the lines that are ours to break.
pub struct Cell(Vec<String>);

impl Cell {
    /// A cell of several lines.
    pub fn lines(lines: impl IntoIterator<Item = String>) -> Self {
        Self(lines.into_iter().collect())
    }

    fn shown(&self) -> String {
        self.0.iter().map(|line| Shown(line).to_string()).collect::<Vec<_>>().join("\n")
    }
}

impl From<String> for Cell {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

/// Prints one thing as a table of its fields, or as JSON.
pub fn one<T: Serialize>(output: Output, item: &T, fields: Vec<(&str, String)>) -> anyhow::Result<()> {
    match output {
        Output::Json => json(item),
        Output::Table => {
            let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
                line(format_args!("{name:width$}  {}", Shown(value)));
            }
            Ok(())
        }
    }
}

/// Prints JSON.
pub fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(shown_json(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// Prints a line for people; silent when JSON is wanted.
pub fn say(output: Output, text: impl std::fmt::Display) {
    if output == Output::Table {
        line(Shown(text));
    }
}

/// Prints a file's text exactly, but on a terminal, which would do what is in it.
pub fn file(text: &str) {
    if std::io::stdout().is_terminal() {
        text.lines().for_each(|text| line(Shown(text)));
    } else {
        line(text);
    }
}

/// One line of a stream of events, for people.
pub fn event_line(event: &Event, whom: &str) -> String {
    let text = format_args!("{}  {whom:12} {:14} {}", event.at, event.kind_word(), event.text);
    Shown(text).to_string()
}

/// Prints why nothing was done. An import's faults come one a line.
#[allow(clippy::print_stderr)]
pub fn error(error: &anyhow::Error) {
    eprintln!("error: {}", Shown(format_args!("{error:#}")));
    if let Some(Refused(problem)) = error.downcast_ref() {
        for fault in &problem.faults {
            eprintln!("  {}", Shown(fault));
        }
    }
}

/// How a thing that is waited for stands.
pub enum Look<T> {
    /// Not there yet; the text is shown.
    Going(String),
    /// There.
    Done(T),
    /// It ended badly.
    Failed(String),
}

/// Asks again and again until it is done, and shows how it stands.
pub async fn wait<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Look<T>>,
) -> anyhow::Result<T> {
    /// How often the coordinator is asked.
    const ASK_EVERY: Duration = Duration::from_millis(500);
    /// Failures to ask in a row that are overlooked: the coordinator may be restarting.
    const FAILURES_MAX: u32 = 60;
    let began = Instant::now();
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(120));
    let (mut shown, mut failures) = (String::new(), 0);
    loop {
        match look().await {
            Ok(Look::Done(value)) => {
                bar.finish_and_clear();
                return Ok(value);
            }
            Ok(Look::Failed(why)) => {
                bar.finish_and_clear();
                bail!("{what}: {why}");
            }
            Ok(Look::Going(state)) => {
                failures = 0;
                if state != shown {
                    progress(&bar, began, what, &state);
                    shown = state;
                }
            }
            Err(error) => {
                failures += 1;
                if failures > FAILURES_MAX || error.is::<Refused>() {
                    return Err(error);
                }
                bar.set_message(Shown(format_args!("{what}: {error:#}")).to_string());
            }
        }
        if began.elapsed() > limit {
            bail!("{what}: not done after {} s; last state: {shown}", limit.as_secs());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// On a terminal the line is replaced; in a log each change is a line with its time.
#[allow(clippy::print_stderr)]
fn progress(bar: &ProgressBar, began: Instant, what: &str, state: &str) {
    let state = Shown(state);
    if bar.is_hidden() {
        eprintln!("{:6.1}s {what}: {state}", began.elapsed().as_secs_f64());
    } else {
        bar.set_message(format!("{what}: {state}"));
    }
}

/// Prints one line as it is: what is foreign in it is escaped already. Whoever read it may be gone, as in `bmsctl node list | head -1`: that ends us as it ends any other
/// program, by the status that a shell gives to SIGPIPE.
fn line(text: impl std::fmt::Display) {
    const SIGPIPE_STATUS: i32 = 128 + 13;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(SIGPIPE_STATUS),
        // Nobody can be told of a full disk on standard output, but by the status.
        Err(_) => std::process::exit(1),
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use protocol::text::is_plain;

    use super::*;

    #[test]
    fn a_name_draws_no_row_and_drives_no_terminal() {
        let foreign = "x\u{1b}]0;pwned\u{7}\u{1b}[2K\u{1b}[1A\r\nweb-2  active\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}";
        let ours = Cell::lines(["ironic: a".to_owned(), format!("nova: {foreign}")]);
        let shown = table(&["name", "said"], [vec![Cell::from(foreign.to_owned()), ours]].into_iter());
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "a header and the two lines that are ours: {lines:?}");
        assert!(lines.iter().all(|line| is_plain(line)), "{lines:?}");
        let event =
            Event { text: foreign.to_owned(), other_kind: Some(foreign.to_owned()), ..Event::default() };
        assert!(is_plain(&event_line(&event, foreign)));
        let json = shown_json(&serde_json::to_string_pretty(&event).unwrap());
        assert!(json.lines().all(is_plain), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap().text, foreign, "JSON is exact");
    }
}
