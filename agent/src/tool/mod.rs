//! Edges: `bms-agent bmc`: asking and telling BMCs directly, without a coordinator.
//!
//! ```text
//!   args, hosts, password  ->  reach: one BMC each  ->  verbs: what to ask  ->  output: a table or JSON
//!                                                   `->  load: with --rounds, what many answers say together
//! ```
//! It is the agent's own client: the same sessions, retries and log-in budget. What must stay true: no more BMCs at once than
//! were allowed, every session given back at the end, also after an interrupt, and no password printed or taken from an argument.

pub mod args;
mod failure;
pub mod help;
mod hosts;
mod kind;
mod load;
mod output;
mod password;
mod reach;
mod verbs;

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use protocol::{ipmi::sol::line::Take, text::Shown};
use serde_json::{Value, json};

use self::{
    args::{BmcArgs, Verb, Whom},
    failure::Failure,
    hosts::Host,
    kind::Kind,
    load::Load,
    output::Answer,
    reach::Reached,
    verbs::Prepared,
};

/// How long sessions may take to be given back at the end.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// Between two looks whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Does what was asked; says how it went by the program's status.
pub async fn run(args: BmcArgs) -> ExitCode {
    let status = tokio::select! {
        done = execute(&args) => match done {
            Ok(worst) => worst.map_or(0, |kind| kind as u8),
            Err(failure) => {
                output::error(failure.sentence());
                failure.kind() as u8
            }
        },
        _ = tokio::signal::ctrl_c() => password::INTERRUPTED,
    };
    // What was under way is dropped by now, and says goodbye.
    goodbyes().await;
    ExitCode::from(status)
}

/// Prints a text of ours, for whoever may be gone.
pub fn print(text: &str) {
    output::line(text);
}

/// Waits for the tasks that give sessions back.
async fn goodbyes() {
    let deadline = Instant::now() + GOODBYE_MAX;
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() > 0 && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The worst failure of all BMCs, each of which has been told.
async fn execute(args: &BmcArgs) -> Result<Option<Kind>, Failure> {
    let hosts = named(&args.whom)?;
    let verb = verbs::prepare(&args.verb).await?;
    let reached = reach::all(&args.whom, &hosts).await?;
    if let Verb::Sol { take_over, watch } = &args.verb {
        let [bmc] = reached.as_slice() else { return Err(verbs::sol::one_at_a_time()) };
        let take = if *take_over { Take::ByForce } else { Take::IfFree };
        return verbs::sol::run(bmc, take, *watch).await.map(|()| None);
    }
    match args.whom.rounds {
        Some(rounds) => Ok(rounds_of(&args.whom, &verb, &reached, rounds).await),
        None => Ok(once(&args.whom, &verb, &reached).await),
    }
}

fn named(whom: &Whom) -> Result<Vec<Host>, Failure> {
    let usage = |error: hosts::HostError| Failure::Usage(error.to_string());
    match (&whom.host, &whom.hosts) {
        (Some(host), _) => Ok(vec![hosts::host(host).map_err(usage)?]),
        (None, Some(path)) => {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("the file of hosts {} cannot be read: {error}", path.display()))
            })?;
            hosts::hosts(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
        }
        (None, None) => Err(Failure::Usage("name a BMC by -H ADDRESS or several by --hosts FILE".to_owned())),
    }
}

/// How one BMC answered.
struct Outcome<'a> {
    /// Where it stands among those that were named.
    index: usize,
    name: &'a str,
    said: Result<Answer, Failure>,
    took: Duration,
}

/// Asks all BMCs once, so many at the same time.
fn asked<'a>(
    whom: &Whom,
    verb: &'a Prepared,
    reached: &'a [Reached],
) -> impl futures::Stream<Item = Outcome<'a>> + use<'a> {
    let ask = move |(index, bmc): (usize, &'a Reached)| async move {
        let began = Instant::now();
        let said = verbs::run(verb, bmc).await;
        Outcome { index, name: &bmc.name, said, took: began.elapsed() }
    };
    stream::iter(reached.iter().enumerate()).map(ask).buffer_unordered(usize::from(whom.at_once))
}

async fn once(whom: &Whom, verb: &Prepared, reached: &[Reached]) -> Option<Kind> {
    let mut outcomes: Vec<Outcome<'_>> = asked(whom, verb, reached).collect().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    match whom.json {
        true => output::json(&as_json(&outcomes, whom.hosts.is_some())),
        false => as_table(&outcomes),
    }
    for outcome in &outcomes {
        match &outcome.said {
            Err(failure) if outcomes.len() > 1 => {
                output::error(format_args!("{}: {}", outcome.name, failure.sentence()));
            }
            Err(failure) => output::error(failure.sentence()),
            Ok(_) => {}
        }
    }
    outcomes.iter().filter_map(|outcome| outcome.said.as_ref().err().map(Failure::kind)).max()
}

/// Of one BMC its answer; of a list one object each.
fn as_json(outcomes: &[Outcome<'_>], is_list: bool) -> Value {
    let each = |Outcome { name, said, took, .. }: &Outcome<'_>| {
        let ms = took.as_secs_f64() * 1000.0;
        match said {
            Ok(answer) => json!({ "host": name, "ms": ms, "answer": answer.json }),
            Err(failure) => {
                json!({ "host": name, "ms": ms, "error": failure.sentence(), "kind": failure.kind().name() })
            }
        }
    };
    match outcomes {
        [Outcome { said: Ok(answer), .. }] if !is_list => answer.json.clone(),
        [only] if !is_list => each(only),
        outcomes => outcomes.iter().map(each).collect(),
    }
}

fn as_table(outcomes: &[Outcome<'_>]) {
    let answers: Vec<(&str, &Answer)> =
        outcomes.iter().filter_map(|outcome| Some((outcome.name, outcome.said.as_ref().ok()?))).collect();
    let Some((_, first)) = answers.first() else { return };
    if outcomes.len() == 1 {
        // A single fact needs no heading.
        let lines = match first.rows.as_slice() {
            [row] if row.len() == 1 => Shown(&row[0]).to_string(),
            rows => output::table(first.header, rows),
        };
        output::line(lines);
        return;
    }
    let header: Vec<&str> = ["host"].iter().chain(first.header).copied().collect();
    let rows: Vec<Vec<String>> = answers
        .iter()
        .flat_map(|(name, answer)| {
            answer
                .rows
                .iter()
                .map(move |row| std::iter::once((*name).to_owned()).chain(row.clone()).collect())
        })
        .collect();
    output::line(output::table(&header, &rows));
}

/// The same question again and again over kept sessions.
async fn rounds_of(whom: &Whom, verb: &Prepared, reached: &[Reached], rounds: u32) -> Option<Kind> {
    let (mut load, began) = (Load::default(), Instant::now());
    for _ in 0..rounds {
        let mut outcomes = std::pin::pin!(asked(whom, verb, reached));
        while let Some(outcome) = outcomes.next().await {
            match outcome.said {
                Ok(_) => load.done(outcome.took),
                Err(failure) => load.failed(failure.kind()),
            }
        }
    }
    let summary = load.summary(began.elapsed());
    if whom.json {
        output::json(&json!(summary));
    } else {
        let failed: Vec<String> =
            summary.failed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let fields = Answer::fields(vec![
            ("hosts", reached.len().to_string()),
            ("rounds", rounds.to_string()),
            ("done", summary.done.to_string()),
            ("failed", failed.join(", ")),
            ("rate", format!("{:.1} a second, over {:.2} s", summary.per_second, summary.seconds)),
            (
                "latency",
                format!(
                    "half within {:.1} ms, 95 % {:.1} ms, 99 % {:.1} ms, longest {:.1} ms",
                    summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.max_ms
                ),
            ),
        ]);
        output::line(output::table(fields.header, &fields.rows));
    }
    load.worst()
}
