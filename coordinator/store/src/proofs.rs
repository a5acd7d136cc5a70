//! Edges: the proofs of isolation in the inventory: one row for each move of a port, bounded per server.

use protocol::{id::ServerId, network::BootNetwork};
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{
    Inventory, InventoryError, Proof, SIGHTINGS_MAX, Sighting, failed,
    row::{Reader, big, json},
};
use domain::rim::WantedNetwork;

/// Proofs that are kept of one server; the oldest beyond them are deleted.
pub const PROOFS_MAX: u32 = 100;

impl Inventory {
    /// Stores a proof. A failure that repeats the newest row of its port is counted there instead, so that hours of trying in vain
    /// leave the proofs before them.
    pub async fn put_proof(&self, proof: &Proof) -> Result<(), InventoryError> {
        if let Some(error) = &proof.error
            && let Some(last) = self.newest_proof(proof.server, &proof.port).await?
            && last.error.as_ref() == Some(error)
            && (last.wanted, last.asked_by) == (proof.wanted, proof.asked_by)
        {
            sqlx::query("UPDATE proofs SET tries = tries + 1, at_us = $2, took_ms = $3 WHERE id = $1")
                .bind(last.id.to_string())
                .bind(big(proof.at_us))
                .bind(big(proof.took_ms))
                .execute(&self.pool)
                .await
                .map_err(failed("count a failed move"))?;
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO proofs (id, server, port, mac, asked_by, wanted, observed, error, at_us, took_ms, tries, \
             confirmed_us, sightings) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(proof.id.to_string())
        .bind(proof.server.to_string())
        .bind(&proof.port)
        .bind(proof.mac.to_string())
        .bind(json(&proof.asked_by))
        .bind(json(&proof.wanted))
        .bind(proof.observed.as_ref().map(json))
        .bind(&proof.error)
        .bind(big(proof.at_us))
        .bind(big(proof.took_ms))
        .bind(big(proof.tries))
        .bind(proof.confirmed_us.map(big))
        .bind(json(&proof.sightings))
        .execute(&self.pool)
        .await
        .map_err(failed("store a proof"))?;
        sqlx::query(
            "DELETE FROM proofs WHERE server = $1 AND id NOT IN \
             (SELECT id FROM proofs WHERE server = $1 ORDER BY at_us DESC, id LIMIT $2)",
        )
        .bind(proof.server.to_string())
        .bind(i64::from(PROOFS_MAX))
        .execute(&self.pool)
        .await
        .map_err(failed("forget old proofs"))?;
        Ok(())
    }

    /// The proofs of a server, newest first.
    pub async fn proofs(&self, server: ServerId) -> Result<Vec<Proof>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM proofs WHERE server = $1 ORDER BY at_us DESC, id LIMIT $2")
            .bind(server.to_string())
            .bind(i64::from(PROOFS_MAX))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the proofs"))?;
        rows.iter().map(read_proof).collect()
    }

    async fn newest_proof(&self, server: ServerId, port: &str) -> Result<Option<Proof>, InventoryError> {
        let row = sqlx::query(
            "SELECT * FROM proofs WHERE server = $1 AND port = $2 ORDER BY at_us DESC, id LIMIT 1",
        )
        .bind(server.to_string())
        .bind(port)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("read a proof"))?;
        row.as_ref().map(read_proof).transpose()
    }

    /// The gate has read the port back once more.
    pub async fn confirm_proof(&self, server: ServerId, port: &str) -> Result<(), InventoryError> {
        let Some(newest) = self.newest_proof(server, port).await? else { return Ok(()) };
        sqlx::query("UPDATE proofs SET confirmed_us = $2 WHERE id = $1")
            .bind(newest.id.to_string())
            .bind(big(self.clock.now_us()))
            .execute(&self.pool)
            .await
            .map_err(failed("confirm a proof"))?;
        Ok(())
    }

    /// Keeps what was heard of a port with its newest proof; the same is kept once. Says whether the port was heard where it was
    /// not put, for the first time. What was heard elsewhere before the port was moved proves nothing: reports come late.
    pub async fn note_sighting(
        &self,
        server: ServerId,
        port: &str,
        at_us: u64,
        network: BootNetwork,
        what: &str,
    ) -> Result<bool, InventoryError> {
        let Some(newest) = self.newest_proof(server, port).await? else { return Ok(false) };
        let agrees = newest.wanted == WantedNetwork::Boot(network);
        if !agrees && at_us < newest.at_us {
            return Ok(false);
        }
        let mut sightings = newest.sightings;
        let known = sightings.iter().any(|one| one.network == network && one.what == what);
        if known || sightings.len() >= SIGHTINGS_MAX {
            return Ok(false);
        }
        let first_stray = !agrees && sightings.iter().all(|one| one.agrees);
        sightings.push(Sighting { at_us, network, what: what.to_owned(), agrees });
        sqlx::query("UPDATE proofs SET sightings = $2 WHERE id = $1")
            .bind(newest.id.to_string())
            .bind(json(&sightings))
            .execute(&self.pool)
            .await
            .map_err(failed("store a sighting"))?;
        Ok(first_stray)
    }
}

fn read_proof(row: &SqliteRow) -> Result<Proof, InventoryError> {
    let read = Reader { row, name: "a proof".to_owned() };
    let id: Uuid = read.parsed("id")?;
    let read = Reader { row, name: format!("proof {id}") };
    Ok(Proof {
        id,
        server: read.parsed("server")?,
        port: read.text("port")?,
        mac: read.parsed("mac")?,
        asked_by: read.json("asked_by")?,
        wanted: read.json("wanted")?,
        observed: read.json_opt("observed")?,
        error: read.text_opt("error")?,
        at_us: read.number("at_us")?,
        took_ms: read.number("took_ms")?,
        tries: read.number("tries")?,
        confirmed_us: read.number_opt("confirmed_us")?,
        sightings: read.json("sightings")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use domain::{records::AskedBy, rim::ObservedNetwork};

    use domain::samples::new_server;

    use crate::{clock::TestClock, secret::Sealer};

    const CLEANING: WantedNetwork = WantedNetwork::Boot(BootNetwork::Cleaning);

    async fn world() -> (Inventory, ServerId) {
        let inventory =
            Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        let server = inventory.put_server(&new_server()).await.unwrap().id;
        (inventory, server)
    }

    fn proof(server: ServerId, at_us: u64, error: Option<&str>) -> Proof {
        Proof {
            id: Uuid::new_v4(),
            server,
            port: "eth0".to_owned(),
            mac: "52:54:00:00:00:0b".parse().unwrap(),
            asked_by: AskedBy::Park,
            wanted: CLEANING,
            observed: error.is_none().then_some(ObservedNetwork::Boot(BootNetwork::Cleaning)),
            error: error.map(str::to_owned),
            at_us,
            took_ms: 5,
            tries: 1,
            confirmed_us: None,
            sightings: Vec::new(),
        }
    }

    #[tokio::test]
    async fn proofs_are_bounded_and_failures_are_counted() {
        let (inventory, server) = world().await;
        inventory.put_proof(&proof(server, 1, None)).await.unwrap();
        for at_us in 2..200 {
            inventory.put_proof(&proof(server, at_us, Some("no answer"))).await.unwrap();
        }
        let stored = inventory.proofs(server).await.unwrap();
        assert_eq!(stored.len(), 2, "{stored:?}");
        assert_eq!((stored[0].tries, stored[0].at_us, stored[0].holds()), (198, 199, false));
        assert!(stored[1].holds());
        for at_us in 200..400 {
            inventory.put_proof(&proof(server, at_us, None)).await.unwrap();
        }
        let stored = inventory.proofs(server).await.unwrap();
        assert_eq!(stored.len(), PROOFS_MAX as usize);
        assert_eq!((stored[0].at_us, stored.last().unwrap().at_us), (399, 300));
    }

    #[tokio::test]
    async fn what_was_heard_of_a_port_stands_with_its_newest_proof() {
        let (inventory, server) = world().await;
        let note = async |at_us, network, what: &str| {
            inventory.note_sighting(server, "eth0", at_us, network, what).await.unwrap()
        };
        assert!(!note(1, BootNetwork::Cleaning, "DHCP request").await, "there is no proof yet");
        inventory.put_proof(&proof(server, 1, None)).await.unwrap();
        inventory.put_proof(&proof(server, 2, None)).await.unwrap();
        assert!(!note(3, BootNetwork::Cleaning, "DHCP request").await);
        assert!(!note(4, BootNetwork::Cleaning, "DHCP request").await);
        assert!(!note(1, BootNetwork::Provisioning, "DHCP request").await, "before it was moved");
        assert!(note(5, BootNetwork::Provisioning, "DHCP request").await, "heard where it was not put");
        assert!(!note(6, BootNetwork::Provisioning, "kernel").await, "told once");
        let stored = inventory.proofs(server).await.unwrap();
        let seen: Vec<_> = stored[0].sightings.iter().map(|one| (one.at_us, one.agrees)).collect();
        assert_eq!(seen, [(3, true), (5, false), (6, false)]);
        assert!(stored[1].sightings.is_empty());
        inventory.confirm_proof(server, "eth0").await.unwrap();
        assert!(inventory.proofs(server).await.unwrap()[0].confirmed_us.is_some());
    }
}
