//! Edges: Debian's cloud kernel, taken from its package without installing it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{PackError, create_dir, debian, file_error, output, run};

/// Names the package of the newest kernel.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Kernel {
    root: PathBuf,
    version: String,
}

impl Kernel {
    /// The kernel in `cache/kernel`; fetched from Debian's archive when there is none.
    pub fn get(cache: &Path) -> Result<Self, PackError> {
        let root = cache.join("kernel");
        if !root.exists() {
            fetch(cache, &root)?;
        }
        let modules = root.join("lib/modules");
        let mut entries = fs::read_dir(&modules).map_err(|source| file_error(&modules, source))?;
        let version = entries.find_map(|entry| entry.ok()?.file_name().into_string().ok());
        let version = version.ok_or_else(|| file_error(&modules, std::io::ErrorKind::NotFound.into()))?;
        Ok(Self { root, version })
    }

    /// The file that a boot loader loads.
    pub fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.version))
    }

    /// Files of these modules and of all they depend on, each after what it depends on. What is built in is left out.
    pub fn in_loading_order(&self, modules: &[&str]) -> Result<Vec<PathBuf>, PackError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for module in modules {
            let mut modprobe = Command::new("modprobe");
            modprobe.arg("-d").arg(&self.root).args(["-S", &self.version, "--show-depends", module]);
            for line in output(&mut modprobe)?.lines() {
                let file = line.strip_prefix("insmod ").map(|path| PathBuf::from(path.trim()));
                if let Some(file) = file.filter(|file| !files.contains(file)) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }
}

/// Fetches and unpacks under another name first, so that a directory with the right name is whole.
fn fetch(cache: &Path, root: &Path) -> Result<(), PackError> {
    let unpacked = cache.join("kernel.part");
    create_dir(cache)?;
    let _ = fs::remove_dir_all(&unpacked);
    let depends = output(Command::new("apt-cache").args(["depends", META_PACKAGE]))?;
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let package = package.ok_or_else(|| PackError::Program {
        program: format!("apt-cache depends {META_PACKAGE}"),
        said: "it names no kernel package; run apt-get update".into(),
    })?;
    debian::unpack(&debian::package(cache, package)?, &unpacked)?;
    let modules = unpacked.join("lib/modules");
    let mut entries = fs::read_dir(&modules).map_err(|source| file_error(&modules, source))?;
    let version = entries.find_map(|entry| entry.ok()?.file_name().into_string().ok()).unwrap_or_default();
    // The package has no table of dependencies: it is made when a package is installed.
    run(Command::new("depmod").arg("-b").arg(&unpacked).arg(version))?;
    fs::rename(&unpacked, root).map_err(|source| file_error(root, source))
}
