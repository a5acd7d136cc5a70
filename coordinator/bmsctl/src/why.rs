//! Edges: `bmsctl why`: how a node's last boots went, what is missing first, and what to do.

use api_types::{BootAttempt, List};

use super::{
    args::{Output, Why},
    client::Client,
    output::{json, say},
    path::path,
};

/// Prints them, the newest last, where a person looks.
pub async fn run(client: &Client, output: Output, asked: Why) -> anyhow::Result<()> {
    let boots: List<BootAttempt> = client.get(&path(&["nodes", &asked.node, "boots"])?).await?;
    let shown: Vec<_> = boots.items.iter().take(asked.last.into()).collect();
    match output {
        Output::Json => json(&shown),
        Output::Table if shown.is_empty() => {
            say(output, format_args!("{} has not been booted over the network yet", asked.node));
            Ok(())
        }
        Output::Table => {
            shown.iter().rev().flat_map(|attempt| told(attempt)).for_each(|text| say(output, text));
            Ok(())
        }
    }
}

/// An attempt as a timeline, with what is missing at its end.
fn told(attempt: &BootAttempt) -> Vec<String> {
    let BootAttempt { began, purpose, network, finding, reason, remedies, marks } = attempt;
    let mut lines = vec![format!("{began}  {purpose} on {network}: {finding}")];
    for mark in marks {
        let seconds = mark.after_ms as f64 / 1000.0;
        lines.push(format!("  {seconds:>8.1} s  {}", mark.what));
    }
    lines.push(format!("  {reason}"));
    lines.extend(remedies.iter().map(|remedy| format!("    - {remedy}")));
    lines
}

#[cfg(test)]
mod tests {
    use api_types::{BootFinding, BootMark, BootPurpose, IsolatedNetwork};

    use super::*;

    #[test]
    fn what_is_missing_stands_under_what_was_seen() {
        let mark = |after_ms, what: &str| BootMark { at: String::new(), after_ms, what: what.to_owned() };
        let attempt = BootAttempt {
            began: "2026-11-30T08:00:00.000Z".to_owned(),
            purpose: BootPurpose::Inspect,
            network: IsolatedNetwork::Provisioning,
            finding: BootFinding::LoaderNotRun,
            reason: "a loader was fetched and never ran: Secure Boot?".to_owned(),
            remedies: vec!["let the rack serve signed loaders".to_owned()],
            marks: vec![mark(0, "boot ordered"), mark(61_250, "boot loader: snponly.efi")],
        };
        assert_eq!(
            told(&attempt),
            [
                "2026-11-30T08:00:00.000Z  inspect on provisioning: loader_not_run",
                "       0.0 s  boot ordered",
                "      61.2 s  boot loader: snponly.efi",
                "  a loader was fetched and never ran: Secure Boot?",
                "    - let the rack serve signed loaders",
            ]
        );
    }
}
