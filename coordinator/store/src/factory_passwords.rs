//! Edges: passwords that BMCs have from their factory, in the inventory. They are read one by one, when they are given to an agent or compared.

use std::collections::HashMap;

use domain::{
    factory_password::{LINES_MAX, Line, NewLine, Place, Stage, Whose},
    import::Fault,
    records::Server,
    upkeep::rotation::Rotation,
};
use protocol::{bmc_mark::BmcMark, id::RackId, secret::Secret};
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
    upkeep::stored_rotation,
};

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactoryImported {
    /// Lines that were not there.
    pub added: usize,
    /// Lines that were there already.
    pub known: usize,
}

/// Why nothing of a file was imported.
#[derive(Debug, thiserror::Error)]
pub enum NotImported {
    /// It contradicts what is stored.
    #[error("the file contradicts the list of factory passwords")]
    Faults(Vec<Fault>),
    /// The inventory failed.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

fn place(id: Uuid) -> String {
    format!("factory_passwords.password/{id}")
}

impl Inventory {
    /// All lines, without their passwords, in the order in which they were imported.
    pub async fn factory_passwords(&self) -> Result<Vec<Line>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM factory_passwords ORDER BY added_us, rowid")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the factory passwords"))?;
        rows.iter().map(read_line).collect()
    }

    /// The marks of the BMCs of a rack for which there is a password that may still be given.
    pub async fn awaited_bmcs(&self, rack: &RackId) -> Result<Vec<BmcMark>, InventoryError> {
        let lines = self.factory_passwords().await?;
        let open = lines
            .into_iter()
            .filter(|line| line.stage.is_open() && line.whose.rack.as_ref().is_none_or(|only| only == rack));
        Ok(open.flat_map(|line| line.whose.marks()).collect())
    }

    /// The line that an agent was told to try under this order.
    pub async fn factory_password_of(&self, order: Uuid) -> Result<Option<Line>, InventoryError> {
        let row = sqlx::query("SELECT * FROM factory_passwords WHERE order_id = $1")
            .bind(order.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a factory password"))?;
        row.as_ref().map(read_line).transpose()
    }

    /// The password of a line; none: it was removed.
    pub async fn open_factory_password(&self, id: Uuid) -> Result<Option<Secret>, InventoryError> {
        let row = sqlx::query("SELECT password FROM factory_passwords WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a factory password"))?;
        let Some(row) = row else { return Ok(None) };
        let sealed = Reader { row: &row, name: "a factory password".to_owned() }.text("password")?;
        Ok(Some(self.sealer.open(&place(id), &sealed)?))
    }

    /// Stores the lines of a file, all or none. One that is there already, with the same password, stays as it is.
    pub async fn import_factory_passwords(&self, new: &[NewLine]) -> Result<FactoryImported, NotImported> {
        let known = self.factory_passwords().await?;
        let mut by_mark = HashMap::new();
        for line in &known {
            by_mark.extend(line.whose.marks().into_iter().map(|mark| (mark, line)));
        }
        let (mut faults, mut added) = (Vec::new(), Vec::new());
        for line in new {
            let same = line.whose.marks().iter().find_map(|mark| by_mark.get(mark).copied());
            match same {
                None => added.push(line),
                Some(known) if self.is_as_known(line, known).await? => {}
                Some(known) => {
                    faults.push(Fault { line: line.line, path: String::new(), message: conflict(known) })
                }
            }
        }
        if known.len() + added.len() > LINES_MAX {
            let message =
                format!("the list would have more than {LINES_MAX} lines: remove those that are claimed");
            faults.push(Fault { line: 0, path: String::new(), message });
        }
        if !faults.is_empty() {
            return Err(NotImported::Faults(faults));
        }
        self.add_factory_passwords(&added).await?;
        Ok(FactoryImported { added: added.len(), known: new.len() - added.len() })
    }

    async fn is_as_known(&self, new: &NewLine, known: &Line) -> Result<bool, InventoryError> {
        let password = self.open_factory_password(known.id).await?;
        Ok(new.whose.says_the_same(&known.whose) && password.as_ref() == Some(&new.password))
    }

    async fn add_factory_passwords(&self, new: &[&NewLine]) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        for NewLine { whose, password, .. } in new {
            let id = Uuid::new_v4();
            let mark = |wanted: fn(&BmcMark) -> bool| {
                whose.marks().iter().find(|mark| wanted(mark)).map(ToString::to_string)
            };
            sqlx::query(
                "INSERT INTO factory_passwords (id, rack, serial, mac, uuid, mac_mark, serial_mark, uuid_mark, username, password, \
                 stage, detail, added_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            )
            .bind(id.to_string())
            .bind(whose.rack.as_ref().map(RackId::as_str))
            .bind(whose.serial.as_deref())
            .bind(whose.mac.map(|mac| mac.to_string()))
            .bind(whose.uuid.map(|uuid| uuid.to_string()))
            .bind(mark(|mark| matches!(mark, BmcMark::Mac(_))))
            .bind(mark(|mark| matches!(mark, BmcMark::Serial(_))))
            .bind(mark(|mark| matches!(mark, BmcMark::Uuid(_))))
            .bind(&whose.username)
            .bind(self.sealer.seal(&place(id), password)?)
            .bind(Stage::Waiting.name())
            .bind(json(&Stage::Waiting))
            .bind(big(self.clock.now_us()))
            .execute(&mut *transaction)
            .await
            .map_err(failed("store a factory password"))?;
        }
        transaction.commit().await.map_err(failed("finish a change"))
    }

    /// Stores what becomes of a line, unless something else has become of it meanwhile. Whether it was stored.
    pub async fn set_factory_stage(&self, line: &Line, stage: &Stage) -> Result<bool, InventoryError> {
        let order = match stage {
            Stage::Given { order, .. } => Some(order.to_string()),
            Stage::Waiting | Stage::Refused { .. } | Stage::Accepted { .. } | Stage::Claimed { .. } => None,
        };
        let done = sqlx::query(
            "UPDATE factory_passwords SET stage = $2, detail = $3, order_id = $4 WHERE id = $1 AND detail = $5",
        )
        .bind(line.id.to_string())
        .bind(stage.name())
        .bind(json(stage))
        .bind(order)
        .bind(json(&line.stage))
        .execute(&self.pool)
        .await
        .map_err(failed("store what became of a factory password"))?;
        Ok(done.rows_affected() > 0)
    }

    /// The lines whose BMC has let us in and waits to be enrolled.
    pub async fn accepted_factory_passwords(&self) -> Result<Vec<(Line, Place, Secret)>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM factory_passwords WHERE stage = $1")
            .bind(Stage::ACCEPTED)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the factory passwords"))?;
        let mut all = Vec::new();
        for row in &rows {
            let line = read_line(row)?;
            let sealed = Reader { row, name: "a factory password".to_owned() }.text("password")?;
            if let Stage::Accepted { place: found, .. } = line.stage.clone() {
                let password = self.sealer.open(&place(line.id), &sealed)?;
                all.push((line, found, password));
            }
        }
        Ok(all)
    }

    /// A server has the BMC of a line: its user is ours alone, its password is to be changed, and the line is claimed. All of it, or nothing.
    pub async fn claim_factory_password(
        &self,
        line: &Line,
        server: &Server,
        planned: &Rotation,
    ) -> Result<(), InventoryError> {
        let now_us = self.clock.now_us();
        let claimed = Stage::Claimed { node: server.name.clone(), at_us: now_us };
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        sqlx::query(
            "UPDATE servers SET bmc_factory_us = $2, bmc_rotation = $3, bmc_next_password = NULL WHERE id = $1",
        )
            .bind(server.id.to_string())
            .bind(big(now_us))
            .bind(stored_rotation(planned))
            .execute(&mut *transaction)
            .await
            .map_err(failed("store that a BMC was claimed"))?;
        sqlx::query("UPDATE factory_passwords SET stage = $2, detail = $3, order_id = NULL WHERE id = $1")
            .bind(line.id.to_string())
            .bind(claimed.name())
            .bind(json(&claimed))
            .execute(&mut *transaction)
            .await
            .map_err(failed("store what became of a factory password"))?;
        transaction.commit().await.map_err(failed("finish a change"))
    }

    /// Forgets a line and its password; whether there was one.
    pub async fn delete_factory_password(&self, id: Uuid) -> Result<bool, InventoryError> {
        let done = sqlx::query("DELETE FROM factory_passwords WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(failed("forget a factory password"))?;
        Ok(done.rows_affected() > 0)
    }
}

fn conflict(known: &Line) -> String {
    format!(
        "the list has something else for the same BMC ({}, {}): remove that line first, if this one is right",
        known.whose,
        known.stage.name()
    )
}

fn read_line(row: &SqliteRow) -> Result<Line, InventoryError> {
    let id: String = row.try_get("id").map_err(failed("read a factory password"))?;
    let read = Reader { row, name: format!("the factory password {id}") };
    let whose = Whose {
        rack: read.parsed_opt("rack")?,
        serial: read.text_opt("serial")?,
        mac: read.parsed_opt("mac")?,
        uuid: read.parsed_opt("uuid")?,
        username: read.text("username")?,
    };
    Ok(Line {
        id: read.parsed("id")?,
        whose,
        added_us: read.number("added_us")?,
        stage: read.json("detail")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::import::{Format, factory_passwords};

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    fn file(text: &str) -> Vec<NewLine> {
        factory_passwords(&format!("serial,mac,username,password\n{text}"), Format::Csv).unwrap()
    }

    async fn inventory() -> Inventory {
        Inventory::in_memory(Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap()
    }

    #[tokio::test]
    async fn lines_are_kept_with_their_passwords_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inventory.db");
        let inventory =
            Inventory::open(&path, Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        inventory.import_factory_passwords(&file("7X0AB12,,root,plainly-readable\n")).await.unwrap();
        let lines = inventory.factory_passwords().await.unwrap();
        let opened = inventory.open_factory_password(lines[0].id).await.unwrap();
        assert_eq!(opened.unwrap().reveal(), "plainly-readable");
        inventory.close().await;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(16).any(|window| window == b"plainly-readable"));
        }
    }

    #[tokio::test]
    async fn an_import_is_done_whole_or_not_at_all_and_again_it_changes_nothing() {
        let inventory = inventory().await;
        let check = async |text: &str, expected: Result<(usize, usize), &str>, lines: usize| {
            match (inventory.import_factory_passwords(&file(text)).await, expected) {
                (Ok(done), Ok(expected)) => assert_eq!((done.added, done.known), expected, "{text}"),
                (Err(NotImported::Faults(faults)), Err(words)) => {
                    assert!(faults[0].line == 3 && faults[0].message.contains(words), "{text}: {faults:?}");
                    assert!(!faults[0].to_string().contains("calvin"), "{faults:?}");
                }
                (done, _) => panic!("{text}: {done:?}"),
            }
            assert_eq!(inventory.factory_passwords().await.unwrap().len(), lines, "{text}");
        };
        check("7X0AB12,,root,calvin\n,02:00:00:00:00:01,root,calvin1\n", Ok((2, 0)), 2).await;
        check("7x0ab12,,root,calvin\n,02-00-00-00-00-01,root,calvin1\n", Ok((0, 2)), 2).await;
        check("7X0AB13,,root,calvin\n7X0AB12,,root,calvin2\n", Err("something else for the same BMC"), 2)
            .await;
        check("7X0AB13,,root,calvin\n7X0AB12,02:00:00:00:00:09,root,calvin\n", Err("serial 7x0ab12"), 2)
            .await;
        check("7X0AB13,,root,calvin\n,02-00-00-00-00-01,root,calvin1\n", Ok((1, 1)), 3).await;
    }

    #[tokio::test]
    async fn what_becomes_of_a_line_is_stored_once() {
        let inventory = inventory().await;
        inventory.import_factory_passwords(&file("7X0AB12,,root,calvin\n")).await.unwrap();
        let rack: RackId = "rack1".parse().unwrap();
        assert_eq!(inventory.awaited_bmcs(&rack).await.unwrap(), ["serial:7x0ab12".parse().unwrap()]);
        let line = inventory.factory_passwords().await.unwrap().remove(0);
        let place = Place { rack: rack.clone(), address: "198.51.100.11".to_owned(), port: 623 };
        let order = Uuid::from_u128(7);
        let given = Stage::Given { place: place.clone(), at_us: 1, order, problem: None };
        assert!(inventory.set_factory_stage(&line, &given).await.unwrap());
        assert!(!inventory.set_factory_stage(&line, &given).await.unwrap(), "somebody else was first");
        let line = inventory.factory_password_of(order).await.unwrap().unwrap();
        let refused = Stage::Refused { place, at_us: 2, problem: "no".to_owned() };
        assert!(inventory.set_factory_stage(&line, &refused).await.unwrap());
        assert_eq!(inventory.factory_password_of(order).await.unwrap(), None);
        assert!(inventory.awaited_bmcs(&rack).await.unwrap().is_empty());
        assert!(inventory.delete_factory_password(line.id).await.unwrap());
        assert!(!inventory.delete_factory_password(line.id).await.unwrap());
    }
}
