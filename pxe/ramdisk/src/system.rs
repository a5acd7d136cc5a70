//! Edges: what the first process of a system has to do for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};

use crate::say;

/// A list of modules in an image's initrd, one path a line, in an order in which they can be loaded.
pub const MODULES_LIST: &str = "/lib/modules.list";

/// Why the system could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file system of the kernel could not be mounted.
    #[error("mount {0}: {1}")]
    Mount(&'static str, nix::Error),
    /// A module could not be loaded.
    #[error("load module {0}: {1}")]
    Module(PathBuf, io::Error),
    /// A file of the kernel could not be read.
    #[error("read {0}: {1}")]
    Read(PathBuf, io::Error),
}

impl SystemError {
    /// What the system said, without what it was about.
    pub fn reason(&self) -> String {
        match self {
            Self::Mount(_, error) => error.to_string(),
            Self::Module(_, error) | Self::Read(_, error) => error.to_string(),
        }
    }
}

/// Mounts what the kernel offers. Mounted already is fine.
pub fn mount_kernel_file_systems() -> Result<(), SystemError> {
    for (kind, at) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        let _ = fs::create_dir(at);
        match mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>) {
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(SystemError::Mount(at, error)),
        }
    }
    Ok(())
}

/// Loads the modules of a list. One that fails is said and passed over: another may do the work.
pub fn load_modules(list: &str) -> Result<(), SystemError> {
    let list = read(list)?;
    for path in list.lines().filter(|line| !line.is_empty()) {
        if let Err(error) = load_module(Path::new(path)) {
            say!("{error}");
        }
    }
    Ok(())
}

/// Loads one module. Loaded already is fine, and so is one that finds nothing to drive.
pub fn load_module(path: &Path) -> Result<(), SystemError> {
    let failed = |error| SystemError::Module(path.to_owned(), error);
    let file = fs::File::open(path).map_err(failed)?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(nix::Error::EEXIST | nix::Error::ENODEV) => Ok(()),
        Err(error) => Err(failed(error.into())),
    }
}

/// A whole file of the kernel's as text.
pub fn read(path: impl AsRef<Path>) -> Result<String, SystemError> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(|error| SystemError::Read(path.to_owned(), error))
}

/// A file's first line without surrounding blanks; empty when there is none. Hardware's words may be any bytes.
pub fn read_line(path: impl AsRef<Path>) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned()
}

/// Flushes everything and switches the power off.
pub fn power_off() -> ! {
    say!("power off");
    nix::unistd::sync();
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    say!("power off failed: {error}");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
