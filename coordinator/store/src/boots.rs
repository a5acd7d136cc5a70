//! Edges: servers' attempts to boot over the network, in the inventory: a row for each thing that was seen, bounded per attempt and server.

use domain::boots::{ATTEMPTS_MAX, Attempt, MARKS_MAX, Mark, What};
use protocol::{boot::BootPlan, id::ServerId};

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, big, json},
};

impl Inventory {
    /// Begins an attempt, and forgets those that are too old.
    pub async fn begin_boot(&self, server: ServerId, plan: &BootPlan) -> Result<(), InventoryError> {
        let mut work = self.pool.begin().await.map_err(failed("begin a boot"))?;
        sqlx::query(
            "INSERT INTO boot_marks (server, attempt, at_us, what) \
             SELECT $1, COALESCE(MAX(attempt), 0) + 1, $2, $3 FROM boot_marks WHERE server = $1",
        )
        .bind(server.to_string())
        .bind(big(self.clock.now_us()))
        .bind(json(&What::Ordered(plan.clone())))
        .execute(&mut *work)
        .await
        .map_err(failed("begin a boot"))?;
        sqlx::query(
            "DELETE FROM boot_marks WHERE server = $1 AND attempt <= \
             (SELECT MAX(attempt) FROM boot_marks WHERE server = $1) - $2",
        )
        .bind(server.to_string())
        .bind(i64::from(ATTEMPTS_MAX))
        .execute(&mut *work)
        .await
        .map_err(failed("forget old boots"))?;
        work.commit().await.map_err(failed("begin a boot"))
    }

    /// Keeps something that was seen of the newest attempt; without one, or when it has enough, nothing.
    pub async fn mark_boot(&self, server: ServerId, at_us: u64, what: What) -> Result<(), InventoryError> {
        sqlx::query(
            "INSERT INTO boot_marks (server, attempt, at_us, what) \
             SELECT $1, attempt, $2, $3 FROM boot_marks WHERE server = $1 AND attempt = \
             (SELECT MAX(attempt) FROM boot_marks WHERE server = $1) \
             GROUP BY attempt HAVING COUNT(*) < $4",
        )
        .bind(server.to_string())
        .bind(big(at_us))
        .bind(json(&what.bounded()))
        .bind(i64::from(MARKS_MAX))
        .execute(&self.pool)
        .await
        .map_err(failed("keep how far a boot has come"))?;
        Ok(())
    }

    /// The attempts of a server, the newest first.
    pub async fn boots(&self, server: ServerId) -> Result<Vec<Attempt>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM boot_marks WHERE server = $1 ORDER BY id")
            .bind(server.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read a server's boots"))?;
        let mut attempts: Vec<Attempt> = Vec::new();
        for row in &rows {
            let read = Reader { row, name: "a boot".to_owned() };
            let mark = Mark { at_us: read.number("at_us")?, what: read.json("what")? };
            match (&mark.what, attempts.last_mut()) {
                (What::Ordered(plan), _) => {
                    attempts.push(Attempt { plan: plan.clone(), marks: vec![mark] });
                }
                (_, Some(attempt)) => attempt.marks.push(mark),
                (_, None) => {}
            }
        }
        attempts.reverse();
        Ok(attempts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::samples;
    use protocol::{boot::BootPurpose, network::BootNetwork};

    use super::*;
    use crate::{clock::TestClock, secret::Sealer};

    fn plan(purpose: BootPurpose) -> BootPlan {
        BootPlan { purpose, network: BootNetwork::Provisioning }
    }

    #[tokio::test]
    async fn the_newest_attempts_are_kept_each_with_so_many_marks() {
        let clock = Arc::new(TestClock::default());
        let inventory = Inventory::in_memory(Sealer::new(&[1; 32]), clock).await.unwrap();
        let server = inventory.put_server(&samples::new_server()).await.unwrap().id;
        // What belongs to no attempt is left out.
        inventory.mark_boot(server, 1, What::PowerOn).await.unwrap();
        assert_eq!(inventory.boots(server).await.unwrap(), []);
        inventory.begin_boot(server, &plan(BootPurpose::Inspect)).await.unwrap();
        inventory.mark_boot(server, 2, What::PowerOn).await.unwrap();
        inventory.begin_boot(server, &plan(BootPurpose::Clean)).await.unwrap();
        // By another clock it was before; it became known later all the same.
        inventory.mark_boot(server, 0, What::PowerOff).await.unwrap();
        let boots = inventory.boots(server).await.unwrap();
        let seen = |attempt: &Attempt| {
            attempt.marks.iter().skip(1).map(|mark| mark.what.clone()).collect::<Vec<_>>()
        };
        assert_eq!(boots.iter().map(seen).collect::<Vec<_>>(), [vec![What::PowerOff], vec![What::PowerOn]]);
        assert_eq!(boots[0].plan.purpose, BootPurpose::Clean);

        for _ in 0..MARKS_MAX + 10 {
            inventory.mark_boot(server, 3, What::PowerOn).await.unwrap();
        }
        assert_eq!(inventory.boots(server).await.unwrap()[0].marks.len(), MARKS_MAX as usize);
        for _ in 0..ATTEMPTS_MAX + 5 {
            inventory.begin_boot(server, &plan(BootPurpose::Deploy)).await.unwrap();
        }
        let boots = inventory.boots(server).await.unwrap();
        assert_eq!(boots.len(), ATTEMPTS_MAX as usize);
        assert!(boots.iter().all(|boot| boot.plan.purpose == BootPurpose::Deploy && boot.marks.len() == 1));
        // They go with their server.
        inventory.delete_server(server).await.unwrap();
        assert_eq!(inventory.boots(server).await.unwrap(), []);
    }
}
