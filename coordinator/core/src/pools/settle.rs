//! Edges: putting servers into their pools: in the inventory first, then on Ironic's node.

use domain::{
    events::EventKind,
    pools::{Decision, Facts, Pool, decide, may_change, traits},
    records::Server,
    rim::{Provisioner, ProvisionerError},
};
use store::{Inventory, InventoryError};
use tracing::info;

use crate::visits::ServerLocks;

/// Why a server is not in its pool yet. What follows by itself tries again.
#[derive(Debug, thiserror::Error)]
pub enum PoolingError {
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// Ironic did not take the class.
    #[error(transparent)]
    Provisioner(#[from] ProvisionerError),
}

/// A server that belongs elsewhere than it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The server.
    pub name: String,
    /// Its pool now.
    pub from: Option<String>,
    /// Its class now.
    pub from_class: String,
    /// The pool it belongs into.
    pub to: Option<String>,
    /// The class it gets there.
    pub to_class: String,
    /// Why it is not moved now.
    pub held: Option<String>,
}

/// Whether [`settle`] has something to do for a server.
pub fn is_due(server: &Server) -> bool {
    let Some(facts) = Facts::of(server) else { return false };
    let is_new = server.pool_facts.as_ref() != Some(&facts);
    (is_new || server.pool_untold) && may_change(server.node.as_ref()).is_ok()
}

/// What follows for one server by itself: a pool after an inspection that found something new, and what Ironic was not
/// told yet.
pub async fn settle(
    inventory: &Inventory,
    provisioner: &dyn Provisioner,
    locks: &ServerLocks,
    server: &Server,
) -> Result<(), PoolingError> {
    let Some(facts) = Facts::of(server).filter(|_| is_due(server)) else { return Ok(()) };
    let is_new = server.pool_facts.as_ref() != Some(&facts);
    let Some(_lock) = locks.try_lock(server.id) else { return Ok(()) };
    if is_new {
        let decision = decide(&inventory.pools().await?, &facts);
        put(inventory, server, &facts, &decision).await?;
    }
    tell(inventory, provisioner, server).await
}

/// Goes through all servers by these rules. Those that may be moved are, unless it is a rehearsal.
pub async fn apply(
    inventory: &Inventory,
    provisioner: &dyn Provisioner,
    locks: &ServerLocks,
    pools: &[Pool],
    rehearsal: bool,
) -> Result<Vec<Move>, PoolingError> {
    let mut moves = Vec::new();
    for server in inventory.servers(None).await? {
        let Some(facts) = Facts::of(&server) else { continue };
        let decision = decide(pools, &facts);
        let to_class = decision.class.clone().unwrap_or_else(|| server.resource_class.clone());
        if decision.pool == server.pool && to_class == server.class() {
            continue;
        }
        let held = may_change(server.node.as_ref()).err();
        if !rehearsal && held.is_none() {
            let _lock = locks.lock(server.id).await;
            put(inventory, &server, &facts, &decision).await?;
            tell(inventory, provisioner, &server).await?;
        }
        moves.push(Move {
            from_class: server.class().to_owned(),
            from: server.pool,
            to: decision.pool,
            to_class,
            name: server.name,
            held,
        });
    }
    Ok(moves)
}

/// Stores where a server belongs. Ironic is told next; until then it is stored that it was not.
async fn put(
    inventory: &Inventory,
    server: &Server,
    facts: &Facts,
    decision: &Decision,
) -> Result<(), InventoryError> {
    inventory.set_pool(server.id, decision, facts).await?;
    if decision.pool != server.pool {
        let text = match (&decision.pool, &decision.class) {
            (Some(pool), Some(class)) => format!("put into pool {pool}: resource class {class}"),
            (_, _) => format!("in no pool: resource class {}", server.resource_class),
        };
        info!(server = %server.id, name = %server.name, pool = decision.pool.as_deref(), "server put into its pool");
        inventory.record(server.id, EventKind::Pool, text).await;
    }
    Ok(())
}

/// Tells Ironic the server's class and traits, if the node may be changed now; otherwise it stays untold.
async fn tell(
    inventory: &Inventory,
    provisioner: &dyn Provisioner,
    server: &Server,
) -> Result<(), PoolingError> {
    // What was stored a moment ago, and the node as it is now.
    let Some(server) = inventory.server(server.id).await? else { return Ok(()) };
    let node = provisioner.get_node(server.id).await?;
    if may_change(node.as_ref()).is_err() {
        return Ok(());
    }
    provisioner.classify(server.id, server.class(), &traits(&server)).await?;
    inventory.set_pool_told(server.id).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::hardware::HardwareReport;

    use super::*;
    use crate::bench::Bench;

    fn pool(name: &str, condition: &str) -> Pool {
        Pool {
            name: name.to_owned(),
            resource_class: format!("{name}-class"),
            conditions: vec![condition.parse().unwrap()],
        }
    }

    async fn inspected(bench: &Bench, cpus: u32) {
        let mut hardware = HardwareReport::default();
        hardware.cpu.count = cpus;
        hardware.system.manufacturer = "QEMU".into();
        bench.inventory.set_hardware(bench.id, &hardware).await.unwrap();
        bench.reconcile.visit(bench.id).await;
    }

    #[tokio::test]
    async fn an_inspection_puts_a_server_into_its_pool() {
        let bench = Bench::new("manageable", None).await;
        bench.set_node(|node| node.instance_id = None).await;
        bench.inventory.put_pools(&[pool("large", "cpus>=8"), pool("small", "cpus>=1")]).await.unwrap();
        bench.reconcile.visit(bench.id).await;
        assert_eq!(bench.server().await.class(), "gold", "a server that was not inspected has no facts");
        inspected(&bench, 2).await;
        let server = bench.server().await;
        assert_eq!(
            (server.pool.as_deref(), server.class(), server.pool_untold),
            (Some("small"), "small-class", false)
        );
        assert_eq!(bench.world.count("classify small-class CUSTOM_MANUFACTURER_QEMU"), 1);
        // The same facts are no news, and neither is another rule.
        bench.inventory.put_pools(&[]).await.unwrap();
        inspected(&bench, 2).await;
        assert_eq!(bench.server().await.class(), "small-class");
        assert_eq!(bench.world.count("classify"), 1);
        // Somebody uses it: it waits until it is free.
        bench.inventory.put_pools(&[pool("large", "cpus>=8")]).await.unwrap();
        bench.set_node(|node| node.provision_state = "active".into()).await;
        inspected(&bench, 8).await;
        assert_eq!(bench.server().await.class(), "small-class");
        bench.set_node(|node| node.provision_state = "available".into()).await;
        bench.reconcile.visit(bench.id).await;
        assert_eq!(bench.server().await.class(), "large-class");
        assert_eq!(bench.world.count("classify large-class"), 1);
    }

    #[tokio::test]
    async fn what_ironic_was_not_told_is_told_later() {
        let bench = Bench::new("available", None).await;
        bench.set_node(|node| node.instance_id = None).await;
        inspected(&bench, 2).await;
        let server = bench.server().await;
        // As a crash between the two leaves it.
        let decision = Decision { pool: Some("p".into()), class: Some("p-class".into()) };
        let facts = Facts::of(&server).unwrap();
        bench.inventory.set_pool(bench.id, &decision, &facts).await.unwrap();
        assert!(bench.server().await.pool_untold);
        bench.reconcile.visit(bench.id).await;
        assert!(!bench.server().await.pool_untold);
        assert_eq!(bench.world.count("classify p-class"), 1);
    }

    #[tokio::test]
    async fn a_rehearsal_changes_nothing() {
        let bench = Bench::new("available", None).await;
        bench.set_node(|node| node.instance_id = None).await;
        inspected(&bench, 2).await;
        let before = bench.server().await;
        let (pools, calls) = ([pool("small", "cpus>=1")], bench.world.calls().len());
        let moves = apply(
            &bench.inventory,
            &*bench.reconcile.parts.provisioner,
            &bench.reconcile.parts.locks,
            &pools,
            true,
        )
        .await
        .unwrap();
        assert_eq!(moves.len(), 1);
        assert_eq!((moves[0].to_class.as_str(), &moves[0].held), ("small-class", &None));
        assert_eq!((bench.server().await, bench.world.calls().len()), (before, calls));
    }
}
