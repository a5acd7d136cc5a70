//! Edges: what `bmsctl` prints.

use std::{
    io::{ErrorKind, IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::bail;
use comfy_table::{Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{args::Output, client::Refused};

/// Prints rows as a table, or the things themselves as JSON.
pub fn list<T: Serialize>(
    output: Output,
    items: &[T],
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    match output {
        Output::Json => json(&items),
        Output::Table => {
            let mut table = Table::new();
            table.load_style(NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
            for item in items {
                table.add_row(row(item));
            }
            line(table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
            Ok(())
        }
    }
}

/// Prints one thing as a table of its fields, or as JSON.
pub fn one<T: Serialize>(output: Output, item: &T, fields: Vec<(&str, String)>) -> anyhow::Result<()> {
    match output {
        Output::Json => json(item),
        Output::Table => {
            let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
                line(format_args!("{name:width$}  {value}"));
            }
            Ok(())
        }
    }
}

/// Prints JSON.
pub fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a line for people; silent when JSON is wanted.
pub fn say(output: Output, text: impl std::fmt::Display) {
    if output == Output::Table {
        line(text);
    }
}

/// Prints why nothing was done. An import's faults come one a line.
#[allow(clippy::print_stderr)]
pub fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
    if let Some(Refused(problem)) = error.downcast_ref() {
        for fault in &problem.faults {
            eprintln!("  {fault}");
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
                bar.set_message(format!("{what}: {error:#}"));
            }
        }
        if began.elapsed() > limit {
            bail!("{what}: gave up after {} s; last seen: {shown}", limit.as_secs());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// On a terminal the line is replaced; in a log each change is a line with its time.
#[allow(clippy::print_stderr)]
fn progress(bar: &ProgressBar, began: Instant, what: &str, state: &str) {
    if bar.is_hidden() {
        eprintln!("{:6.1}s {what}: {state}", began.elapsed().as_secs_f64());
    } else {
        bar.set_message(format!("{what}: {state}"));
    }
}

/// Prints one line as it is. Whoever read it may be gone, as in `bmsctl node list | head -1`: that ends us as it ends any other
/// program, by the status that a shell gives to SIGPIPE.
pub fn line(text: impl std::fmt::Display) {
    const SIGPIPE_STATUS: i32 = 128 + 13;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(SIGPIPE_STATUS),
        // Nobody can be told of a full disk on standard output, but by the status.
        Err(_) => std::process::exit(1),
        Ok(()) => {}
    }
}
