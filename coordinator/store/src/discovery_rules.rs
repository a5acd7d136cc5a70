//! Edges: rules that accept machines, in the inventory.

use protocol::secret::Secret;

use super::{
    Inventory, InventoryError, failed,
    row::{Reader, json},
};
use domain::discovery::Rule;

fn place(name: &str) -> String {
    format!("discovery_rules.password/{name}")
}

impl Inventory {
    /// All rules, in the order in which they are asked.
    pub async fn discovery_rules(&self) -> Result<Vec<Rule>, InventoryError> {
        let rows = sqlx::query("SELECT name, rule, password FROM discovery_rules ORDER BY position, name")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the rules of discovery"))?;
        rows.iter()
            .map(|row| {
                let read = Reader { row, name: "a rule of discovery".to_owned() };
                let rule: Rule = read.json("rule")?;
                let password: Option<Secret> = match read.text_opt("password")? {
                    Some(sealed) => Some(self.sealer.open(&place(&rule.name), &sealed)?),
                    None => None,
                };
                Ok(Rule { password, ..rule })
            })
            .collect()
    }

    /// Stores a new rule, to be asked after all others. Whether there is one of its name is for the caller to know.
    pub async fn add_discovery_rule(&self, rule: &Rule) -> Result<(), InventoryError> {
        let sealed = rule.password.as_ref().map(|password| self.sealer.seal(&place(&rule.name), password));
        sqlx::query(
            "INSERT INTO discovery_rules (name, position, rule, password) \
             VALUES ($1, (SELECT COALESCE(MAX(position), 0) + 1 FROM discovery_rules), $2, $3)",
        )
        .bind(&rule.name)
        .bind(json(rule))
        .bind(sealed.transpose()?)
        .execute(&self.pool)
        .await
        .map_err(failed("store a rule of discovery"))?;
        Ok(())
    }

    /// Forgets a rule; whether there was one.
    pub async fn delete_discovery_rule(&self, name: &str) -> Result<bool, InventoryError> {
        let done = sqlx::query("DELETE FROM discovery_rules WHERE name = $1")
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(failed("forget a rule of discovery"))?;
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use domain::samples;

    use crate::{clock::TestClock, secret::Sealer};

    #[tokio::test]
    async fn a_rule_is_kept_with_its_password_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inventory.db");
        let inventory =
            Inventory::open(&path, Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        let first = Rule { password: Some(Secret::new("plainly-readable")), ..samples::rule() };
        let second = Rule { name: "a-later-one".into(), username: None, password: None, ..samples::rule() };
        for rule in [&first, &second] {
            inventory.add_discovery_rule(rule).await.unwrap();
        }
        assert_eq!(inventory.discovery_rules().await.unwrap(), [first.clone(), second]);
        assert!(inventory.add_discovery_rule(&first).await.is_err(), "a name is there once");
        inventory.close().await;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(16).any(|window| window == b"plainly-readable"));
        }
        let inventory =
            Inventory::open(&path, Sealer::new(&[1; 32]), Arc::new(TestClock::default())).await.unwrap();
        assert!(inventory.delete_discovery_rule(&first.name).await.unwrap());
        assert!(!inventory.delete_discovery_rule(&first.name).await.unwrap());
        assert_eq!(inventory.discovery_rules().await.unwrap().len(), 1);
    }
}
