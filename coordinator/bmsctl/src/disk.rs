//! Edges: `bmsctl node disk`.

use anyhow::bail;
use clap::Subcommand;

use super::{args::Output, client::Client, output, path::path};
use api_types::{List, NewDiskException, NodeDisk};

/// What is done with the disks of a server.
#[derive(Debug, Subcommand)]
pub enum Disk {
    /// List the disks that inspections have found, and whether each is erased.
    List {
        /// Name or id of the server.
        node: String,
    },
    /// Exclude a disk from every clean: it was replaced or removed, or must not be erased.
    #[command(
        after_help = "Example: bmsctl node disk except srv1 2 --reason 'replaced, the old one is in the safe'\n\nA clean \
            fails while a disk that an inspection found is not erased. This command excludes the disk; every clean records \
            the exclusion, its reason and who made it."
    )]
    Except {
        /// Name or id of the server.
        node: String,
        /// The disk's number, serial number or world-wide name.
        disk: String,
        /// Why the disk is excluded; shown in the record of every clean.
        #[arg(long)]
        reason: String,
    },
    /// Include the disk again: cleans erase it.
    Include {
        /// Name or id of the server.
        node: String,
        /// The disk's number, serial number or world-wide name.
        disk: String,
    },
}

/// Runs one of its commands.
pub async fn run(client: &Client, output: Output, command: Disk) -> anyhow::Result<()> {
    match command {
        Disk::List { node } => {
            let disks = read(client, &node).await?;
            let header = [
                "disk",
                "size",
                "model",
                "serial",
                "wwn",
                "firmware",
                "health",
                "last name",
                "place",
                "remarks",
                "standing",
                "last erase",
            ];
            output::list(output, &disks, &header, |disk| {
                vec![
                    disk.number.to_string(),
                    format!("{} MiB", disk.size_bytes >> 20),
                    disk.model.clone(),
                    disk.serial.clone(),
                    disk.wwn.clone(),
                    disk.firmware.clone(),
                    disk.health.clone(),
                    disk.name.clone(),
                    disk.place.clone(),
                    disk.remarks.join(", "),
                    standing(disk),
                    erased(disk),
                ]
            })
        }
        Disk::Except { node, disk, reason } => {
            let number = find(&read(client, &node).await?, &node, &disk)?;
            let at = path(&["nodes", &node, "disks", &number.to_string(), "exception"])?;
            let _: NodeDisk = client.post(&at, &NewDiskException { reason }).await?;
            output::say(output, format_args!("disk {number} of {node} is excluded from every clean"));
            Ok(())
        }
        Disk::Include { node, disk } => {
            let number = find(&read(client, &node).await?, &node, &disk)?;
            client.delete(&path(&["nodes", &node, "disks", &number.to_string(), "exception"])?).await?;
            output::say(output, format_args!("disk {number} of {node} is erased by every clean again"));
            Ok(())
        }
    }
}

/// The disks of a server.
pub async fn read(client: &Client, node: &str) -> anyhow::Result<Vec<NodeDisk>> {
    let disks: List<NodeDisk> = client.get(&path(&["nodes", node, "disks"])?).await?;
    Ok(disks.items)
}

/// A disk in one line.
pub fn line(disk: &NodeDisk) -> String {
    let words = [disk.wwn.as_str(), &disk.serial].into_iter().filter(|word| !word.is_empty());
    let words: Vec<_> = words.collect();
    let size_mib = disk.size_bytes >> 20;
    let remarks: String = disk.remarks.iter().map(|remark| format!(", {remark}")).collect();
    format!("{}: {} {size_mib} MiB {}, {}{remarks}", disk.number, disk.name, words.join(" "), standing(disk))
}

fn standing(disk: &NodeDisk) -> String {
    let read_only = if disk.read_only { ", read-only" } else { "" };
    match &disk.exception {
        Some(word) => format!("{} by {}: {}", disk.standing, word.by, word.reason),
        None => format!("{}{read_only}", disk.standing),
    }
}

fn erased(disk: &NodeDisk) -> String {
    disk.erased.as_ref().map_or_else(String::new, |erased| {
        format!("{} {}, {} MiB read back", erased.at, erased.method, erased.verified_bytes >> 20)
    })
}

/// The number of the disk that is meant.
fn find(disks: &[NodeDisk], node: &str, meant: &str) -> anyhow::Result<u32> {
    let by_number = disks.iter().filter(|disk| meant.parse() == Ok(disk.number));
    let is_named =
        |disk: &&NodeDisk| !meant.is_empty() && [&disk.serial, &disk.wwn].iter().any(|name| *name == meant);
    let by_name = disks.iter().filter(is_named);
    let mut numbers: Vec<_> = by_number.chain(by_name).map(|disk| disk.number).collect();
    numbers.dedup();
    match numbers[..] {
        [number] => Ok(number),
        [] => bail!("{node} has no disk {meant}; `bmsctl node disk list {node}` shows what it has"),
        _ => bail!("{meant} may be disk {numbers:?} of {node}; name it by its number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(number: u32, serial: &str, wwn: &str) -> NodeDisk {
        NodeDisk {
            number,
            name: "/dev/sda".into(),
            size_bytes: 4 << 30,
            model: String::new(),
            serial: serial.into(),
            wwn: wwn.into(),
            removable: false,
            read_only: false,
            transport: String::new(),
            sector_bytes: 512,
            firmware: String::new(),
            health: String::new(),
            place: String::new(),
            remarks: Vec::new(),
            standing: api_types::DiskStanding::ToBeErased,
            first_seen: String::new(),
            last_seen: String::new(),
            erased: None,
            exception: None,
        }
    }

    #[test]
    fn a_disk_is_found_by_each_of_its_names_and_never_guessed() {
        let disks = [disk(1, "S1", "naa.1"), disk(2, "S2", ""), disk(3, "2", "")];
        let check = |meant: &str, expected: Result<u32, &str>| match (find(&disks, "srv1", meant), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{meant}"),
            (Err(found), Err(part)) => assert!(found.to_string().contains(part), "{found}"),
            (found, expected) => panic!("{meant}: {found:?}, not {expected:?}"),
        };
        check("1", Ok(1));
        check("S1", Ok(1));
        check("naa.1", Ok(1));
        check("2", Err("name it by its number"));
        check("", Err("has no disk"));
        check("/dev/sda", Err("has no disk"));
    }
}
