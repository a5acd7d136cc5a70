//! Edges: whether virtual servers can use KVM.
//!
//! A `/dev/kvm` that opens proves nothing: on some machines guests start and then hang. So a kernel is booted with it,
//! once, and the answer is kept for as long as the machine runs.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// Emulation: slow, and works everywhere.
pub const TCG: &str = "tcg,thread=multi";
/// How long a kernel may take to say its first word with KVM; it takes a second where KVM works.
const BOOT_WAIT_MAX: Duration = Duration::from_secs(8);

/// The accelerator to use: `kvm` when a kernel boots with it, else emulation.
pub async fn find(cache: &Path) -> anyhow::Result<String> {
    let boot_id = tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await?;
    let note = cache.join("accelerator");
    if let Ok(text) = tokio::fs::read_to_string(&note).await
        && let Some((known, accelerator)) = text.split_once(' ')
        && known == boot_id.trim()
    {
        return Ok(accelerator.to_owned());
    }
    let works = std::fs::File::options().read(true).write(true).open("/dev/kvm").is_ok()
        && boots_with_kvm(&cache.join("boot").join("kernel")).await?;
    let accelerator = if works { "kvm" } else { TCG };
    tokio::fs::write(&note, format!("{} {accelerator}", boot_id.trim())).await?;
    Ok(accelerator.to_owned())
}

async fn boots_with_kvm(kernel: &Path) -> anyhow::Result<bool> {
    let mut child = Command::new("qemu-system-x86_64")
        .args(["-nodefaults", "-no-user-config", "-M", "q35", "-accel", "kvm", "-cpu", "max", "-m", "256"])
        .args([
            "-display",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
            "-append",
            "console=ttyS0 panic=-1",
            "-kernel",
        ])
        .arg(kernel)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting qemu-system-x86_64 (package qemu-system-x86)")?;
    let mut lines = BufReader::new(child.stdout.take().context("qemu has no output")?).lines();
    let heard = tokio::time::timeout(BOOT_WAIT_MAX, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("Run /init") || line.contains("Kernel panic") || line.contains("VFS:") {
                return true;
            }
        }
        false
    })
    .await;
    child.kill().await?;
    Ok(heard.unwrap_or(false))
}
