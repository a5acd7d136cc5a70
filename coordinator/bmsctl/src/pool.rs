//! Edges: `bmsctl pool`.

use clap::Subcommand;

use super::{args::Output, client::Client, output, path::path};
use api_types::{List, NewPool, Pool, PoolMove, PoolMoves};

const CONDITIONS: &str = "\
Conditions compare a fact that inspection found: cpus, memory_mib, disks, disk_mib (the largest), nics, nic_mbps (the
fastest) by = != >= <= > <; name, rack, manufacturer, product, cpu_model, architecture by = and != with * for any text;
boot_mode by = and !=. A server goes into the first pool whose conditions all hold. New servers are assigned
automatically when they are inspected; `bmsctl pool apply` assigns the others.

Example: bmsctl pool create small --resource-class bm-small --match 'cpus<=8' --match 'manufacturer=Dell*'";

/// Its commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List pools in the order in which they are evaluated.
    List,
    /// Show a pool.
    Show {
        /// Name.
        pool: String,
    },
    /// Create a pool: servers that meet all its conditions get its resource class.
    #[command(after_help = CONDITIONS)]
    Create {
        /// Name.
        name: String,
        /// Resource class, which flavors select.
        #[arg(long)]
        resource_class: String,
        /// Condition such as 'cpus>=2'; can be repeated, and all of them must hold.
        #[arg(long = "match", value_name = "CONDITION", required = true)]
        conditions: Vec<String>,
        /// Evaluate it before this pool; by default it comes last.
        #[arg(long, value_name = "POOL")]
        before: Option<String>,
        /// Create nothing; show which servers would move to which pool.
        #[arg(long)]
        dry_run: bool,
    },
    /// Move all inspected servers that are not in use to their pools.
    Apply {
        /// Change nothing; show which servers would move to which pool.
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete a pool. Its servers keep their resource class until they are inspected again or `bmsctl pool apply` runs.
    Delete {
        /// Name.
        pool: String,
    },
}

/// Runs one of them.
pub async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => print(output, &client.get::<List<Pool>>("/v1/pools").await?.items),
        Command::Show { pool } => {
            let pool: Pool = client.get(&path(&["pools", &pool])?).await?;
            print(output, &[pool])
        }
        Command::Create { name, resource_class, conditions, before, dry_run } => {
            let wanted = NewPool { name, resource_class, conditions, before };
            if dry_run {
                return moves(client, output, PoolMoves { dry_run, pool: Some(wanted) }).await;
            }
            print(output, &[client.post("/v1/pools", &wanted).await?])
        }
        Command::Apply { dry_run } => moves(client, output, PoolMoves { dry_run, pool: None }).await,
        Command::Delete { pool } => {
            client.delete(&path(&["pools", &pool])?).await?;
            output::say(output, format_args!("{pool} was deleted; `bmsctl pool apply` moves its servers"));
            Ok(())
        }
    }
}

fn print(output: Output, pools: &[Pool]) -> anyhow::Result<()> {
    output::list(output, pools, &["", "name", "class", "match", "servers"], |pool| {
        vec![
            pool.position.to_string(),
            pool.name.clone(),
            pool.resource_class.clone(),
            pool.conditions.join(", "),
            pool.servers.join(", "),
        ]
    })
}

async fn moves(client: &Client, output: Output, wanted: PoolMoves) -> anyhow::Result<()> {
    let moves: List<PoolMove> = client.post("/v1/pool-moves", &wanted).await?;
    if moves.items.is_empty() {
        output::say(output, "every inspected server is in the right pool");
    }
    output::list(output, &moves.items, &["node", "from", "class", "to", "class", "stays because"], |one| {
        let pool = |pool: &Option<String>| pool.clone().unwrap_or_else(|| "-".to_owned());
        let PoolMove { node, from, from_class, to, to_class, held } = one.clone();
        vec![node, pool(&from), from_class, pool(&to), to_class, held.unwrap_or_default()]
    })
}
