//! Edges: a job carried out on the ramdisk, through the core.

use std::{sync::Arc, time::Duration};

use domain::{
    disks::{self, Account, Erase, Fault, Thoroughness},
    rim::{DriveError, ImageNews, PowerRequest, Refusal, RefusalKind},
};
use protocol::{
    id::CommandId,
    power::PowerOffHow,
    step::{CONFIG_DRIVE_BYTES_MAX, ErasedDisk, ImageRef, Step, StepOutput},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    Inner, Session,
    command::Job,
    config_drive,
    image::{IMAGE_PAUSE, Next},
    iso9660, lock,
    table::CommandError,
};

/// How often a configuration drive at an address is asked for in all, and the pause between two tries.
const DRIVE_TRIES_MAX: u32 = 5;
const DRIVE_PAUSE: Duration = Duration::from_secs(2);
/// How often a step that is interrupted is begun in all; then its job fails.
const STEP_TRIES_MAX: u32 = 3;
/// Pause before it is begun again.
const STEP_PAUSE: Duration = Duration::from_secs(1);

/// Does the job, stores how it ended and wakes the heartbeat. When the process ends meanwhile, the job stays stored as
/// running.
pub(super) async fn run(inner: Arc<Inner>, session: Arc<Session>, id: CommandId, job: Job) {
    let name = label(&job);
    session.say(format!("doing {name}"));
    info!(server = %session.server, job = name, "ramdisk job starts");
    // A ramdisk that is gone is what these ask for.
    let fails_with_the_ramdisk = !matches!(job, Job::PowerOff | Job::HandOver { .. });
    let outcome = tokio::select! {
        outcome = carry_out(&inner, &session, job) => outcome,
        () = session.gone.cancelled(), if fails_with_the_ramdisk => Err(lost(&session)),
        () = session.end.cancelled() => return,
    };
    match &outcome {
        Ok(_) => info!(server = %session.server, job = name, "ramdisk job done"),
        Err(error) => {
            warn!(server = %session.server, job = name, reason = %error.details, "ramdisk job failed")
        }
    }
    session.table().finish(id, outcome);
    session.say(format!("{name} has ended; telling ironic"));
    session.wake.notify_one();
    if let Err(error) = inner.save(&session).await {
        // Only a restart before the next save would repeat the job, which does no harm.
        warn!(server = %session.server, %error, "end of a ramdisk job could not be stored");
    }
}

async fn carry_out(inner: &Inner, session: &Session, job: Job) -> Result<Value, CommandError> {
    let step = async |step: Step| run_step(inner, session, step).await;
    match job {
        Job::Erase { what, wish, step: named } => {
            let evidence = erase(inner, session, what, wish).await?;
            Ok(json!({"clean_result": evidence, "clean_step": named}))
        }
        Job::WriteImage { image, config_drive, root_device, boot_entry, step: named } => {
            // Whatever can be refused is refused before a byte is written.
            let drive = match &config_drive {
                Some(given) => {
                    let mut content = find_drive(inner, session, given).await?;
                    describe_networks(inner, session, &mut content).await?;
                    Some(content)
                }
                None => None,
            };
            let image = find_image(inner, session, &image).await?;
            let written = step(Step::WriteImage { image, root_device }).await.map_err(failed)?;
            if let Some(content) = drive {
                step(Step::WriteConfigDrive { content }).await.map_err(failed)?;
            }
            if boot_entry {
                step(Step::InstallBootEntry).await.map_err(failed)?;
            }
            let result = serde_json::to_value(written).map_err(|error| refused(error.to_string()))?;
            Ok(json!({"deploy_result": result, "deploy_step": named}))
        }
        Job::InstallBootEntry => step(Step::InstallBootEntry).await.map(|_| Value::Null).map_err(failed),
        Job::Sync => step(Step::Sync).await.map(|_| Value::Null).map_err(failed),
        Job::HandOver { password_hash } => {
            match step(Step::HandOver { password_hash }).await.map_err(failed)? {
                StepOutput::HandedOver => Ok(Value::Null),
                StepOutput::Done
                | StepOutput::Inventory { .. }
                | StepOutput::ImageWritten { .. }
                | StepOutput::Erased { .. } => {
                    Err(refused("the ramdisk did not say that it has let go of the server".to_owned()))
                }
            }
        }
        Job::PowerOff => {
            // The ramdisk flushes and switches off by itself; the BMC makes it certain, and confirms it, so that Ironic
            // finds the server off at its first look. A ramdisk that is gone already is what was asked for.
            if let Err(refusal) = step(Step::PowerOff).await {
                warn!(server = %session.server, reason = %refusal, "ramdisk did not confirm that it switches off");
            }
            let off = PowerRequest::Off(PowerOffHow::Hard);
            inner.hardware.power(session.server, off).await.map(|()| Value::Null).map_err(failed)
        }
    }
}

/// The file system of a configuration drive, which is here or at an address; who is asked there and is away is asked again.
async fn find_drive(inner: &Inner, session: &Session, given: &str) -> Result<Vec<u8>, CommandError> {
    let invalid = |error: config_drive::InvalidConfigDrive| refused(error.to_string());
    if !config_drive::is_url(given) {
        return config_drive::decode(given).map_err(invalid);
    }
    let mut tried = 1;
    loop {
        match inner.drives.fetch(given, config_drive::FETCHED_BYTES_MAX).await {
            Ok(bytes) => return config_drive::decode_fetched(bytes).map_err(invalid),
            Err(error @ DriveError::Away { .. }) if tried < DRIVE_TRIES_MAX => {
                warn!(server = %session.server, tried, reason = %error, "configuration drive is asked for again");
                session.say(format!("{error}; it is asked for again"));
            }
            Err(error) => return Err(refused(error.to_string())),
        }
        tried += 1;
        tokio::time::sleep(DRIVE_PAUSE).await;
    }
}

/// The image, waited for while the image service is away. Why there is none outlives Ironic's and Nova's memory.
async fn find_image(inner: &Inner, session: &Session, id: &str) -> Result<ImageRef, CommandError> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let answer = inner.images.image(id).await;
        let (next, news) = lock(&inner.known_images).next(answer, began.elapsed(), told);
        if let Some(news) = news {
            if let ImageNews::Waits(text) = &news {
                warn!(server = %session.server, reason = %text, "image is waited for");
                session.say(text.clone());
                told = true;
            }
            inner.hardware.note_image(session.server, news).await;
        }
        match next {
            Next::Write(image) => return Ok(image),
            Next::Ask => tokio::time::sleep(IMAGE_PAUSE).await,
            Next::Fail(reason) => return Err(refused(reason)),
        }
    }
}

/// Lets the ramdisk do a step. One that was interrupted is done again: each can be repeated as a whole, but for the one after
/// which there is no ramdisk.
async fn run_step(inner: &Inner, session: &Session, step: Step) -> Result<StepOutput, Refusal> {
    let mut tried = 1;
    loop {
        let done = inner.hardware.run_step(session.server, session.id, step.clone()).await;
        match done {
            Err(refusal)
                if refusal.kind == RefusalKind::Interrupted
                    && tried < STEP_TRIES_MAX
                    && !matches!(step, Step::PowerOff | Step::HandOver { .. }) =>
            {
                warn!(server = %session.server, tried, reason = %refusal, "step was interrupted, beginning it again");
            }
            done => return done,
        }
        tried += 1;
        tokio::time::sleep(STEP_PAUSE).await;
    }
}

/// Puts the tenant's networks into its configuration drive; what it says of services stays. Without them a server on several
/// networks would come up on none, so a drive in which they cannot be put fails the deployment.
async fn describe_networks(
    inner: &Inner,
    session: &Session,
    content: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let Some(data) = inner.hardware.network_data(session.server).await.map_err(failed)? else {
        return Ok(());
    };
    *content = with_networks(content, data).map_err(refused)?;
    Ok(())
}

const NETWORKS: &str = "network_data.json";

/// The drive with these networks.
fn with_networks(drive: &[u8], mut data: Value) -> Result<Vec<u8>, String> {
    let old = iso9660::read(drive, NETWORKS).and_then(|old| serde_json::from_slice::<Value>(old).ok());
    let services = old.as_ref().and_then(|old| old["services"].as_array()).filter(|old| !old.is_empty());
    if let (Some(services), Some(new)) = (services, data["services"].as_array_mut()) {
        let others = services.iter().filter(|service| service.is_object() && !new.contains(service));
        let others: Vec<Value> = others.cloned().collect();
        new.extend(others);
    }
    match iso9660::replace(drive, NETWORKS, data.to_string().as_bytes()) {
        Ok(changed) if changed.len() <= CONFIG_DRIVE_BYTES_MAX => Ok(changed),
        Ok(_) => Err("the configuration drive has no room for the server's networks".to_owned()),
        Err(error) => Err(format!(
            "the server's networks cannot be written to {NETWORKS} of the configuration drive: {error}; make it as Nova does, \
             an ISO 9660 file system with Rock Ridge and Joliet and with that file"
        )),
    }
}

/// Erases, and compares what was erased with the disks that there must be: what is not accounted for fails the step, with the name
/// of each disk.
async fn erase(
    inner: &Inner,
    session: &Session,
    what: Erase,
    wish: Thoroughness,
) -> Result<Value, CommandError> {
    let name = match inner.hardware.server(session.server).await {
        Some(server) => server.name,
        None => session.server.to_string(),
    };
    let known = inner.hardware.disks(session.server).await.map_err(failed)?;
    // A server that no inspection has seen is left as it is: nobody could tell what an erase has missed.
    let order = disks::order(&known, wish).ok_or_else(|| {
        refused(format!("{name} is not cleaned: {}", Fault::NeverInspected.sentence(&name)))
    })?;
    let step = match what {
        Erase::Metadata => Step::EraseMetadata(order),
        Erase::Disks => Step::EraseDisks(order),
    };
    let done = erased(run_step(inner, session, step).await.map_err(failed)?)?;
    let account = disks::account(what, wish, &known, &done);
    inner.hardware.note_erase(session.server, what, &account).await.map_err(failed)?;
    match account.refusal(&name) {
        Some(refusal) => Err(unaccounted(refusal)),
        None => Ok(evidence(&account, &done)),
    }
}

/// What Ironic is shown of a clean.
fn evidence(account: &Account, done: &[ErasedDisk]) -> Value {
    let left_out = account.left_out.iter().map(|(known, word)| {
        json!({
            "disk": known.disk,
            "number": known.number,
            "by": word.by,
            "reason": word.reason,
            "at_us": word.at_us,
        })
    });
    // What the agent signed is kept, and is nothing for Ironic.
    let done = done.iter().map(|erased| ErasedDisk { statement: String::new(), ..erased.clone() });
    json!({"disks": done.collect::<Vec<_>>(), "left_out": left_out.collect::<Vec<_>>()})
}

/// An erase that does not say what it erased is not believed.
fn erased(output: StepOutput) -> Result<Vec<ErasedDisk>, CommandError> {
    match output {
        StepOutput::Erased { disks } => Ok(disks),
        StepOutput::Done
        | StepOutput::Inventory { .. }
        | StepOutput::ImageWritten { .. }
        | StepOutput::HandedOver => Err(refused("the ramdisk did not say which disks it erased".to_owned())),
    }
}

fn failed(refusal: Refusal) -> CommandError {
    CommandError {
        r#type: "BmsStepFailed".to_owned(),
        code: 500,
        message: "the server did not do the step".to_owned(),
        details: refusal.message,
    }
}

fn unaccounted(details: String) -> CommandError {
    let (r#type, message) = ("BmsDisksUnaccounted".to_owned(), "not every disk is erased".to_owned());
    CommandError { r#type, code: 500, message, details }
}

fn lost(session: &Session) -> CommandError {
    CommandError {
        r#type: "BmsRamdiskGone".to_owned(),
        code: 500,
        message: "the server's ramdisk is gone".to_owned(),
        details: session.gone_reason(),
    }
}

fn refused(details: String) -> CommandError {
    let (r#type, message) = ("BmsStepRefused".to_owned(), "the step cannot be done".to_owned());
    CommandError { r#type, code: 400, message, details }
}

fn label(job: &Job) -> &'static str {
    match job {
        Job::Erase { what: Erase::Metadata, .. } => "erase metadata",
        Job::Erase { what: Erase::Disks, .. } => "erase disks",
        Job::WriteImage { .. } => "write image",
        Job::InstallBootEntry => "install boot entry",
        Job::Sync => "sync",
        Job::PowerOff => "power off",
        Job::HandOver { .. } => "hand over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_given_the_networks_and_keeps_its_services_or_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (drive, iso) = (dir.path().join("drive"), dir.path().join("iso"));
        let latest = drive.join("openstack/latest");
        std::fs::create_dir_all(&latest).unwrap();
        let make = |old: &str| {
            std::fs::write(latest.join(NETWORKS), old).unwrap();
            let mut made = std::process::Command::new("genisoimage");
            made.args(["-quiet", "-J", "-r", "-V", "config-2", "-o"]).args([&iso, &drive]);
            assert!(made.status().unwrap().success());
            std::fs::read(&iso).unwrap()
        };
        let new = json!({"links": [1], "networks": [2], "services": []});
        let check = |old: &str, services: Value| {
            let changed = with_networks(&make(old), new.clone()).unwrap();
            let found: Value = serde_json::from_slice(iso9660::read(&changed, NETWORKS).unwrap()).unwrap();
            assert_eq!(found, json!({"links": [1], "networks": [2], "services": services}), "{old}");
        };
        let dns = json!([{"type": "dns", "address": "192.0.2.53"}]);
        check(&json!({"links": [], "networks": [], "services": dns}).to_string(), dns);
        check(r#"{"services": []}"#, json!([]));
        check(r#"{"services": "none"}"#, json!([]));
        check("no JSON", json!([]));
        let refused = with_networks(b"a drive", new.clone()).unwrap_err();
        assert!(refused.contains("not a readable ISO 9660 file system; make it as Nova does"), "{refused}");
        let mut full = make("{}");
        full.resize(CONFIG_DRIVE_BYTES_MAX, 0);
        assert!(with_networks(&full, new).unwrap_err().contains("no room"));
    }
}
