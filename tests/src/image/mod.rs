//! Edges: the tenant's image of the stories: a whole disk with a boot loader for BIOS and UEFI, a kernel of Debian's and one
//! program.
//!
//! ```text
//!   sector 0: MBR with GRUB's boot.img | GPT | bios_grub: core.img | ESP: BOOTX64.EFI, kernel, initrd | bms-state
//! ```
//!
//! Nothing is mounted and no loop device is used, so it can be built anywhere.

mod grub;
mod layout;

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash, Hasher},
    io::Read,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use ramdisk::pack;

/// What the image for any server loads besides: a SATA disk and Intel's network cards.
const PHYSICAL_MODULES: [&str; 3] = ["ahci", "sd_mod", "e1000e"];

/// For whom an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Virtual servers: it has Debian's cloud kernel.
    Virtual,
    /// Any server: it has Debian's generic kernel.
    Any,
}

/// Changed whenever this code would make another image of the same parts.
const RECIPE: u32 = 1;
/// What the image's kernel loads: its disk, its network, VLANs, every kind of configuration drive, and the power button.
const MODULES: [&str; 10] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "8021q",
    "isofs",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "button",
    "evdev",
];
/// The first bytes of every sector of the secret that the tenant's program leaves on its disk.
const SECRET: &[u8] = b"THE TENANT'S SECRET: ";
const SECTOR: usize = 512;

/// The built image, in both formats.
#[derive(Clone, Debug)]
pub struct TenantImage {
    /// 64 MiB, sparse.
    pub raw: PathBuf,
    /// The same disk, compressed.
    pub qcow2: PathBuf,
}

/// Builds what a lab boots: kernel, ramdisk and boot loaders in `cache/boot`, and the tenant's image.
pub async fn ensure_boot_files(cache: &Path) -> anyhow::Result<()> {
    let (workspace, cache_dir) = (workspace(), cache.to_owned());
    tokio::task::spawn_blocking(move || {
        pack::pack(&workspace, &cache_dir)?;
        pack::pack_physical(&workspace, &cache_dir, &pack::Sources::default())
    })
    .await??;
    build(cache).await?;
    build_for(cache, For::Any).await.map(drop)
}

/// Builds the image for virtual servers in `cache/tenant`, or leaves it as it is when nothing has changed.
pub async fn build(cache: &Path) -> anyhow::Result<TenantImage> {
    build_for(cache, For::Virtual).await
}

/// The same for these servers; the one for any is in `cache/tenant-any`.
pub async fn build_for(cache: &Path, servers: For) -> anyhow::Result<TenantImage> {
    let cache = cache.to_owned();
    tokio::task::spawn_blocking(move || build_now(&cache, servers)).await?
}

/// Whether the file of a disk holds anything of what the tenant's program wrote.
pub fn holds_secret(disk: &Path) -> anyhow::Result<bool> {
    let mut file = File::open(disk).with_context(|| format!("opening {}", disk.display()))?;
    let mut buffer = vec![0; 4 << 20];
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                length => filled += length,
            }
        }
        if buffer[..filled].chunks(SECTOR).any(|sector| sector.starts_with(SECRET)) {
            return Ok(true);
        }
        if filled < buffer.len() {
            return Ok(false);
        }
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn build_now(cache: &Path, servers: For) -> anyhow::Result<TenantImage> {
    let _alone = pack::lock(cache)?;
    let (dir, flavour, further): (_, _, &[&str]) = match servers {
        For::Virtual => (cache.join("tenant"), pack::Flavour::Cloud, &[]),
        For::Any => (cache.join("tenant-any"), pack::Flavour::Generic, &PHYSICAL_MODULES),
    };
    fs::create_dir_all(&dir)?;
    let init = pack::build_init(&workspace(), "tenant-init", "tenant-init")?;
    let kernel = pack::Kernel::get(cache, flavour)?;
    let initrd = dir.join("initrd");
    pack::write_initrd(&init, &kernel, &[&MODULES, further].concat(), &initrd)?;

    let image = TenantImage { raw: dir.join("tenant.raw"), qcow2: dir.join("tenant.qcow2") };
    let mut hasher = DefaultHasher::new();
    (RECIPE, fs::read(&initrd)?, kernel.image()).hash(&mut hasher);
    let (stamp, fresh) = (dir.join("tenant.stamp"), format!("{:016x}", hasher.finish()));
    let built = image.raw.exists() && image.qcow2.exists();
    if built && fs::read_to_string(&stamp).is_ok_and(|old| old == fresh) {
        return Ok(image);
    }
    let _ = fs::remove_file(&stamp);
    let disk = File::options().read(true).write(true).create(true).truncate(true).open(&image.raw)?;
    layout::partition(&image.raw, &disk)?;
    let esp = layout::file_system(&dir, &kernel.image(), &initrd, &grub::efi_program(&dir)?)?;
    write_sparse(&disk, layout::ESP_START * SECTOR as u64, &fs::read(&esp)?)?;
    fs::remove_file(esp)?;
    grub::install_bios(&dir, &disk)?;
    disk.sync_all()?;
    run(Command::new("qemu-img")
        .args(["convert", "-c", "-f", "raw", "-O", "qcow2"])
        .args([&image.raw, &image.qcow2]))?;
    fs::write(&stamp, fresh)?;
    Ok(image)
}

/// Leaves holes where there are only zeroes.
fn write_sparse(disk: &File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    const PIECE: usize = 64 << 10;
    for (index, piece) in bytes.chunks(PIECE).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            disk.write_all_at(piece, offset + (index * PIECE) as u64)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
