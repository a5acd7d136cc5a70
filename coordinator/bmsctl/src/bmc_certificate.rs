//! Edges: `bmsctl bmc certificate`: which certificate a node's BMC shows, and what is decided about it.

use anyhow::Context;
use api_types::{BmcCertificate, Certificate, Node, NodeAction, NodeVerb};
use clap::Subcommand;

use super::{args::Output, client::Client, output, path::path};

/// Commands on certificates of BMCs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the pinned certificate of a node's BMC, and the one that it shows instead.
    #[command(after_help = "Example: bmsctl bmc certificate show srv1")]
    Show {
        /// Name or id of the node.
        node: String,
    },
    /// Accept the certificate that a node's BMC shows: it is pinned from now on.
    #[command(
        after_help = "Example: bmsctl bmc certificate accept srv1\n\nCompare its SHA-256 with what the BMC itself says, such as on its \
                            console or its own pages; whoever has this certificate's key is told the BMC's password."
    )]
    Accept(Decided),
    /// Refuse the certificate that a node's BMC shows: the BMC stays out of reach until it shows the pinned one again.
    #[command(after_help = "Example: bmsctl bmc certificate refuse srv1")]
    Refuse(Decided),
}

/// What is decided about.
#[derive(Debug, clap::Args)]
pub struct Decided {
    /// Name or id of the node.
    node: String,
    /// SHA-256 of the certificate that you have compared; none: the one that the BMC shows now.
    #[arg(long, value_name = "SHA256")]
    sha256: Option<String>,
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Show { node } => {
            let found: BmcCertificate = client.get(&path(&["nodes", &node, "bmc", "certificate"])?).await?;
            output::one(output, &found, fields(&found))
        }
        Command::Accept(decided) => {
            let (node, sha256) = decide(client, decided, NodeVerb::AcceptCertificate).await?;
            output::say(
                output,
                format_args!("{node}: certificate {sha256} accepted, and pinned from now on"),
            );
            Ok(())
        }
        Command::Refuse(decided) => {
            let (node, sha256) = decide(client, decided, NodeVerb::RefuseCertificate).await?;
            output::say(output, format_args!("{node}: certificate {sha256} refused; the pinned one stays"));
            Ok(())
        }
    }
}

/// Says which certificate of which node was decided about.
async fn decide(client: &Client, decided: Decided, action: NodeVerb) -> anyhow::Result<(String, String)> {
    let Decided { node, sha256 } = decided;
    // What is decided about is named, so that it cannot be another one by then.
    let sha256 = match sha256 {
        Some(sha256) => sha256,
        None => {
            let found: BmcCertificate = client.get(&path(&["nodes", &node, "bmc", "certificate"])?).await?;
            let question = found.question.with_context(|| {
                format!("the BMC of {node} shows no other certificate than the pinned one; there is nothing to decide")
            })?;
            question.certificate.sha256
        }
    };
    let wanted =
        NodeAction { action, reason: None, steps: Vec::new(), certificate_sha256: Some(sha256.clone()) };
    let _: Option<Node> = client.post(&path(&["nodes", &node, "actions"])?, &wanted).await?;
    Ok((node, sha256))
}

fn fields(found: &BmcCertificate) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("bmc", found.place.clone()),
        (
            "pinned",
            found
                .pinned
                .clone()
                .unwrap_or_else(|| "none; the agent's host decides whom it trusts".to_owned()),
        ),
    ];
    match &found.known {
        Some(known) => fields.push(("pinned one", described(known))),
        None if found.pinned.is_some() => fields.push(("pinned one", "not shown yet".to_owned())),
        None => {}
    }
    if let Some(question) = &found.question {
        let shown = &question.certificate;
        fields.extend([("shows instead", shown.sha256.clone()), ("other one", described(shown))]);
        fields.push(("since", question.since.clone().unwrap_or_default()));
        fields.push(("not accepted", question.why.clone()));
        fields.push(("refused by", question.refused_by.clone().unwrap_or_else(|| "nobody yet".to_owned())));
    }
    fields
}

fn described(certificate: &Certificate) -> String {
    let or_unread = |text: &Option<String>| text.clone().unwrap_or_else(|| "unreadable".to_owned());
    let Certificate { subject, issuer, key_sha256, begins, ends, .. } = certificate;
    format!(
        "of {}, by {}, {} to {}, key {}",
        or_unread(subject),
        or_unread(issuer),
        or_unread(begins),
        or_unread(ends),
        or_unread(key_sha256)
    )
}

#[cfg(test)]
mod tests {
    use api_types::CertificateQuestion;

    use super::*;

    #[test]
    fn both_certificates_and_what_is_to_be_decided_are_shown() {
        let certificate = |name: &str| Certificate {
            sha256: name.repeat(32),
            subject: Some(format!("CN={name}")),
            issuer: None,
            key_sha256: None,
            begins: Some("2026-01-01T00:00:00Z".to_owned()),
            ends: None,
        };
        let question = CertificateQuestion {
            certificate: certificate("bb"),
            since: None,
            why: "it has another key".to_owned(),
            refused_by: None,
        };
        let found = BmcCertificate {
            place: "redfish://192.0.2.5:443".to_owned(),
            pinned: Some("aa".repeat(32)),
            known: Some(certificate("aa")),
            question: Some(question),
        };
        let shown = fields(&found);
        for (name, words) in [
            ("pinned", &"aa".repeat(32)[..]),
            ("pinned one", "of CN=aa, by unreadable, 2026-01-01T00:00:00Z to unreadable"),
            ("shows instead", &"bb".repeat(32)),
            ("not accepted", "another key"),
            ("refused by", "nobody yet"),
        ] {
            assert!(
                shown.iter().any(|(field, text)| *field == name && text.contains(words)),
                "{name}: {shown:?}"
            );
        }
        let unpinned = fields(&BmcCertificate { pinned: None, known: None, question: None, ..found });
        assert_eq!(unpinned.len(), 2);
    }
}
