//! Edges: machines that were found and that nobody has enrolled, in the inventory.

use protocol::secret::Secret;
use uuid::Uuid;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};
use domain::discovery::{Entry, entry::BmcHalf};

/// Most machines that wait to be accepted.
pub const DISCOVERIES_MAX: usize = 4096;

fn place(id: Uuid) -> String {
    format!("discoveries.bmc_password/{id}")
}

impl Inventory {
    /// All of them, those found first first.
    pub async fn discoveries(&self) -> Result<Vec<Entry>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM discoveries ORDER BY first_us, id")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the machines found"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "a machine found".to_owned() };
                let id: Uuid = read.parsed("id")?;
                let password: Option<Secret> = match read.text_opt("bmc_password")? {
                    Some(sealed) => Some(self.sealer.open(&place(id), &sealed)?),
                    None => None,
                };
                let bmc: Option<BmcHalf> = read.json_opt("bmc")?;
                Ok(Entry {
                    id,
                    rack: read.parsed("rack")?,
                    ignored: read.flag("ignored")?,
                    bmc: bmc.map(|bmc| BmcHalf { password, ..bmc }),
                    machine: read.json_opt("machine")?,
                    first_us: read.number("first_us")?,
                    last_us: read.number("last_us")?,
                })
            })
            .collect()
    }

    /// Stores these, new and changed, and forgets those, all or none.
    pub async fn put_discoveries(&self, put: &[Entry], gone: &[Uuid]) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        for id in gone {
            sqlx::query("DELETE FROM discoveries WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(failed("forget a machine found"))?;
        }
        for entry in put {
            let password = entry.bmc.as_ref().and_then(|bmc| bmc.password.as_ref());
            let sealed = password.map(|password| self.sealer.seal(&place(entry.id), password)).transpose()?;
            sqlx::query(
                "INSERT INTO discoveries (id, rack, ignored, bmc, bmc_password, machine, first_us, last_us) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET ignored = excluded.ignored, \
                 bmc = excluded.bmc, bmc_password = excluded.bmc_password, machine = excluded.machine, \
                 last_us = excluded.last_us",
            )
            .bind(entry.id.to_string())
            .bind(entry.rack.as_str())
            .bind(i64::from(entry.ignored))
            .bind(entry.bmc.as_ref().map(json))
            .bind(sealed)
            .bind(entry.machine.as_ref().map(json))
            .bind(big(entry.first_us))
            .bind(big(entry.last_us))
            .execute(&mut *transaction)
            .await
            .map_err(failed("store a machine found"))?;
        }
        transaction.commit().await.map_err(failed("finish a change"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::spec::BmcProtocol;

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    #[tokio::test]
    async fn a_found_machine_is_kept_with_its_password_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inventory.db");
        let open = async || {
            Inventory::open(&path, Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap()
        };
        let inventory = open().await;
        let entry = Entry {
            id: Uuid::from_u128(7),
            rack: "rack1".parse().unwrap(),
            ignored: false,
            bmc: Some(BmcHalf {
                address: "198.51.100.14".into(),
                port: 623,
                protocol: BmcProtocol::Ipmi { cipher_suite: None },
                identity: None,
                problem: String::new(),
                username: Some("admin".into()),
                password: Some(Secret::new("plainly-readable")),
                marks: vec!["serial:7x0ab12".parse().unwrap()],
            }),
            machine: None,
            first_us: 1,
            last_us: 2,
        };
        inventory.put_discoveries(std::slice::from_ref(&entry), &[]).await.unwrap();
        inventory.close().await;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(16).any(|window| window == b"plainly-readable"));
        }
        let inventory = open().await;
        assert_eq!(inventory.discoveries().await.unwrap(), std::slice::from_ref(&entry));
        inventory.put_discoveries(&[], &[entry.id]).await.unwrap();
        assert!(inventory.discoveries().await.unwrap().is_empty());
    }
}
