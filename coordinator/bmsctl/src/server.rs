//! Edges: `bmsctl server`.

use std::{io::Read, path::Path};

use anyhow::Context;
use protocol::secret::Secret;
use zeroize::Zeroizing;

use super::{
    args::{OneServer, Output, ServerCommand as Command, Wait},
    client::{Client, Refused},
    output::{self, Look},
    path::path,
    since::since,
};
use api_types::{Attachment, List, NewServer, Server, ServerAction, ServerStatus, ServerVerb};

/// Most bytes of standard input that are looked at for a password.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => {
            let servers: List<Server> = client.get("/v1/servers").await?;
            let header =
                ["name", "status", "since", "address", "network", "image", "flavor", "waiting for or reason"];
            let now = jiff::Timestamp::now();
            output::list(output, &servers.items, &header, |server| {
                let since = since(server.state_since.as_deref(), now);
                let said = server.reason.clone().or_else(|| server.waiting_for.clone()).unwrap_or_default();
                let Server { name, status, address, network, image, flavor, .. } = server.clone();
                vec![name, status.to_string(), since, address, network, image, flavor, said]
            })
        }
        Command::Show { server } => show(output, &client.get(&path(&["servers", &server])?).await?),
        Command::Create { name, flavor, image, networks, security_groups, key_name, user_data, wait } => {
            let user_data = user_data
                .map(|path| {
                    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
                })
                .transpose()?;
            let networks = networks.into_iter().map(|one| one.0).collect();
            let wanted = NewServer {
                name,
                flavor,
                image,
                network: None,
                networks,
                security_groups,
                key_name,
                user_data,
            };
            let server: Server = client.post("/v1/servers", &wanted).await?;
            let server =
                if wait.wait { follow(client, &server, wait, ServerStatus::Active).await? } else { server };
            show(output, &server)
        }
        Command::Start(server) => act(client, output, server, plain(ServerVerb::Start)).await,
        Command::Stop { server, hard } => {
            act(client, output, server, ServerAction { hard, ..plain(ServerVerb::Stop) }).await
        }
        Command::Reboot { server, hard } => {
            act(client, output, server, ServerAction { hard, ..plain(ServerVerb::Reboot) }).await
        }
        Command::Rebuild { server, image } => {
            let action = ServerAction { image: Some(image), ..plain(ServerVerb::Rebuild) };
            act(client, output, server, action).await
        }
        Command::Rescue { server, password_file } => {
            let password = password_file.as_deref().map(read_password).transpose()?;
            act(client, output, server, ServerAction { password, ..plain(ServerVerb::Rescue) }).await
        }
        Command::Unrescue(server) => act(client, output, server, plain(ServerVerb::Unrescue)).await,
        Command::Delete(OneServer { server, wait }) => delete(client, output, &server, wait).await,
    }
}

fn show(output: Output, server: &Server) -> anyhow::Result<()> {
    let fields = vec![
        ("name", server.name.clone()),
        ("id", server.id.to_string()),
        ("status", server.status.to_string()),
        ("networks", attachments(server)),
        ("security groups", server.security_groups.join(", ")),
        ("image", server.image.clone()),
        ("flavor", server.flavor.clone()),
        ("since", server.state_since.clone().unwrap_or_default()),
        ("waiting for", server.waiting_for.clone().unwrap_or_default()),
        ("next", server.next.clone()),
        ("reason", server.reason.clone().unwrap_or_default()),
        ("node", server.node.map(|id| id.to_string()).unwrap_or_default()),
    ];
    output::one(output, server, fields)
}

fn attachments(server: &Server) -> String {
    let one = |one: &Attachment| {
        let tag = one.vlan.map(|tag| format!(", VLAN {tag}")).unwrap_or_default();
        format!("{} {}{tag}", one.network, one.address)
    };
    server.networks.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn plain(action: ServerVerb) -> ServerAction {
    ServerAction { action, hard: false, image: None, password: None }
}

/// The first line of a file, or of standard input for `-`.
fn read_password(path: &Path) -> anyhow::Result<Secret> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin().take(PASSWORD_BYTES_MAX))
            .context("reading standard input")?
    } else {
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?
    };
    Ok(Secret::new(Zeroizing::new(text).lines().next().unwrap_or_default()))
}

async fn act(client: &Client, output: Output, which: OneServer, action: ServerAction) -> anyhow::Result<()> {
    let at = path(&["servers", &which.server, "actions"])?;
    let server: Server = client.post(&at, &action).await?;
    let goal = match action.action {
        ServerVerb::Start | ServerVerb::Reboot | ServerVerb::Rebuild | ServerVerb::Unrescue => {
            ServerStatus::Active
        }
        ServerVerb::Rescue => ServerStatus::Rescue,
        ServerVerb::Stop => ServerStatus::Off,
    };
    // Before the wait, which somebody may break off: nobody can ask for it again.
    let made = server.rescue_password.clone();
    if let Some(password) = &made {
        output::say(output, format_args!("password of rescue@{}: {}", server.address, password.reveal()));
    }
    let server = if which.wait.wait { follow(client, &server, which.wait, goal).await? } else { server };
    show(output, &Server { rescue_password: made, ..server })
}

/// Waits for a status at rest: a server that is being switched is still on its way.
async fn follow(client: &Client, server: &Server, wait: Wait, goal: ServerStatus) -> anyhow::Result<Server> {
    output::wait(&server.name, wait.timeout, async || {
        let now: Server = client.get(&format!("/v1/servers/{}", server.id)).await?;
        let said = now.reason.clone().or_else(|| now.waiting_for.clone());
        let said = said.map(|text| format!(" ({text})")).unwrap_or_default();
        Ok(match now.status {
            status if status == goal && now.waiting_for.is_none() => Look::Done(now),
            ServerStatus::Error => {
                Look::Failed(now.reason.unwrap_or_else(|| "error without a reason".to_owned()))
            }
            status @ (ServerStatus::Building
            | ServerStatus::Active
            | ServerStatus::Off
            | ServerStatus::Rescuing
            | ServerStatus::Rescue
            | ServerStatus::Unrescuing
            | ServerStatus::Deleting
            | ServerStatus::Unknown) => Look::Going(format!("{status}{said}")),
        })
    })
    .await
}

async fn delete(client: &Client, output: Output, name: &str, wait: Wait) -> anyhow::Result<()> {
    let server: Server = client.get(&path(&["servers", name])?).await?;
    client.delete(&format!("/v1/servers/{}", server.id)).await?;
    if !wait.wait {
        output::say(
            output,
            format_args!(
                "{name} is being deleted; `bmsctl server show {}` shows what it waits for",
                server.id
            ),
        );
        return Ok(());
    }
    output::wait(name, wait.timeout, async || {
        match client.get::<Server>(&format!("/v1/servers/{}", server.id)).await {
            Ok(now) => {
                let reason = now.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                Ok(Look::Going(format!("{}{reason}", now.status)))
            }
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(Refused(problem)) if problem.status == 404 => Ok(Look::Done(())),
                _ => Err(error),
            },
        }
    })
    .await?;
    output::say(output, format_args!("{name} was deleted"));
    Ok(())
}
