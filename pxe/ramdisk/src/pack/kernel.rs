//! Edges: Debian's kernels, taken from their packages without installing them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    PackError, create_dir, debian, file_error, output, read, run,
    tables::{Closure, Tables},
};

/// Which of Debian's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// For virtual servers: small, with what they have.
    Cloud,
    /// For any server.
    Generic,
}

impl Flavour {
    /// Names the package of the newest kernel.
    fn meta_package(self) -> &'static str {
        match self {
            Flavour::Cloud => "linux-image-cloud-amd64",
            Flavour::Generic => "linux-image-amd64",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Flavour::Cloud => "kernel",
            Flavour::Generic => "kernel-generic",
        }
    }
}

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Kernel {
    root: PathBuf,
    version: String,
}

impl Kernel {
    /// The kernel in the cache; fetched from Debian's archive when there is none.
    pub fn get(cache: &Path, flavour: Flavour) -> Result<Self, PackError> {
        let root = cache.join(flavour.directory());
        if !root.exists() {
            let package = newest(cache, flavour)?;
            unpack(&package, &root)?;
        }
        Self::open(&root)
    }

    /// The kernel of a package's file, unpacked anew into the cache.
    pub fn of_package(cache: &Path, package: &Path) -> Result<Self, PackError> {
        let root = cache.join("kernel-package");
        let _ = fs::remove_dir_all(&root);
        unpack(package, &root)?;
        Self::open(&root)
    }

    /// A kernel's tree that is unpacked, with its tables.
    pub(super) fn open(root: &Path) -> Result<Self, PackError> {
        Ok(Self { root: root.to_owned(), version: version(&modules_dir(root))? })
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

    /// These modules and all that go with them, as far as this kernel has them.
    pub(super) fn closure(&self, modules: &[&str]) -> Result<Closure, PackError> {
        let dir = self.modules();
        let table =
            |name: &str| read(&dir.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let tables =
            Tables::parse(&table("modules.dep")?, &table("modules.alias")?, &table("modules.softdep")?);
        Ok(tables.closure(modules))
    }

    /// Where its modules and tables lie.
    pub(super) fn modules(&self) -> PathBuf {
        modules_dir(&self.root).join(&self.version)
    }
}

/// Debian 13 and later unpack to `/usr/lib` alone.
fn modules_dir(root: &Path) -> PathBuf {
    let merged = root.join("usr/lib/modules");
    if merged.exists() { merged } else { root.join("lib/modules") }
}

fn version(modules: &Path) -> Result<String, PackError> {
    let mut entries = fs::read_dir(modules).map_err(|source| file_error(modules, source))?;
    let version = entries.find_map(|entry| entry.ok()?.file_name().into_string().ok());
    version.ok_or_else(|| file_error(modules, std::io::ErrorKind::NotFound.into()))
}

/// The file of the newest kernel's package.
fn newest(cache: &Path, flavour: Flavour) -> Result<PathBuf, PackError> {
    let meta = flavour.meta_package();
    let depends = output(Command::new("apt-cache").args(["depends", meta]))?;
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let package = package.ok_or_else(|| PackError::Program {
        program: format!("apt-cache depends {meta}"),
        said: "it names no kernel package; run apt-get update".into(),
    })?;
    debian::package(cache, package)
}

/// Unpacks under another name first, so that a directory with the right name is whole.
fn unpack(package: &Path, root: &Path) -> Result<(), PackError> {
    let unpacked = root.with_extension("part");
    create_dir(&unpacked)?;
    let _ = fs::remove_dir_all(&unpacked);
    debian::unpack(package, &unpacked)?;
    if unpacked.join("usr/lib/modules").exists() && !unpacked.join("lib").exists() {
        let link = unpacked.join("lib");
        std::os::unix::fs::symlink("usr/lib", &link).map_err(|source| file_error(&link, source))?;
    }
    // The package has no table of dependencies: it is made when a package is installed.
    run(Command::new("depmod").arg("-b").arg(&unpacked).arg(version(&modules_dir(&unpacked))?))?;
    fs::rename(&unpacked, root).map_err(|source| file_error(root, source))
}
