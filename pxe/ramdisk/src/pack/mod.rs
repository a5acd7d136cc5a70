//! Edges: packing a static program and a Debian kernel's modules into what a server fetches at boot.
//!
//! ```text
//!   Debian's cloud kernel --> vmlinuz -----------------------------------> boot/kernel
//!                     \-----> virtio and its like -------------------------+
//!   cargo build of init ---------------------------------------------------+--> cpio | xz ----> boot/initrd
//!   packages of a shell and an SSH server, modules of file systems ------> cpio | zstd --> boot/rescue
//!   package ipxe -> snponly.efi (UEFI), undionly.kpxe (BIOS)
//!   packages of a signed shim and a signed GRUB -> shimx64.efi, grubx64.efi (UEFI with Secure Boot)
//!
//!   Debian's generic kernel -> boot/generic/kernel
//!   init -----------------------------------------> cpio | xz ----> boot/generic/base ------+
//!   each driver of a server, with its firmware ---> cpio | zstd --> boot/generic/parts/NAME -+--> boot/generic/initrd
//!                                                 \-> boot/generic/{lean,nics.txt,files/*}: for agents that put together what is needed
//!
//!   the digests of all of it, and a signature ------------------------> boot/manifest.txt, boot/manifest.txt.sig
//! ```
//!
//! Everything is made again only when what it is made of has changed, and the same input makes the same bytes. Archives are put together by
//! writing one behind the other, as the kernel unpacks them.

mod cpio;
mod debian;
mod drivers;
mod firmware;
mod kernel;
mod manifest;
mod nics;
mod parts;
mod rescue;
mod tables;

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::Command,
};

pub use kernel::{Flavour, Kernel};
pub use manifest::write_manifest;

use crate::system::MODULES_LIST;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Variables, by their beginnings, that describe the build of the program that is running.
const OF_OUR_OWN_BUILD: [&str; 7] = [
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_ENCODED_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
    "RUSTFLAGS",
];
/// Where Debian's package `ipxe` puts its files.
const IPXE_DIR: &str = "/usr/lib/ipxe";
/// Boot loaders that are served by TFTP.
const LOADERS: [&str; 2] = ["snponly.efi", "undionly.kpxe"];

/// Why nothing was packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file could not be read or written.
    #[error("{path}: {source}{remedy}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A program could not be started or failed.
    #[error("{program} failed: {said}")]
    Program {
        /// The command.
        program: String,
        /// The end of what it wrote.
        said: String,
    },
    /// Nothing can be signed with it.
    #[error(
        "{path} is no Ed25519 private key in PEM (PKCS#8); `openssl genpkey -algorithm ed25519` makes one"
    )]
    Key {
        /// Which file.
        path: PathBuf,
    },
}

/// What a server needs to boot our ramdisk.
#[derive(Clone, Debug)]
pub struct BootFiles {
    /// The directory with all of them.
    pub dir: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial ramdisk.
    pub initrd: PathBuf,
    /// What a rescue system has beyond it.
    pub rescue: PathBuf,
}

/// Where what is packed comes from; of each what is not said is Debian's newest, or our own.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The static program that is `/init`; none: it is built from the workspace.
    pub init: Option<PathBuf>,
    /// The package of the kernel for any server.
    pub kernel_package: Option<PathBuf>,
    /// Packages and directories with firmware, by the site's choice.
    pub firmware: Vec<PathBuf>,
}

impl Sources {
    fn init(&self, workspace: &Path) -> Result<PathBuf, PackError> {
        self.init.clone().map_or_else(|| build_init(workspace, "ramdisk", "init"), Ok)
    }
}

/// Makes `cache/boot/{kernel,initrd,rescue,snponly.efi,undionly.kpxe}`, for virtual servers, from the sources in `workspace`.
pub fn pack(workspace: &Path, cache: &Path) -> Result<BootFiles, PackError> {
    pack_virtual(workspace, cache, &Sources::default())
}

/// The same from these sources.
pub fn pack_virtual(workspace: &Path, cache: &Path, sources: &Sources) -> Result<BootFiles, PackError> {
    let _alone = lock(cache)?;
    let init = sources.init(workspace)?;
    let kernel = Kernel::get(cache, Flavour::Cloud)?;
    let dir = cache.join("boot");
    create_dir(&dir)?;
    for loader in LOADERS {
        copy_if_changed(&Path::new(IPXE_DIR).join(loader), &dir.join(loader))?;
    }
    let mut archive = parts::base(&read(&init)?);
    for module in parts::modules(&kernel, &drivers::VIRTUAL)?.modules {
        module.add_to(&mut archive)?;
    }
    compress_tightly(&archive.finish(), &dir.join("initrd"))?;
    finish(cache, &kernel, dir)
}

/// Makes `cache/boot/generic/{kernel,initrd,rescue,base,lean,parts/*,files/*,nics.txt,firmware.txt,licences/*}`, for any server. `initrd` is `base` with all
/// parts behind it; whoever knows what a server has puts the parts together that it needs.
pub fn pack_physical(workspace: &Path, cache: &Path, sources: &Sources) -> Result<BootFiles, PackError> {
    let _alone = lock(cache)?;
    firmware::check(&sources.firmware)?;
    let init = sources.init(workspace)?;
    let kernel = match &sources.kernel_package {
        Some(package) => Kernel::of_package(cache, package)?,
        None => Kernel::get(cache, Flavour::Generic)?,
    };
    let dir = cache.join("boot/generic");
    create_dir(&dir)?;
    let firmware = firmware::Firmware::open(cache, &sources.firmware)?;
    parts::write(&read(&init)?, &kernel, &drivers::PHYSICAL.concat(), &firmware, &dir)?;
    finish(cache, &kernel, dir)
}

/// The signed loaders by which a server with Secure Boot starts Debian's signed kernel.
#[derive(Clone, Debug)]
pub struct SignedLoaders {
    /// Signed by Microsoft; starts the other.
    pub shim: PathBuf,
    /// Signed by Debian, for network boots: it reads `grub.cfg` by TFTP.
    pub grub: PathBuf,
}

/// Makes `cache/boot/{shimx64.efi,grubx64.efi}` from Debian's packages, which are fetched when the cache has none.
pub fn pack_signed_loaders(cache: &Path) -> Result<SignedLoaders, PackError> {
    let _alone = lock(cache)?;
    let (root, dir) = (cache.join("secure-boot"), cache.join("boot"));
    create_dir(&root)?;
    create_dir(&dir)?;
    for package in ["shim-signed", "grub-efi-amd64-signed"] {
        debian::unpack(&debian::package(cache, package)?, &root)?;
    }
    let loaders = SignedLoaders { shim: dir.join("shimx64.efi"), grub: dir.join("grubx64.efi") };
    copy_if_changed(&root.join("usr/lib/shim/shimx64.efi.signed"), &loaders.shim)?;
    copy_if_changed(&root.join("usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"), &loaders.grub)?;
    Ok(loaders)
}

fn finish(cache: &Path, kernel: &Kernel, dir: PathBuf) -> Result<BootFiles, PackError> {
    copy_if_changed(&kernel.image(), &dir.join("kernel"))?;
    let rescue = dir.join("rescue");
    rescue::write_layer(cache, kernel, &rescue)?;
    Ok(BootFiles { kernel: dir.join("kernel"), initrd: dir.join("initrd"), rescue, dir })
}

/// Waits until nobody else makes files in this cache; it is ours until the answer is dropped.
pub fn lock(cache: &Path) -> Result<fs::File, PackError> {
    create_dir(cache)?;
    let path = cache.join("lock");
    let locked = fs::File::create(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| file_error(&path, source))
}

/// Builds a static program of the workspace with the `ramdisk` profile; returns its path.
pub fn build_init(workspace: &Path, package: &str, program: &str) -> Result<PathBuf, PackError> {
    let static_flag =
        format!("target.{TARGET}.rustflags=[\"-Ctarget-feature=+crt-static\",\"-Crelocation-model=static\"]");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .args(["build", "--quiet", "--profile", "ramdisk", "--target", TARGET, "--config", &static_flag])
        .args(["--package", package, "--bin", program]);
    // Cargo tells whom it runs how *he* was built. Passed on, it would make build scripts run, and all compile, again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OF_OUR_OWN_BUILD.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    run(&mut cargo)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    Ok(target.join(TARGET).join("ramdisk").join(program))
}

/// Packs the program as `/init` with these modules and all that they need and a list of them, compressed with zstd.
pub fn write_initrd(init: &Path, kernel: &Kernel, modules: &[&str], out: &Path) -> Result<(), PackError> {
    let mut archive = parts::root(&read(init)?);
    add_modules(&mut archive, kernel, modules, MODULES_LIST)?;
    compress(&archive.finish(), out)
}

/// Puts modules and all that they need into an archive, with a list of them in an order in which they can be loaded.
fn add_modules(
    archive: &mut cpio::Archive,
    kernel: &Kernel,
    modules: &[&str],
    list_path: &str,
) -> Result<(), PackError> {
    let mut list = String::new();
    for path in kernel.in_loading_order(modules)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        archive.file(&format!("lib/modules/{name}"), 0o644, &read(&path)?);
        list.push_str(&format!("/lib/modules/{name}\n"));
    }
    archive.file(list_path.trim_start_matches('/'), 0o644, list.as_bytes());
    Ok(())
}

/// Compresses an archive with zstd, unless that was done already. One thread: with several, the bytes would follow from their number.
fn compress(bytes: &[u8], out: &Path) -> Result<(), PackError> {
    compress_by(Command::new("zstd").args(["-q", "--single-thread", "--ultra", "-22"]), bytes, out)
}

/// The same with xz, which makes our program a tenth smaller than zstd does and takes the kernel longer to unpack: for what every server
/// fetches. The kernel needs room for the dictionary, and knows no check but CRC32 (Linux, `staging/xz`).
fn compress_tightly(bytes: &[u8], out: &Path) -> Result<(), PackError> {
    let words = ["-q", "-T1", "--check=crc32", "--x86", "--lzma2=preset=9e,dict=4MiB"];
    compress_by(Command::new("xz").args(words), bytes, out)
}

fn compress_by(program: &mut Command, bytes: &[u8], out: &Path) -> Result<(), PackError> {
    let mut hasher = DefaultHasher::new();
    (format!("{program:?}"), bytes).hash(&mut hasher);
    let (stamp, fresh) = (out.with_extension("stamp"), format!("{:016x}", hasher.finish()));
    if out.exists() && fs::read_to_string(&stamp).is_ok_and(|old| old == fresh) {
        return Ok(());
    }
    let (cpio, packed) = (out.with_extension("cpio"), out.with_extension("part"));
    write(&cpio, bytes)?;
    write(&packed, &self::bytes(program.arg("-c").arg(&cpio))?)?;
    fs::remove_file(&cpio).map_err(|source| file_error(&cpio, source))?;
    // A server may be fetching the old one just now.
    fs::rename(&packed, out).map_err(|source| file_error(out, source))?;
    write(&stamp, fresh.as_bytes())
}

fn run(command: &mut Command) -> Result<(), PackError> {
    output(command).map(drop)
}

/// What a program wrote, or the end of what it complained of.
fn output(command: &mut Command) -> Result<String, PackError> {
    bytes(command).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The same as bytes.
fn bytes(command: &mut Command) -> Result<Vec<u8>, PackError> {
    const SAID_MAX: usize = 2000;
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| PackError::Program { program: program.clone(), said: error.to_string() })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let start = said.char_indices().rev().nth(SAID_MAX).map_or(0, |(at, _)| at);
    Err(PackError::Program { program: format!("{command:?}"), said: said[start..].to_owned() })
}

fn file_error(path: &Path, source: io::Error) -> PackError {
    let remedy = if path.starts_with(IPXE_DIR) { "; install the package ipxe" } else { "" };
    PackError::File { path: path.to_owned(), source, remedy }
}

fn read(path: &Path) -> Result<Vec<u8>, PackError> {
    fs::read(path).map_err(|source| file_error(path, source))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PackError> {
    fs::write(path, bytes).map_err(|source| file_error(path, source))
}

fn create_dir(path: &Path) -> Result<(), PackError> {
    fs::create_dir_all(path).map_err(|source| file_error(path, source))
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<(), PackError> {
    write_if_changed(&read(from)?, to)
}

fn write_if_changed(bytes: &[u8], to: &Path) -> Result<(), PackError> {
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let part = to.with_extension("part");
    write(&part, bytes)?;
    fs::rename(&part, to).map_err(|source| file_error(to, source))
}
