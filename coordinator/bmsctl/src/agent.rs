//! Edges: `bmsctl agent`.

use super::{
    args::{AgentCommand as Command, Output},
    client::Client,
    output,
};
use api_types::{Agent, AgentCertificate, List, Revocation};

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => {
            let agents: List<Agent> = client.get("/v1/agents").await?;
            let header = ["rack", "connected", "last seen", "reports", "certificate until"];
            output::list(output, &agents.items, &header, |agent| {
                vec![
                    agent.rack.clone(),
                    yes(agent.connected),
                    agent.last_seen.clone().unwrap_or_default(),
                    agent.acknowledged.to_string(),
                    agent.certificate_ends.clone().unwrap_or_else(|| "no valid one".to_owned()),
                ]
            })
        }
        Command::Show { rack } => show(output, &client.get(&format!("/v1/agents/{rack}")).await?),
        Command::Revoke { rack, fingerprint } => {
            let wanted = Revocation { fingerprint };
            let agent: Agent = client.post(&format!("/v1/agents/{rack}/revoke"), &wanted).await?;
            show(output, &agent)?;
            if agent.certificate_ends.is_none() {
                output::say(
                    output,
                    format_args!(
                        "the rack has no valid certificate; issue one: bms-coordinator issue-agent --rack {rack} --out DIR"
                    ),
                );
            }
            Ok(())
        }
    }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn show(output: Output, agent: &Agent) -> anyhow::Result<()> {
    let mut fields = vec![
        ("rack", agent.rack.clone()),
        ("connected", yes(agent.connected)),
        ("address", agent.address.clone().unwrap_or_default()),
        ("last seen", agent.last_seen.clone().unwrap_or_default()),
        ("reports", agent.acknowledged.to_string()),
        ("certificate until", agent.certificate_ends.clone().unwrap_or_else(|| "no valid one".to_owned())),
    ];
    fields.extend(agent.certificates.iter().map(|one| ("certificate", certificate(one))));
    output::one(output, agent, fields)
}

fn certificate(one: &AgentCertificate) -> String {
    let ends = one.ends.as_deref().unwrap_or_default();
    let used = match (&one.used, one.in_use) {
        (_, true) => ", in use",
        (None, false) => ", never used",
        (Some(_), false) => "",
    };
    format!(
        "{} {}{used}, {}, until {ends}",
        one.fingerprint,
        one.state,
        one.origin.as_str().replace('_', " ")
    )
}
