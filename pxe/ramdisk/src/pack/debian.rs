//! Edges: Debian's packages, fetched and unpacked without installing them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{PackError, create_dir, file_error, run};

/// The package's file in `cache/deb`; fetched from Debian's archive when there is none.
pub(super) fn package(cache: &Path, package: &str) -> Result<PathBuf, PackError> {
    let deb = cache.join("deb");
    create_dir(&deb)?;
    let found = || {
        let files = fs::read_dir(&deb).into_iter().flatten().flatten().map(|entry| entry.path());
        files.into_iter().find(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        })
    };
    if found().is_none() {
        let mut download = Command::new("apt-get");
        run(download.current_dir(&deb).args(["-o", "APT::Sandbox::User=root", "download", package]))?;
    }
    found().ok_or_else(|| file_error(&deb.join(package), std::io::ErrorKind::NotFound.into()))
}

/// Unpacks a package's file into a directory.
pub(super) fn unpack(file: &Path, into: &Path) -> Result<(), PackError> {
    run(Command::new("dpkg-deb").arg("-x").arg(file).arg(into))
}
