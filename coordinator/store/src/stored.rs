//! Edges: storing servers, new ones and those that are known, many at once or none.

use protocol::{id::ServerId, secret::Secret, spec::BmcEndpoint};
use sqlx::SqliteConnection;

use super::{
    Inventory, InventoryError, NewServer, Server,
    adoptions::put_adoption,
    bmc::bmc_to_store,
    failed,
    row::{big, json},
    servers::{StoredBmc, bmc_place, facade_place, k_g_place},
};
use domain::{
    adoption::Adoption,
    identity::{Doubt, after_change},
};

use crate::secret::random_password;

fn bmc_key(bmc: &BmcEndpoint) -> String {
    format!("{}:{}", bmc.address.to_ascii_lowercase(), bmc.port)
}

impl Inventory {
    /// Stores a server under its name: a new one gets an id and a facade password, a known one is brought up to date.
    /// What was reported of it stays.
    pub async fn put_server(&self, new: &NewServer) -> Result<Server, InventoryError> {
        let known = self.server_by_name(&new.name).await?.map(|server| server.id);
        let stored = self.put_servers(&[(known, new)]).await?;
        stored.into_iter().next().ok_or_else(|| vanished(&new.name))
    }

    /// Stores all these servers or none, new ones and known ones by their ids. They may have exchanged names, BMCs and
    /// addresses among themselves.
    pub async fn put_servers(
        &self,
        wanted: &[(Option<ServerId>, &NewServer)],
    ) -> Result<Vec<Server>, InventoryError> {
        self.put_adopted(wanted, |_| Vec::new()).await
    }

    /// As [`Inventory::put_servers`], and their adoptions in the same change: a server in use is never known without the adoption
    /// that keeps others from inspecting it. `adoptions` is given the servers' ids in their order.
    pub async fn put_adopted(
        &self,
        wanted: &[(Option<ServerId>, &NewServer)],
        adoptions: impl FnOnce(&[ServerId]) -> Vec<Adoption>,
    ) -> Result<Vec<Server>, InventoryError> {
        let ids: Vec<ServerId> = wanted.iter().map(|(id, _)| id.unwrap_or_else(ServerId::random)).collect();
        let mut doubts = Vec::with_capacity(ids.len());
        for (id, (known, new)) in ids.iter().zip(wanted) {
            self.refuse_taken(*id, &ids, new).await?;
            let before = match known {
                Some(id) => self.server(*id).await?,
                None => None,
            };
            let place = new.bmc.place();
            doubts.push(before.and_then(|before| after_change(&before, &place, self.clock.now_us())));
        }
        if let Err(error) = self.write(&ids, wanted, &doubts, &adoptions(&ids)).await {
            // Two changes at the same time can want the same thing: by now it can be said who has it.
            if matches!(error, InventoryError::Taken { .. }) {
                for (id, (_, new)) in ids.iter().zip(wanted) {
                    self.refuse_taken(*id, &ids, new).await?;
                }
            }
            return Err(error);
        }
        let mut stored = Vec::with_capacity(ids.len());
        for (id, (_, new)) in ids.iter().zip(wanted) {
            stored.push(self.server(*id).await?.ok_or_else(|| vanished(&new.name))?);
        }
        Ok(stored)
    }

    /// Writes all of it, or nothing.
    async fn write(
        &self,
        ids: &[ServerId],
        wanted: &[(Option<ServerId>, &NewServer)],
        doubts: &[Option<Doubt>],
        adoptions: &[Adoption],
    ) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        for id in wanted.iter().filter_map(|(id, _)| *id) {
            free_unique(&mut transaction, id).await?;
        }
        for ((id, (known, new)), doubt) in ids.iter().zip(wanted).zip(doubts) {
            // A new server's first statement writes: two that begin by reading could not both go on.
            let password = match known {
                Some(id) => self.password_to_store(&mut transaction, *id, new).await?,
                None => new.bmc.password.clone(),
            };
            let bmc = match known {
                Some(id) => bmc_to_store(&mut transaction, *id, new).await?,
                None => StoredBmc::of(&new.bmc),
            };
            self.put_row(&mut transaction, *id, known.is_some(), new, &bmc, &password).await?;
            put_doubt(&mut transaction, *id, doubt.as_ref()).await?;
            put_ports(&mut transaction, *id, new).await?;
        }
        for adoption in adoptions {
            put_adoption(&mut transaction, adoption).await?;
        }
        transaction.commit().await.map_err(failed("finish a change"))
    }

    async fn put_row(
        &self,
        connection: &mut SqliteConnection,
        id: ServerId,
        is_known: bool,
        new: &NewServer,
        bmc: &StoredBmc,
        password: &Secret,
    ) -> Result<(), InventoryError> {
        let statement = if is_known {
            "UPDATE servers SET name = $2, rack = $3, bmc = $4, bmc_key = $5, bmc_password = $6, boot_mode = $7, \
             resource_class = $8, properties = $9, bmc_k_g = $10 WHERE id = $1"
        } else {
            "INSERT INTO servers (id, name, rack, bmc, bmc_key, bmc_password, boot_mode, resource_class, properties, \
             bmc_k_g, facade_password, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        };
        let k_g = new
            .bmc
            .settings
            .k_g
            .as_ref()
            .map(|key| self.sealer.seal(&k_g_place(id), &Secret::new(key.reveal_hex())));
        let k_g = k_g.transpose()?;
        let mut query = sqlx::query(statement)
            .bind(id.to_string())
            .bind(&new.name)
            .bind(new.rack.as_str())
            .bind(json(bmc))
            .bind(bmc_key(&new.bmc))
            .bind(self.sealer.seal(&bmc_place(id), password)?)
            .bind(json(&new.boot_mode))
            .bind(&new.resource_class)
            .bind(json(&new.properties))
            .bind(k_g);
        if !is_known {
            let facade_password = self.sealer.seal(&facade_place(id), &random_password())?;
            query = query.bind(facade_password).bind(big(self.clock.now_us()));
        }
        query.execute(connection).await.map_err(stored_twice(&new.name))?;
        Ok(())
    }

    /// Says which BMC, MAC address or switch port a server that is not among these already has.
    async fn refuse_taken(
        &self,
        id: ServerId,
        among: &[ServerId],
        new: &NewServer,
    ) -> Result<(), InventoryError> {
        let is_other =
            |found: &str| found != id.to_string() && among.iter().all(|one| one.to_string() != found);
        let taken: Option<(String, String, String)> =
            sqlx::query_as("SELECT id, name, bmc_key FROM servers WHERE bmc_key = $1")
                .bind(bmc_key(&new.bmc))
                .fetch_optional(&self.pool)
                .await
                .map_err(failed("look for a BMC"))?;
        if let Some((_, name, bmc)) = taken.filter(|(found, ..)| is_other(found)) {
            return Err(InventoryError::Taken { what: format!("the BMC {bmc}: {name}") });
        }
        for port in &new.ports {
            let taken: Option<(String, String)> = sqlx::query_as(
                "SELECT s.id, s.name FROM ports p JOIN servers s ON s.id = p.server WHERE p.mac = $1",
            )
            .bind(port.mac.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("look for a MAC address"))?;
            if let Some((_, name)) = taken.filter(|(found, _)| is_other(found)) {
                return Err(InventoryError::Taken { what: format!("the MAC address {}: {name}", port.mac) });
            }
            let taken = self.holder_of_link(&port.link).await?;
            if let Some((_, name)) = taken.filter(|(found, _)| is_other(&found.to_string())) {
                let what = format!(
                    "the switch port {}: it is in {name}'s entry, and {} asks for it; correct one of the two",
                    port.link, new.name
                );
                return Err(InventoryError::Taken { what });
            }
        }
        Ok(())
    }
}

fn vanished(name: &str) -> InventoryError {
    InventoryError::Corrupt {
        column: "id",
        row: name.to_owned(),
        reason: "the server was deleted while it was stored".to_owned(),
    }
}

/// Two changes at the same time can want the same thing, and one server can be given it twice; the database knows best.
fn stored_twice(name: &str) -> impl FnOnce(sqlx::Error) -> InventoryError {
    let what = format!("the name, BMC, a MAC address or a switch port of {name}, or it names one twice");
    move |source| match source.as_database_error() {
        Some(error) if error.is_unique_violation() => InventoryError::Taken { what },
        Some(_) | None => InventoryError::Database { operation: "store a server", source },
    }
}

/// Takes a server's unique values out of the way, so that others of the same change may have them.
async fn free_unique(connection: &mut SqliteConnection, id: ServerId) -> Result<(), InventoryError> {
    for statement in [
        "UPDATE servers SET name = 'changing ' || id, bmc_key = 'changing ' || id WHERE id = $1",
        "UPDATE ports SET mac = 'changing ' || server || ' ' || name, link_key = NULL WHERE server = $1",
    ] {
        sqlx::query(statement)
            .bind(id.to_string())
            .execute(&mut *connection)
            .await
            .map_err(failed("begin a change of a server"))?;
    }
    Ok(())
}

/// With another BMC, whatever answers there has yet to be proved to be this server's.
async fn put_doubt(
    connection: &mut SqliteConnection,
    id: ServerId,
    doubt: Option<&Doubt>,
) -> Result<(), InventoryError> {
    sqlx::query("UPDATE servers SET bmc_doubt = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(doubt.map(json))
        .execute(connection)
        .await
        .map_err(failed("store that a BMC changed"))?;
    Ok(())
}

/// Brings a server's ports up to date; what was observed of a port that stays is kept.
async fn put_ports(
    connection: &mut SqliteConnection,
    id: ServerId,
    new: &NewServer,
) -> Result<(), InventoryError> {
    let known: Vec<(String,)> = sqlx::query_as("SELECT name FROM ports WHERE server = $1")
        .bind(id.to_string())
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read a server's ports"))?;
    for (name,) in known.iter().filter(|(name,)| new.ports.iter().all(|port| &port.name != name)) {
        sqlx::query("DELETE FROM ports WHERE server = $1 AND name = $2")
            .bind(id.to_string())
            .bind(name)
            .execute(&mut *connection)
            .await
            .map_err(failed("forget a port"))?;
    }
    for (position, port) in (0_i64..).zip(&new.ports) {
        sqlx::query(
            "INSERT INTO ports (server, position, name, mac, link, pxe_enabled, link_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (server, name) DO UPDATE SET position = excluded.position, mac = excluded.mac, \
             link = excluded.link, link_key = excluded.link_key, pxe_enabled = excluded.pxe_enabled",
        )
        .bind(id.to_string())
        .bind(position)
        .bind(&port.name)
        .bind(port.mac.to_string())
        .bind(json(&port.link))
        .bind(i64::from(port.pxe_enabled))
        .bind(port.link.key())
        .execute(&mut *connection)
        .await
        .map_err(stored_twice(&new.name))?;
    }
    Ok(())
}
