//! Edges: the configuration drive, found by its label as cloud images do.

use std::{fs, fs::File, os::unix::fs::FileExt, path::Path};

use nix::mount::{MsFlags, mount};

const LABEL: &[u8] = b"config-2";
const MOUNT_POINT: &str = "/mnt";
/// The primary volume descriptor of ISO 9660 is the 17th sector of 2048 bytes.
const ISO_DESCRIPTOR: u64 = 16 * 2048;

/// Who this instance is, as the configuration drive says.
#[derive(Debug, Default)]
pub struct Identity {
    /// uuid of the instance.
    pub instance_id: String,
    /// Its host name.
    pub hostname: String,
    /// Its networks, as the drive describes them.
    pub network_data: serde_json::Value,
}

/// Finds, mounts and reads the drive.
pub fn read() -> Result<Identity, String> {
    let (device, kind) = find().ok_or("no block device has a file system labelled config-2")?;
    let mounted = mount(Some(device.as_str()), MOUNT_POINT, Some(kind), MsFlags::MS_RDONLY, None::<&str>);
    mounted.map_err(|error| format!("mount {device} as {kind}: {error}"))?;
    let path = Path::new(MOUNT_POINT).join("openstack/latest/meta_data.json");
    let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let meta: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let field = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
    let networks = fs::read(Path::new(MOUNT_POINT).join("openstack/latest/network_data.json")).ok();
    let network_data = networks.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    Ok(Identity { instance_id: field("uuid"), hostname: field("hostname"), network_data })
}

/// Device node and file system.
fn find() -> Option<(String, &'static str)> {
    let entries = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let device = format!("/dev/{name}");
        let kind = file_system(&File::open(&device).ok()?)?;
        Some((device, kind))
    })
}

fn file_system(device: &File) -> Option<&'static str> {
    let mut descriptor = [0; 72];
    let iso = device.read_exact_at(&mut descriptor, ISO_DESCRIPTOR).is_ok();
    if iso && &descriptor[1..6] == b"CD001" && is_label(&descriptor[40..72]) {
        return Some("iso9660");
    }
    let mut sector = [0; 512];
    device.read_exact_at(&mut sector, 0).ok()?;
    // FAT12/16 and FAT32 keep their label at different places.
    let fat = sector[510..] == [0x55, 0xaa] && (is_label(&sector[43..54]) || is_label(&sector[71..82]));
    fat.then_some("vfat")
}

fn is_label(field: &[u8]) -> bool {
    field.trim_ascii_end().eq_ignore_ascii_case(LABEL)
}
