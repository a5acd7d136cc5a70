//! Edges: a drive's own commands carried out one after the other, until it says that it is done.
//!
//! What must stay true: a drive that works on a command by itself is waited for, also on one that was begun before a power cut; one that
//! was locked for the sake of an erase does not stay locked.

use std::{fs::File, io, time::Duration};

use protocol::erase::EraseMethod;

use super::{
    ata,
    command::{Bytes, NvmeCommand, ScsiReply},
    meter::Meter,
    nvme, passthrough,
    plan::Stand,
    scsi,
};
use crate::{disk::Disk, system::read_line};

/// Longest time for a command that only asks, or that goes on by itself.
const COMMAND_WAIT: Duration = Duration::from_secs(60);
/// Longest time for an NVMe format, which answers at its end.
const FORMAT_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest time for a sanitize or a SCSI format: several times what the largest disk needs to be overwritten once.
const WORK_WAIT_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// Between two questions how far it is.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// Questions in a row that may fail: a drive that is resetting answers nothing for a while.
const DEAF_MAX: u32 = 30;

/// Passes commands to a drive.
pub trait Pass {
    /// A SCSI command, also one that carries one of ATA.
    fn scsi(&self, command: &[u8], bytes: Bytes<'_>, wait: Duration) -> io::Result<ScsiReply>;
    /// An NVMe admin command: the controller's status.
    fn nvme(&self, command: NvmeCommand, bytes: Bytes<'_>, wait: Duration) -> io::Result<u16>;
    /// Waits before the next question.
    fn pause(&self);
}

/// By the kernel.
#[derive(Debug)]
pub struct Kernel(pub File);

impl Pass for Kernel {
    fn scsi(&self, command: &[u8], bytes: Bytes<'_>, wait: Duration) -> io::Result<ScsiReply> {
        passthrough::scsi(&self.0, command, bytes, wait)
    }

    fn nvme(&self, command: NvmeCommand, bytes: Bytes<'_>, wait: Duration) -> io::Result<u16> {
        passthrough::nvme(&self.0, command, bytes, wait)
    }

    fn pause(&self) {
        std::thread::sleep(ASK_EVERY);
    }
}

/// By which commands a drive is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// NVMe; the number of the namespace.
    Nvme(u32),
    /// ATA inside SCSI.
    Ata,
    /// SCSI.
    Scsi,
    /// None that could erase it.
    Plain,
}

/// By which commands the drive is reached. Bridges to USB are spared: many hang at a command that they do not know.
pub fn interface(disk: &Disk) -> Interface {
    let vendor = read_line(disk.sysfs().join("device/vendor"));
    match disk.transport() {
        "nvme" => read_line(disk.sysfs().join("nsid")).parse().map_or(Interface::Plain, Interface::Nvme),
        "sata" | "sas" | "scsi" if vendor.trim() == "ATA" => Interface::Ata,
        "sas" | "scsi" => Interface::Scsi,
        _ => Interface::Plain,
    }
}

/// What a drive says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drive {
    /// NVMe.
    Nvme(nvme::Facts),
    /// ATA.
    Ata(ata::Facts),
    /// SCSI: it is asked for each command.
    Scsi,
    /// It has no such commands.
    Plain,
    /// It was asked, and this is why there is no answer.
    Silent(Interface, String),
}

impl Drive {
    /// Asks it. A drive that is still at an erase of before is waited for first.
    pub fn look(pass: &dyn Pass, interface: Interface, meter: &Meter) -> Self {
        let drive = match interface {
            Interface::Nvme(namespace) => look_nvme(pass, namespace).map(Drive::Nvme),
            Interface::Ata => look_ata(pass).map(Drive::Ata),
            Interface::Scsi => Ok(Drive::Scsi),
            Interface::Plain => Ok(Drive::Plain),
        };
        let drive = drive.unwrap_or_else(|why| Drive::Silent(interface, why));
        // Whatever comes of it shows when the disk is written or read.
        let _ = match &drive {
            Drive::Nvme(facts) if facts.sanitizes() => await_nvme(pass, meter, Awaited::Before),
            Drive::Ata(facts) if facts.sanitizes => await_ata(pass, meter, Awaited::Before).map(drop),
            Drive::Scsi => await_scsi(pass, meter, Awaited::Before),
            Drive::Nvme(_) | Drive::Ata(_) | Drive::Plain | Drive::Silent(..) => Ok(()),
        };
        drive
    }

    /// How it stands to one of the drives' own methods; `beside`: disks of the same drive that must stay.
    pub fn stand(&self, method: EraseMethod, beside: &[String]) -> Stand {
        let refusal = match (self, Kind::of(method)) {
            (Drive::Nvme(facts), Kind::Nvme) => facts.refusal(method, beside),
            (Drive::Ata(facts), Kind::Ata) => facts.refusal(method),
            (Drive::Scsi, Kind::Scsi) => None,
            (Drive::Silent(Interface::Nvme(_), why), Kind::Nvme)
            | (Drive::Silent(Interface::Ata, why), Kind::Ata) => Some(why.clone()),
            (Drive::Nvme(_) | Drive::Ata(_) | Drive::Scsi | Drive::Plain | Drive::Silent(..), _) => {
                return Stand::Foreign;
            }
        };
        refusal.map_or(Stand::Offered, Stand::Refused)
    }

    /// Lets the drive do it, and waits for the end. `size` is what it counts for in the meter. An error is for a person.
    pub fn erase(
        &self,
        pass: &dyn Pass,
        method: EraseMethod,
        meter: &Meter,
        size: u64,
    ) -> Result<(), String> {
        let done = match self {
            Drive::Nvme(facts) => erase_nvme(pass, facts, method, meter, size),
            Drive::Ata(facts) => erase_ata(pass, facts, method, meter, size),
            Drive::Scsi => erase_scsi(pass, method, meter, size),
            Drive::Plain => Err("the disk has no such command".to_owned()),
            Drive::Silent(_, why) => Err(why.clone()),
        };
        meter.be_usual();
        done
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nvme,
    Ata,
    Scsi,
    Plain,
}

impl Kind {
    fn of(method: EraseMethod) -> Self {
        match method.as_str().split('_').next() {
            Some("nvme") => Self::Nvme,
            Some("ata") => Self::Ata,
            Some("scsi") => Self::Scsi,
            Some(_) | None => Self::Plain,
        }
    }
}

fn text(error: io::Error) -> String {
    format!("the kernel did not pass the command on: {error}")
}

/// How far a drive is, of 65536.
enum Asked {
    Runs(u16),
    Ended,
    Failed,
}

/// Which work of a drive is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// What may run since before: one that cannot be asked has none.
    Before,
    /// What we have ordered: a drive may be deaf for a while.
    Ordered { size: u64 },
}

/// Asks until the drive has ended, for a bounded time.
fn await_end(
    pass: &dyn Pass,
    meter: &Meter,
    awaited: Awaited,
    ask: &dyn Fn() -> Result<Asked, String>,
) -> Result<(), String> {
    let (size, deaf_max) = match awaited {
        Awaited::Before => (0, 0),
        Awaited::Ordered { size } => (size, DEAF_MAX),
    };
    let mut deaf = 0;
    for _ in 0..WORK_WAIT_MAX.as_secs() / ASK_EVERY.as_secs() {
        if meter.is_stopped() {
            return Err(meter.aborted());
        }
        match ask() {
            Ok(Asked::Ended) => return Ok(()),
            Ok(Asked::Failed) => return Err("the drive began it and says that it failed".to_owned()),
            Ok(Asked::Runs(share)) => {
                deaf = 0;
                meter.set((u128::from(size) * u128::from(share) / (1 << 16)) as u64);
            }
            Err(why) if deaf >= deaf_max => return Err(format!("it cannot be asked how far it is: {why}")),
            Err(_) => deaf += 1,
        }
        pass.pause();
    }
    Err(format!("the drive has not ended it within {} days", WORK_WAIT_MAX.as_secs() / 86_400))
}

fn nvme_command(
    pass: &dyn Pass,
    command: NvmeCommand,
    bytes: Bytes<'_>,
    wait: Duration,
) -> Result<(), String> {
    match pass.nvme(command, bytes, wait).map_err(text)? {
        0 => Ok(()),
        status => Err(nvme::status(status)),
    }
}

fn look_nvme(pass: &dyn Pass, namespace: u32) -> Result<nvme::Facts, String> {
    let (mut controller, mut own) = ([0; nvme::IDENTIFY_BYTES], [0; nvme::IDENTIFY_BYTES]);
    nvme_command(pass, nvme::identify_controller(), Bytes::From(&mut controller), COMMAND_WAIT)?;
    nvme_command(pass, nvme::identify_namespace(namespace), Bytes::From(&mut own), COMMAND_WAIT)?;
    Ok(nvme::Facts::parse(namespace, &controller, &own))
}

fn await_nvme(pass: &dyn Pass, meter: &Meter, awaited: Awaited) -> Result<(), String> {
    await_end(pass, meter, awaited, &|| {
        let mut log = [0; nvme::SANITIZE_LOG_BYTES];
        nvme_command(pass, nvme::sanitize_log(), Bytes::From(&mut log), COMMAND_WAIT)?;
        Ok(match nvme::sanitize(&log) {
            nvme::Sanitize::Running(share) => Asked::Runs(share),
            nvme::Sanitize::Idle => Asked::Ended,
            nvme::Sanitize::Failed => Asked::Failed,
        })
    })
}

fn erase_nvme(
    pass: &dyn Pass,
    facts: &nvme::Facts,
    method: EraseMethod,
    meter: &Meter,
    size: u64,
) -> Result<(), String> {
    let command = facts.command(method).ok_or("this is not a method of NVMe")?;
    if matches!(method, EraseMethod::NvmeFormat | EraseMethod::NvmeFormatCrypto) {
        meter.be_patient(FORMAT_WAIT_MAX);
        return nvme_command(pass, command, Bytes::None, FORMAT_WAIT_MAX);
    }
    // A drive whose last sanitize failed takes only another one, or this.
    if await_nvme(pass, meter, Awaited::Before).is_err() {
        let _ = pass.nvme(nvme::exit_failure(), Bytes::None, COMMAND_WAIT);
    }
    nvme_command(pass, command, Bytes::None, COMMAND_WAIT)?;
    await_nvme(pass, meter, Awaited::Ordered { size })
}

fn scsi_command(pass: &dyn Pass, command: &[u8], bytes: Bytes<'_>) -> Result<(), String> {
    let reply = pass.scsi(command, bytes, COMMAND_WAIT).map_err(text)?;
    scsi::refusal(&reply).map_or(Ok(()), Err)
}

fn await_scsi(pass: &dyn Pass, meter: &Meter, awaited: Awaited) -> Result<(), String> {
    await_end(pass, meter, awaited, &|| {
        // A device answers REQUEST SENSE with the sense data as its data.
        let mut sense = [0; 252];
        scsi_command(pass, &scsi::REQUEST_SENSE, Bytes::From(&mut sense))?;
        Ok(match scsi::Sense::parse(&sense).running() {
            scsi::Running::Yes(share) => Asked::Runs(share),
            scsi::Running::No => Asked::Ended,
            scsi::Running::Failed => Asked::Failed,
        })
    })
}

fn erase_scsi(pass: &dyn Pass, method: EraseMethod, meter: &Meter, size: u64) -> Result<(), String> {
    let (command, parameters) = scsi::command(method).ok_or("this is not a method of SCSI")?;
    if let Some(action) = scsi::sanitize_action(method) {
        let mut answer = [0; 20];
        let asked = scsi_command(pass, &scsi::is_known(command[0], action), Bytes::From(&mut answer));
        if asked.is_ok() && scsi::known(&answer) == Some(false) {
            return Err("the device does not offer it".to_owned());
        }
        if await_scsi(pass, meter, Awaited::Before).is_err() {
            let _ = scsi_command(pass, &scsi::EXIT_FAILURE, Bytes::None);
        }
    }
    let bytes = if parameters.is_empty() { Bytes::None } else { Bytes::To(&parameters) };
    scsi_command(pass, &command, bytes)?;
    await_scsi(pass, meter, Awaited::Ordered { size })
}

fn look_ata(pass: &dyn Pass) -> Result<ata::Facts, String> {
    let mut page = [0; ata::PAGE_BYTES];
    scsi_command(pass, &ata::identify(), Bytes::From(&mut page))?;
    ata::Facts::parse(&page).ok_or_else(|| "the drive does not say what it offers".to_owned())
}

fn ata_registers(pass: &dyn Pass, command: &[u8]) -> Result<ata::Registers, String> {
    ata::registers(&pass.scsi(command, Bytes::None, COMMAND_WAIT).map_err(text)?)
}

/// Whether the last sanitize has ended well.
fn await_ata(pass: &dyn Pass, meter: &Meter, awaited: Awaited) -> Result<bool, String> {
    let done = std::cell::Cell::new(false);
    await_end(pass, meter, awaited, &|| {
        Ok(match ata::sanitize_state(ata_registers(pass, &ata::sanitize_status())?) {
            ata::Sanitize::Running(share) => Asked::Runs(share),
            ata::Sanitize::Idle => {
                done.set(true);
                Asked::Ended
            }
            ata::Sanitize::NotDone => Asked::Ended,
        })
    })?;
    Ok(done.get())
}

fn erase_ata(
    pass: &dyn Pass,
    facts: &ata::Facts,
    method: EraseMethod,
    meter: &Meter,
    size: u64,
) -> Result<(), String> {
    let enhanced = match method {
        EraseMethod::AtaSecurityEnhanced => true,
        EraseMethod::AtaSecurity => false,
        _ => {
            let command = ata::sanitize(method).ok_or("this is not a method of ATA")?;
            ata_registers(pass, &command)?;
            let done = await_ata(pass, meter, Awaited::Ordered { size })?;
            return if done { Ok(()) } else { Err("the drive does not say that it has done it".to_owned()) };
        }
    };
    security_erase(pass, facts, enhanced, facts.security_wait(method), meter)
}

/// Sets a password, which is what the command wants, and erases; the password goes with that. A drive that is locked is locked by an erase
/// of ours that was cut off, or else by a password that nobody here knows.
fn security_erase(
    pass: &dyn Pass,
    facts: &ata::Facts,
    enhanced: bool,
    wait: Duration,
    meter: &Meter,
) -> Result<(), String> {
    let security = |command: ata::Security, wait: Duration| {
        let (command, page) = command.command();
        match &page {
            None => ata_registers(pass, &command).map(drop),
            Some(page) => {
                let reply = pass.scsi(&command, Bytes::To(page), wait).map_err(text)?;
                scsi::refusal(&reply).map_or(Ok(()), Err)
            }
        }
    };
    if facts.locked {
        security(ata::Security::Unlock, COMMAND_WAIT)
            .map_err(|why| format!("the drive is locked with a password that is not known: {why}"))?;
    } else {
        security(ata::Security::SetPassword, COMMAND_WAIT)?;
    }
    meter.be_patient(wait);
    let erased = security(ata::Security::ErasePrepare, COMMAND_WAIT)
        .and_then(|()| security(ata::Security::Erase { enhanced }, wait));
    // It has no password any more when that went well; otherwise it must not keep ours.
    if erased.is_err() {
        let _ = security(ata::Security::DisablePassword, COMMAND_WAIT);
    }
    erased
}

/// What an ATA drive hides behind its end, and what became of it, for a person; whether its size has changed.
pub fn uncover(pass: &dyn Pass, facts: &ata::Facts) -> (Vec<String>, bool) {
    let (mut told, mut changed) = (Vec::new(), false);
    let bytes = |sectors: u64| sectors.saturating_mul(facts.sector_bytes);
    let mut shown = facts.sectors;
    if facts.hides
        && let Ok(registers) = ata_registers(pass, &ata::read_native_max())
        && registers.lba >= shown
    {
        let hidden = bytes(registers.lba + 1 - shown);
        match ata_registers(pass, &ata::set_max(registers.lba)) {
            Ok(_) => {
                (shown, changed) = (registers.lba + 1, true);
                told.push(format!("a host protected area of {hidden} bytes was uncovered"));
            }
            Err(why) => {
                told.push(format!("a host protected area of {hidden} bytes could not be uncovered: {why}"));
            }
        }
    }
    let mut page = [0; ata::PAGE_BYTES];
    if facts.overlays && scsi_command(pass, &ata::identify_overlay(), Bytes::From(&mut page)).is_ok() {
        let real = ata::overlay_sectors(&page);
        if real > shown {
            let hidden = bytes(real - shown);
            told.push(format!(
                "a device configuration overlay hides {hidden} bytes; only a vendor's tool and a power cycle uncover them"
            ));
        }
    }
    (told, changed)
}

#[cfg(test)]
mod tests;
