//! Decisions: the conditions of pools and rules.

use domain::pools::{Condition, Facts};
use protocol::boot::BootMode;

/// A condition is shown as it was written, and holds or not of any server.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(condition) = text.parse::<Condition>() else { return };
    assert_eq!(condition.to_string().parse::<Condition>().as_ref(), Ok(&condition));
    let _ = condition.holds(&facts());
}

/// A server whose names are long and full of beginnings of what a pattern looks for.
fn facts() -> Facts {
    let text = || "ab".repeat(200);
    Facts {
        name: text(),
        rack: text(),
        boot_mode: BootMode::Uefi,
        cpus: 2,
        cpu_model: text(),
        architecture: "x86_64".to_owned(),
        memory_mib: 1 << 20,
        disks: 1,
        disk_mib: 1 << 20,
        nics: 2,
        nic_mbps: 0,
        manufacturer: text(),
        product: text(),
    }
}
