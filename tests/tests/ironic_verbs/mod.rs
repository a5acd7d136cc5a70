//! Ironic's own verbs, by its API, on a server of the facade whose machine is a virtual Redfish BMC: each is seen to arrive there, and what
//! became of it is read back through Ironic.

pub mod behind;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hyper::{Method, StatusCode};
use openstack::ironic::{IronicNode, ProvisionTarget};
use protocol::{boot::BootMode, id::ServerId, secret::Secret, step::ImageRef};
use serde_json::{Value, json};
use tests::openstack::Who;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command};

use super::{PHASE_MAX, Rig};

/// New firmware; the virtual BMC takes its version from the address.
const FIRMWARE: &str = "https://images.example/bmc.bin?version=2.5";
const SYSTEM: &str = "/redfish/v1/Systems/1";
const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/Cd";
/// Drives of virtual media, the light and settings are changed within this time.
const VERB_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub async fn story(rig: &Rig, image: &ImageRef) -> Result<()> {
    let id = rig.enroll_with(BootMode::Uefi, "the right one", Some(behind::Behind::start()?)).await?;
    let token = rig.cloud.session(Who::System)?.issued().await?.token.clone();
    let node = Node { rig, id, token };
    let interfaces = [
        ("management_interface", "redfish"),
        ("bios_interface", "redfish"),
        ("firmware_interface", "redfish"),
        ("inspect_interface", "redfish"),
    ];
    let patch: Vec<_> = interfaces
        .iter()
        .map(|(name, interface)| json!({"op": "replace", "path": format!("/{name}"), "value": interface}))
        .collect();
    node.ask(Method::PATCH, "", json!(patch)).await?;
    rig.phase("manage with redfish", id, ProvisionTarget::Manage, "manageable").await?;
    let mut faults = Vec::new();
    let mut tell = |what: &str, told: Result<()>| {
        if let Err(error) = told {
            faults.push(format!("{what}: {error:#}"));
        }
    };
    tell("boot mode", node.boot_mode().await);
    tell("Secure Boot", node.secure_boot().await);
    tell("virtual media", node.virtual_media().await);
    tell("the light", node.light().await);
    tell("sensors", node.sensors().await);
    tell("inspection", node.inspection().await);
    tell("settings and firmware by steps of a clean", node.settings_and_firmware().await);
    tell("an NMI", node.interrupt(image).await);
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// An image to be put into a drive, at an address from which Ironic takes it.
async fn serve_image() -> Result<String> {
    const NAME: &str = "/rescue.iso";
    let mut image = vec![0; 64 << 10];
    // A primary volume descriptor (ECMA-119, section 8.4).
    image[32_768..32_774].copy_from_slice(b"\x01CD001");
    let router = axum::Router::new().route(NAME, axum::routing::get(async move || image.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}{NAME}"))
}

/// One node as Ironic's API has it.
struct Node<'a> {
    rig: &'a Rig,
    id: ServerId,
    token: Secret,
}

impl Node<'_> {
    /// One request about the node, repeated while Ironic has it locked.
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let start = Instant::now();
        loop {
            let (status, answer) = self.try_ask(&method, path, &body).await?;
            if status != StatusCode::CONFLICT {
                ensure!(status.is_success(), "{method} {path}: {status} {answer}");
                return Ok(answer);
            }
            ensure!(start.elapsed() < VERB_MAX, "{method} {path}: {status} {answer}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn try_ask(&self, method: &Method, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let url = format!("{}/v1/nodes/{}{path}", self.rig.cloud.endpoints.ironic, self.id);
        let mut request = reqwest::Client::new()
            .request(method.clone(), url)
            .header("X-Auth-Token", self.token.reveal())
            .header("X-OpenStack-Ironic-API-Version", "latest");
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, Value::Null).await
    }

    /// Waits until something is so, or says what is.
    async fn until(&self, path: &str, pointer: &str, expected: &Value) -> Result<()> {
        let start = Instant::now();
        loop {
            let seen = self.get(path).await?;
            if seen.pointer(pointer) == Some(expected) {
                return Ok(());
            }
            if start.elapsed() > VERB_MAX {
                let node = self.rig.ironic.get_node(self.id).await?;
                bail!("{path} {pointer} is not {expected}: {seen}; last error: {:?}", node.last_error);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the node is at rest with a last error that says this.
    async fn until_error(&self, words: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let node = self.rig.ironic.get_node(self.id).await?;
            let said = node.last_error.clone().unwrap_or_default();
            if node.reservation.is_none() && said.contains(words) {
                return Ok(());
            }
            ensure!(start.elapsed() < VERB_MAX, "no {words:?} in the last error: {said:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn at_rest(&self) -> Result<IronicNode> {
        let start = Instant::now();
        loop {
            let node = self.rig.ironic.get_node(self.id).await?;
            if node.reservation.is_none() {
                return Ok(node);
            }
            ensure!(start.elapsed() < VERB_MAX, "the node stays locked by {:?}", node.reservation);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn behind(&self) -> Result<std::sync::Arc<behind::Behind>> {
        self.rig.core.behind(self.id).context("a machine is behind it")
    }

    /// The property of a resource of the BMC.
    fn at_bmc(&self, path: &str, pointer: &str) -> Result<Value> {
        let document = self.behind()?.bmc.document(path).with_context(|| format!("the BMC has no {path}"))?;
        Ok(document.pointer(pointer).cloned().unwrap_or(Value::Null))
    }

    /// The mode is the inventory's; Ironic confirms it, and is told why it is not changed.
    async fn boot_mode(&self) -> Result<()> {
        self.ask(Method::PUT, "/states/boot_mode", json!({"target": "uefi"})).await?;
        self.until("/states", "/boot_mode", &json!("uefi")).await?;
        self.at_rest().await?;
        self.ask(Method::PUT, "/states/boot_mode", json!({"target": "bios"})).await?;
        self.until_error("change it in the inventory").await
    }

    async fn secure_boot(&self) -> Result<()> {
        let path = format!("{SYSTEM}/SecureBoot");
        for is_on in [true, false] {
            self.ask(Method::PUT, "/states/secure_boot", json!({"target": is_on})).await?;
            self.until("/states", "/secure_boot", &json!(is_on)).await?;
            ensure!(
                self.at_bmc(&path, "/SecureBootEnable")? == json!(is_on),
                "it did not reach the BMC: {is_on}"
            );
            self.at_rest().await?;
        }
        Ok(())
    }

    /// Ironic 39 takes an image to its own web server, whatever it is told: that is the source that a site allows.
    async fn virtual_media(&self) -> Result<()> {
        let image = serve_image().await?;
        let attach = json!({"device_type": "cdrom", "image_url": image});
        self.ask(Method::POST, "/vmedia", attach.clone()).await?;
        self.until_error("no source of images that this site allows").await?;
        let own = format!("{}/no-boot-files-here/", self.rig.cloud.endpoints.ironic);
        self.rig.core.allow_images(&own)?;
        self.ask(Method::POST, "/vmedia", attach).await?;
        self.until_at_bmc(CD, "/Inserted", &json!(true)).await?;
        let inserted = self.at_bmc(CD, "/Image")?;
        let inserted = inserted.as_str().unwrap_or_default();
        ensure!(
            inserted.starts_with(&own) && inserted.contains(&self.id.to_string()),
            "another image: {inserted}"
        );
        self.at_rest().await?;
        let shown = self.get("/vmedia").await?;
        ensure!(shown.to_string().contains(inserted), "Ironic does not show it: {shown}");
        self.ask(Method::DELETE, "/vmedia", Value::Null).await?;
        self.until_at_bmc(CD, "/Inserted", &json!(false)).await?;
        self.at_rest().await?;
        Ok(())
    }

    async fn until_at_bmc(&self, path: &str, pointer: &str, expected: &Value) -> Result<()> {
        let start = Instant::now();
        while self.at_bmc(path, pointer)? != *expected {
            let node = self.rig.ironic.get_node(self.id).await?;
            ensure!(start.elapsed() < VERB_MAX, "{path} {pointer} is not {expected}: {:?}", node.last_error);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn light(&self) -> Result<()> {
        let name = format!("{}@system", self.id);
        let known = self.get("/management/indicators").await?;
        ensure!(known.to_string().contains(&name), "no light of the system: {known}");
        let path = format!("/management/indicators/{name}");
        for (state, is_on) in [("on", true), ("off", false)] {
            self.ask(Method::PUT, &path, json!({"state": state})).await?;
            self.until(&path, "/state", &json!(state)).await?;
            ensure!(
                self.at_bmc(SYSTEM, "/LocationIndicatorActive")? == json!(is_on),
                "it did not reach the BMC"
            );
        }
        Ok(())
    }

    /// As Ironic's conductor reads them for its notifications.
    async fn sensors(&self) -> Result<()> {
        const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ironic_verbs/sensors.py");
        let (rig, id) = (self.rig, self.id);
        let address = format!("https://{}", rig.address);
        let system = format!("/redfish/v1/Systems/{id}");
        let mut reader = Command::new(rig.venv.join("bin/python"))
            .args(["-W", "ignore", READER, &address, &system, &format!("bms-{id}")])
            .arg(&rig.ca_file)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        reader.stdin.take().context("stdin")?.write_all(b"the right one\n").await?;
        let read =
            tokio::time::timeout(VERB_MAX, reader.wait_with_output()).await.context("it does not end")??;
        ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let found: Value = serde_json::from_slice(&read.stdout)?;
        let chassis = |member: &str| format!("{member}@{id}");
        ensure!(found["Temperature"][chassis("0")]["reading_celsius"] == json!(41.5), "{found}");
        ensure!(found["Fan"][chassis("0")]["reading"] == json!(4200), "{found}");
        ensure!(found["Power"][chassis("0:Power")]["health"] == json!("Critical"), "{found}");
        let drives = found["Drive"].as_object().map_or(0, serde_json::Map::len);
        ensure!(drives == 1, "{found}");
        Ok(())
    }

    /// By Redfish alone: no ramdisk is booted.
    async fn inspection(&self) -> Result<()> {
        let node =
            self.rig.phase("inspect by redfish", self.id, ProvisionTarget::Inspect, "manageable").await?;
        ensure!(node.last_error.is_none(), "{:?}", node.last_error);
        let found = self.get("/inventory").await?;
        let inventory = &found["inventory"];
        ensure!(inventory["memory"]["physical_mb"] == json!(4096), "{found}");
        ensure!(inventory["cpu"]["architecture"] == json!("x86_64"), "{found}");
        ensure!(inventory["interfaces"].as_array().is_some_and(|nics| nics.len() == 1), "{found}");
        let properties = &self.get("").await?["properties"];
        ensure!(properties["memory_mb"] == json!(4096) && properties["local_gb"] == json!(7), "{properties}");
        Ok(())
    }

    async fn settings_and_firmware(&self) -> Result<()> {
        let settings = json!([{"name": "LogicalCores", "value": 16}, {"name": "Turbo", "value": false}]);
        let firmware = json!([{"component": "bmc", "url": FIRMWARE, "wait": 1}]);
        let steps = json!([
            {"interface": "bios", "step": "apply_configuration", "args": {"settings": settings}},
            {"interface": "firmware", "step": "update", "args": {"settings": firmware}},
        ]);
        let start = Instant::now();
        self.ask(Method::PUT, "/states/provision", json!({"target": "clean", "clean_steps": steps})).await?;
        loop {
            let node = self.rig.ironic.get_node(self.id).await?;
            match node.provision_state.as_str() {
                "manageable" if node.reservation.is_none() && start.elapsed() > Duration::from_secs(2) => {
                    break;
                }
                "clean failed" => bail!("the clean failed: {:?}", node.last_error),
                _ => {}
            }
            ensure!(
                start.elapsed() < PHASE_MAX * 2,
                "it is still {} at {:?}: {:?}",
                node.provision_state,
                node.clean_step,
                node.last_error
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.rig.note("clean with settings and firmware", start.elapsed());
        let bios = format!("{SYSTEM}/Bios");
        ensure!(self.at_bmc(&bios, "/Attributes/LogicalCores")? == json!(16), "not at the BMC");
        ensure!(self.at_bmc(&bios, "/Attributes/Turbo")? == json!(false), "not at the BMC");
        let cores = self.get("/bios/LogicalCores").await?;
        ensure!(cores["LogicalCores"]["value"] == json!("16"), "{cores}");
        ensure!(self.at_bmc("/redfish/v1/Managers/1", "/FirmwareVersion")? == json!("2.5"), "not at the BMC");
        let known = self.get("/firmware").await?;
        let versions: Vec<_> = known["firmware"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| (one["component"].as_str(), one["current_version"].as_str()))
            .collect();
        ensure!(versions.contains(&(Some("bmc"), Some("2.5"))), "{known}");
        Ok(())
    }

    /// For a tenant's running system only.
    async fn interrupt(&self, image: &ImageRef) -> Result<()> {
        let (status, refused) = self.try_ask(&Method::PUT, "/management/inject_nmi", &json!({})).await?;
        ensure!(!status.is_success(), "a manageable server took an NMI");
        ensure!(refused.to_string().contains("is for the running system of an active server"), "{refused}");
        let (rig, id) = (self.rig, self.id);
        rig.phase("provide with redfish", id, ProvisionTarget::Provide, "available").await?;
        rig.prepare_instance(id, image).await?;
        rig.phase("deploy with redfish", id, ProvisionTarget::Active { config_drive: None }, "active")
            .await?;
        self.ask(Method::PUT, "/management/inject_nmi", json!({})).await?;
        ensure!(self.behind()?.bmc.told().nmis == 1, "it did not reach the BMC");
        rig.phase("delete with redfish", id, ProvisionTarget::Deleted, "available").await?;
        Ok(())
    }
}
