//! Edges: what a rescue system has beyond the ramdisk: a shell, an SSH server, a file system's checker, the modules of file
//! systems. All of it comes from Debian's packages, as the kernel does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Kernel, PackError, add_modules, compress, cpio::Archive, debian, file_error, read};
use crate::rescue::MODULES_LIST;

/// Modules for a tenant's disks, and for the power button; ext4 is built into the kernel.
const MODULES: [&str; 7] = ["ext4", "xfs", "vfat", "nls_cp437", "nls_ascii", "button", "evdev"];
const LIBRARIES: &str = "lib/x86_64-linux-gnu";
/// Package, file in it, and its place in the archive.
const TOOLS: [(&str, &str, &str); 3] = [
    ("busybox-static", "bin/busybox", "bin/busybox"),
    ("e2fsck-static", "sbin/e2fsck.static", "sbin/e2fsck"),
    ("dropbear-bin", "usr/sbin/dropbear", "sbin/dropbear"),
];
/// What dropbear is linked to: package and library, which may lie in `/lib` or in `/usr/lib`.
const LINKED: [(&str, &str); 7] = [
    ("libc6", "ld-linux-x86-64.so.2"),
    ("libc6", "libc.so.6"),
    ("libcrypt1", "libcrypt.so.1"),
    ("libgmp10", "libgmp.so.10"),
    ("libtomcrypt1", "libtomcrypt.so.1"),
    ("libtommath1", "libtommath.so.1"),
    ("zlib1g", "libz.so.1"),
];
/// Where programs look for the one that loads their libraries.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";

/// Packs the layer; it is loaded behind the ramdisk, by a rescue only.
pub(super) fn write_layer(cache: &Path, kernel: &Kernel, out: &Path) -> Result<(), PackError> {
    let root = unpacked(cache)?;
    let mut archive = Archive::default();
    for dir in ["bin", "etc", "lib", LIBRARIES, "lib64", "lib/modules", "root", "sbin"] {
        archive.directory(dir);
    }
    for (_, file, place) in TOOLS {
        archive.file(place, 0o755, &read(&root.join(file))?);
    }
    for (_, library) in LINKED {
        let places = [root.join(LIBRARIES), root.join("usr").join(LIBRARIES)].map(|dir| dir.join(library));
        let [first, second] = &places;
        let bytes = read(if first.exists() { first } else { second })?;
        let place =
            if LOADER.ends_with(library) { LOADER.to_owned() } else { format!("{LIBRARIES}/{library}") };
        archive.file(&place, 0o755, &bytes);
    }
    add_modules(&mut archive, kernel, &MODULES, MODULES_LIST)?;
    compress(&archive.finish(), out)
}

/// The packages' files, below `cache/rescue`. Unpacked under another name first, so that a directory with the right name is whole.
fn unpacked(cache: &Path) -> Result<PathBuf, PackError> {
    let (root, part) = (cache.join("rescue"), cache.join("rescue.part"));
    if root.exists() {
        return Ok(root);
    }
    let _ = fs::remove_dir_all(&part);
    let packages = TOOLS.iter().map(|(package, ..)| package).chain(LINKED.iter().map(|(package, _)| package));
    for package in packages {
        debian::unpack(&debian::package(cache, package)?, &part)?;
    }
    fs::rename(&part, &root).map_err(|source| file_error(&root, source))?;
    Ok(root)
}
