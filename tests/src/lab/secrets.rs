//! Edges: looks for the BMCs' password, and for their addresses at OpenStack, in everything that programs of the lab have
//! written and were started with.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::{
    Lab,
    rack::bmc_address,
    site::{BMC_PASSWORD, machines},
};

/// Most bytes of one file that are looked at; the lab's largest database has a tenth of it.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// How many files there are at least: fewer would mean that the search looked in the wrong place.
const FILES_MIN: usize = 20;

/// Fails when a word stands in any file of OpenStack, coordinator or agent, in any log, or among any program's arguments.
pub fn nowhere(lab: &Lab, word: &str) -> anyhow::Result<()> {
    let files = files(&lab.site.run())?;
    ensure!(files.len() >= FILES_MIN, "the lab has {} files only", files.len());
    // A disk is its tenant's: what a tenant has there is its own affair.
    for path in files.iter().filter(|path| !path.ends_with("disk.raw")) {
        ensure!(!holds(&read(path)?, word), "{} holds {word:?}", path.display());
    }
    in_no_arguments(word)
}

/// Fails when the password stands in a file or log of OpenStack, coordinator or agent, or among any program's arguments, or when
/// OpenStack knows where a BMC is.
pub fn check(lab: &Lab) -> anyhow::Result<()> {
    let site = &lab.site;
    let openstack = files(&site.run().join("openstack"))?;
    ensure!(openstack.len() >= FILES_MIN, "OpenStack has {} files only", openstack.len());
    let addresses: Vec<String> = machines().map(|plan| bmc_address(plan.number).to_string()).collect();
    for path in &openstack {
        let bytes = read(path)?;
        for word in addresses.iter().map(String::as_str).chain([BMC_PASSWORD]) {
            ensure!(!holds(&bytes, word), "{} holds {word:?}: OpenStack knows a BMC", path.display());
        }
    }
    let logs = ["coordinator", "agent"].map(|name| lab.processes.log(name));
    let ours = files(&site.coordinator())?.into_iter().chain(files(&site.agent())?).chain(logs);
    for path in ours {
        ensure!(!holds(&read(&path)?, BMC_PASSWORD), "{} holds the BMCs' password", path.display());
    }
    in_no_arguments(BMC_PASSWORD)
}

fn in_no_arguments(word: &str) -> anyhow::Result<()> {
    for process in std::fs::read_dir("/proc").context("reading /proc")? {
        // One that has ended meanwhile has no arguments.
        let arguments = std::fs::read(process?.path().join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&arguments);
        ensure!(!text.contains(word), "the arguments of a program hold {word:?}: {text:?}");
    }
    Ok(())
}

/// Every regular file below a directory.
fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut found, mut left) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in
            std::fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?
        {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// What a file holds. Programs delete files while they are looked for: those hold nothing.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::metadata(path) {
        Ok(found) => ensure!(found.len() <= FILE_BYTES_MAX, "{} is too large to search", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
    }
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| format!("reading {}", path.display())),
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}
