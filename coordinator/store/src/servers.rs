//! Edges: servers and their ports in the inventory: what is read of them, and what is reported of them.

use protocol::{
    bmc_settings::{BmcSettings, KgKey},
    boot::BootPlan,
    hardware::{BmcIdentity, HardwareReport},
    id::{RackId, RamdiskSessionId, ServerId},
    power::{PowerCause, PowerReading},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
    watch::NotWatched,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    Adopted, BootReached, Intent, Inventory, InventoryError, Port, PowerUpdate, SeenPower, Server, Unwatched,
    failed,
    row::{Reader, big, json},
};
use crate::secret::SecretError;
use domain::{
    lifecycle::trouble::Trouble,
    rim::{ObservedNetwork, WantedNetwork},
};

/// A BMC's address as stored: everything but the password and the key K_g.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredBmc {
    pub(super) protocol: BmcProtocol,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) username: String,
    #[serde(default)]
    pub(super) settings: BmcSettings,
}

impl StoredBmc {
    pub(super) fn of(bmc: &BmcEndpoint) -> Self {
        Self {
            protocol: bmc.protocol.clone(),
            address: bmc.address.clone(),
            port: bmc.port,
            username: bmc.username.clone(),
            settings: BmcSettings { k_g: None, ..bmc.settings.clone() },
        }
    }
}

/// Where a server's key K_g is sealed.
pub(super) fn k_g_place(id: ServerId) -> String {
    format!("servers.bmc_k_g/{id}")
}

pub(super) fn bmc_place(id: ServerId) -> String {
    format!("servers.bmc_password/{id}")
}

pub(super) fn facade_place(id: ServerId) -> String {
    format!("servers.facade_password/{id}")
}

impl Inventory {
    /// One server.
    pub async fn server(&self, id: ServerId) -> Result<Option<Server>, InventoryError> {
        let row = sqlx::query("SELECT * FROM servers WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a server"))?;
        self.with_ports(row).await
    }

    /// One server, by name.
    pub async fn server_by_name(&self, name: &str) -> Result<Option<Server>, InventoryError> {
        let row = sqlx::query("SELECT * FROM servers WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a server"))?;
        self.with_ports(row).await
    }

    /// The one server whose id, as text, begins with this; none: there is none, or more than one.
    pub async fn server_by_id_start(&self, start: &str) -> Result<Option<Server>, InventoryError> {
        // Of what an id is made of nothing comes behind a `g`, and the index is of use.
        let mut rows = sqlx::query("SELECT * FROM servers WHERE id >= $1 AND id < $2 LIMIT 2")
            .bind(start)
            .bind(format!("{start}g"))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read a server"))?;
        let one = if rows.len() == 1 { rows.pop() } else { None };
        self.with_ports(one).await
    }

    /// The rack of a server; none: it is not known, or the database does not answer.
    pub(super) async fn rack_of(&self, id: ServerId) -> Option<RackId> {
        let rack = sqlx::query_scalar::<_, String>("SELECT rack FROM servers WHERE id = $1");
        let rack = rack.bind(id.to_string()).fetch_optional(&self.pool).await.ok().flatten()?;
        rack.parse().ok()
    }

    async fn with_ports(&self, row: Option<SqliteRow>) -> Result<Option<Server>, InventoryError> {
        let Some(row) = row else { return Ok(None) };
        let mut server = self.read_server(&row)?;
        let ports = sqlx::query("SELECT * FROM ports WHERE server = $1 ORDER BY position")
            .bind(server.id.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read a server's ports"))?;
        server.ports =
            ports.iter().map(|row| read_port(row).map(|(_, port)| port)).collect::<Result<_, _>>()?;
        Ok(Some(server))
    }

    /// All servers, of one rack or of all, by name.
    pub async fn servers(&self, rack: Option<&RackId>) -> Result<Vec<Server>, InventoryError> {
        let rows = sqlx::query("SELECT * FROM servers WHERE ($1 IS NULL OR rack = $1) ORDER BY name")
            .bind(rack.map(RackId::as_str))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the servers"))?;
        let mut servers = rows.iter().map(|row| self.read_server(row)).collect::<Result<Vec<_>, _>>()?;
        let ports = sqlx::query("SELECT * FROM ports ORDER BY server, position")
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the ports"))?;
        let mut by_server = std::collections::HashMap::<ServerId, Vec<Port>>::new();
        for row in &ports {
            let (server, port) = read_port(row)?;
            by_server.entry(server).or_default().push(port);
        }
        for server in &mut servers {
            server.ports = by_server.remove(&server.id).unwrap_or_default();
        }
        Ok(servers)
    }

    /// Forgets a server, with its ports, commands and ramdisks.
    pub async fn delete_server(&self, id: ServerId) -> Result<(), InventoryError> {
        let mut transaction = self.pool.begin().await.map_err(failed("begin a change"))?;
        for statement in [
            "DELETE FROM ports WHERE server = $1",
            "DELETE FROM proofs WHERE server = $1",
            "DELETE FROM commands WHERE server = $1",
            "DELETE FROM ramdisks WHERE server = $1",
            "DELETE FROM ramdisk_records WHERE server = $1",
            "DELETE FROM servers WHERE id = $1",
        ] {
            sqlx::query(statement)
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(failed("forget a server"))?;
        }
        transaction.commit().await.map_err(failed("finish a change"))
    }

    /// Stores a power reading and what follows from it.
    pub async fn set_power(&self, id: ServerId, update: &PowerUpdate) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE servers SET power = $2, power_cause = $3, power_at_us = $4, confirmed = $5, off_since_us = $6, \
             untold_off = $7, isolated_us = $8 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(json(&update.seen.reading))
        .bind(json(&update.seen.cause))
        .bind(big(update.seen.at_us))
        .bind(update.confirmed.as_ref().map(json))
        .bind(update.off_since_us.map(big))
        .bind(i64::from(update.untold_off))
        .bind(update.isolated_us.map(big))
        .execute(&self.pool)
        .await
        .map_err(failed("store a power reading"))?;
        Ok(())
    }

    /// Ironic knows now that the server is off.
    pub async fn clear_untold_off(&self, id: ServerId) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET untold_off = 0 WHERE id = $1 AND $2 IS NULL", None).await
    }

    /// Remembers that its ports are ours to move from now on.
    pub async fn set_ports_given(&self, id: ServerId) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET ports_given = 1 WHERE id = $1 AND $2 IS NULL", None).await
    }

    /// Remembers the tenant's interfaces on which it was adopted, and for whom; none: the tenancy is over.
    pub async fn set_adopted(&self, id: ServerId, adopted: Option<&Adopted>) -> Result<(), InventoryError> {
        sqlx::query(
            "UPDATE servers SET adopted_port = $2, adopted_others = $3, adopted_for = $4 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(adopted.and_then(|adopted| adopted.ports.first()).map(Uuid::to_string))
        .bind(adopted.map(|adopted| json(&adopted.ports.get(1..).unwrap_or_default())))
        .bind(adopted.and_then(|adopted| adopted.holder.as_ref()).map(json))
        .execute(&self.pool)
        .await
        .map_err(failed("store on which ports a server was adopted"))?;
        Ok(())
    }

    /// Remembers when its isolation was seen complete.
    pub async fn set_isolated(&self, id: ServerId, at_us: u64) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET isolated_us = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(big(at_us))
            .execute(&self.pool)
            .await
            .map_err(failed("store an isolation"))?;
        Ok(())
    }

    /// Stores the power-on that is on its way, or that none is.
    pub async fn set_intent(&self, id: ServerId, intent: Option<&Intent>) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET intent = $2 WHERE id = $1", intent.map(json)).await
    }

    /// Stores the network boot that the agent holds.
    pub async fn set_boot_given(&self, id: ServerId, boot: Option<&BootPlan>) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET boot_given = $2 WHERE id = $1", boot.map(json)).await
    }

    /// Stores how far its network boot came.
    pub async fn set_boot_stage(
        &self,
        id: ServerId,
        stage: Option<BootReached>,
    ) -> Result<(), InventoryError> {
        let stage = stage.map(BootReached::stored);
        self.set_column(id, "UPDATE servers SET boot_stage = $2 WHERE id = $1", stage).await
    }

    /// Stores which ramdisk runs on it.
    pub async fn set_ramdisk(
        &self,
        id: ServerId,
        session: Option<RamdiskSessionId>,
    ) -> Result<(), InventoryError> {
        let session = session.map(|session| session.to_string());
        self.set_column(id, "UPDATE servers SET ramdisk = $2 WHERE id = $1", session).await
    }

    /// Stores what a ramdisk found in it.
    pub async fn set_hardware(&self, id: ServerId, hardware: &HardwareReport) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET hardware = $2 WHERE id = $1", Some(json(hardware))).await
    }

    /// Stores whether its BMC says that its firmware starts signed programs only; none: it does not say.
    pub async fn set_secure_boot(&self, id: ServerId, is_on: Option<bool>) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET secure_boot = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(is_on.map(i64::from))
            .execute(&self.pool)
            .await
            .map_err(failed("store whether a server boots securely"))?;
        Ok(())
    }

    /// Stores what its BMC says of itself.
    pub async fn set_identity(&self, id: ServerId, identity: &BmcIdentity) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET identity = $2 WHERE id = $1", Some(json(identity))).await
    }

    /// Stores why its agent does not watch it; none: it does.
    pub async fn set_unwatched(
        &self,
        id: ServerId,
        unwatched: Option<&Unwatched>,
    ) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET unwatched = $2 WHERE id = $1", unwatched.map(json)).await
    }

    /// Stores what it waits for now; none: nothing.
    pub async fn set_waiting(&self, id: ServerId, waiting: Option<&str>) -> Result<(), InventoryError> {
        let waiting = waiting.map(str::to_owned);
        self.set_column(id, "UPDATE servers SET waiting = $2 WHERE id = $1", waiting).await
    }

    /// Stores that an administrator deleted it.
    pub async fn set_forgetting(&self, id: ServerId) -> Result<(), InventoryError> {
        self.set_column(id, "UPDATE servers SET forgetting = 1 WHERE id = $1 AND $2 IS NULL", None).await
    }

    /// Stores why something was refused; none: the last thing asked for was done. Its tenant is told that something is wrong with
    /// its machine.
    pub async fn set_reason(&self, id: ServerId, reason: Option<&str>) -> Result<(), InventoryError> {
        let reason = reason.map(str::to_owned);
        self.set_column(id, "UPDATE servers SET reason = $2, trouble = NULL WHERE id = $1", reason).await
    }

    /// Stores why something was refused, and which kind of trouble that is to its tenant.
    pub async fn set_trouble(
        &self,
        id: ServerId,
        reason: &str,
        trouble: Trouble,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE servers SET reason = $2, trouble = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(reason)
            .bind(json(&trouble))
            .execute(&self.pool)
            .await
            .map_err(failed("keep why something was refused"))?;
        Ok(())
    }

    /// What kind of trouble a server's reason is; none: it has no reason.
    pub async fn trouble(&self, id: ServerId) -> Result<Option<Trouble>, InventoryError> {
        let row = sqlx::query("SELECT trouble FROM servers WHERE id = $1 AND reason IS NOT NULL")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read what is wrong with a server"))?;
        let Some(row) = row else { return Ok(None) };
        let kind = Reader { row: &row, name: format!("server {id}") }.json_opt("trouble")?;
        Ok(Some(kind.unwrap_or(Trouble::Machine)))
    }

    /// Stores where a port belongs.
    pub async fn set_wanted(
        &self,
        id: ServerId,
        port: &str,
        wanted: Option<WantedNetwork>,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE ports SET wanted = $3 WHERE server = $1 AND name = $2")
            .bind(id.to_string())
            .bind(port)
            .bind(wanted.as_ref().map(json))
            .execute(&self.pool)
            .await
            .map_err(failed("store where a port belongs"))?;
        Ok(())
    }

    /// Stores where a port was seen; none: it is not known any more.
    pub async fn set_observed(
        &self,
        id: ServerId,
        port: &str,
        observed: Option<&ObservedNetwork>,
    ) -> Result<(), InventoryError> {
        sqlx::query("UPDATE ports SET observed = $3, observed_us = $4 WHERE server = $1 AND name = $2")
            .bind(id.to_string())
            .bind(port)
            .bind(observed.map(json))
            .bind(big(self.clock.now_us()))
            .execute(&self.pool)
            .await
            .map_err(failed("store where a port was seen"))?;
        Ok(())
    }

    async fn set_column(
        &self,
        id: ServerId,
        statement: &'static str,
        value: Option<String>,
    ) -> Result<(), InventoryError> {
        sqlx::query(statement)
            .bind(id.to_string())
            .bind(value)
            .execute(&self.pool)
            .await
            .map_err(failed("change a server"))?;
        Ok(())
    }

    fn open_k_g(&self, id: ServerId, sealed: &str) -> Result<KgKey, InventoryError> {
        let place = k_g_place(id);
        let digits = self.sealer.open(&place, sealed)?;
        KgKey::from_hex(digits.reveal()).map_err(|_| SecretError::Open { place }.into())
    }

    fn read_server(&self, row: &SqliteRow) -> Result<Server, InventoryError> {
        let name: String = row.try_get("name").map_err(failed("read a server's name"))?;
        let read = Reader { row, name: format!("server {name}") };
        let id: ServerId = read.parsed("id")?;
        let bmc: StoredBmc = read.json("bmc")?;
        let password: Secret = self.sealer.open(&bmc_place(id), &read.text("bmc_password")?)?;
        let k_g = read.text_opt("bmc_k_g")?.map(|sealed| self.open_k_g(id, &sealed)).transpose()?;
        let reading = read.json_opt("power")?;
        let power = match (reading, read.json_opt("power_cause")?, read.number_opt("power_at_us")?) {
            (Some(reading), Some(cause), Some(at_us)) => Some(SeenPower { reading, cause, at_us }),
            (None, _, _) | (_, None, _) | (_, _, None) => None,
        };
        let mut server = Server {
            id,
            rack: read.parsed("rack")?,
            bmc: BmcEndpoint {
                protocol: bmc.protocol,
                address: bmc.address,
                port: bmc.port,
                username: bmc.username,
                password,
                settings: BmcSettings { k_g, ..bmc.settings },
            },
            facade_password: self.sealer.open(&facade_place(id), &read.text("facade_password")?)?,
            boot_mode: read.json("boot_mode")?,
            resource_class: read.text("resource_class")?,
            properties: read.json("properties")?,
            secure_boot: read.number_opt("secure_boot")?.map(|flag| flag != 0),
            created_us: read.number("created_us")?,
            ports: Vec::new(),
            identity: read.json_opt("identity")?,
            bmc_doubt: read.json_opt("bmc_doubt")?,
            bmc_proved_us: read.number_opt("bmc_proved_us")?,
            hardware: read.json_opt("hardware")?,
            power,
            unwatched: read.json_opt("unwatched")?,
            confirmed: read.json_opt("confirmed")?,
            off_since_us: read.number_opt("off_since_us")?,
            untold_off: read.flag("untold_off")?,
            boot_stage: read.text_opt("boot_stage")?.as_deref().and_then(BootReached::of_stored),
            ramdisk: read.parsed_opt("ramdisk")?,
            node: read.json_opt("node")?,
            ports_given: read.flag("ports_given")?,
            adopted: read_adopted(&read)?,
            isolated_us: read.number_opt("isolated_us")?,
            intent: read.json_opt("intent")?,
            boot_given: read.json_opt("boot_given")?,
            waiting: read.text_opt("waiting")?,
            reason: read.text_opt("reason")?,
            trouble: read.json_opt("trouble")?,
            forgetting: read.flag("forgetting")?,
            pool: read.text_opt("pool")?,
            pool_class: read.text_opt("pool_class")?,
            pool_facts: read.json_opt("pool_facts")?,
            pool_untold: read.flag("pool_untold")?,
            upkeep: self.read_upkeep(id, &read)?,
            name,
        };
        if let Some(doubt) = &server.bmc_doubt {
            // Nowhere may a reading be taken for this server's: neither one from before the doubt, nor one that came in it.
            let reading = PowerReading::Unreachable { reason: server.words_of(doubt) };
            let at_us = server.power.as_ref().map_or(0, |seen| seen.at_us);
            server.power = Some(SeenPower { reading, cause: PowerCause::First, at_us });
            let (why, reason) = (NotWatched::OtherMachine, server.words_of(doubt));
            server.unwatched = Some(Unwatched { why, reason, since_us: doubt.at_us() });
        }
        Ok(server)
    }
}

fn read_adopted(read: &Reader<'_>) -> Result<Option<Adopted>, InventoryError> {
    let Some(first) = read.parsed_opt("adopted_port")? else { return Ok(None) };
    let others: Vec<Uuid> = read.json_opt("adopted_others")?.unwrap_or_default();
    let ports = std::iter::once(first).chain(others).collect();
    Ok(Some(Adopted { ports, holder: read.json_opt("adopted_for")? }))
}

fn read_port(row: &SqliteRow) -> Result<(ServerId, Port), InventoryError> {
    let name: String = row.try_get("name").map_err(failed("read a port's name"))?;
    let read = Reader { row, name: format!("port {name}") };
    let port = Port {
        mac: read.parsed("mac")?,
        link: read.json("link")?,
        pxe_enabled: read.flag("pxe_enabled")?,
        wanted: read.json_opt("wanted")?,
        observed: read.json_opt("observed")?,
        observed_us: read.number_opt("observed_us")?,
        name,
    };
    Ok((read.parsed("server")?, port))
}
