//! Edges: the files that servers boot, read once and held in memory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use protocol::boot::BootPurpose;

use self::{
    bus_id::BusId,
    manifest::{Manifest, ManifestError, ManifestPaths, Mismatch},
};
pub use self::{content::Content, parts::Parts};

mod bus_id;
pub mod content;
pub mod manifest;
mod parts;
pub mod root;

/// Longest file that is held in memory; a larger one is a mistake in a path.
pub const MAX_FILE_LEN: u64 = 1 << 30;

/// The contents of all files that a server may fetch. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub struct BootFiles {
    /// The ramdisk's kernel.
    pub kernel: Content,
    /// The ramdisk.
    pub initrd: Content,
    /// The ramdisk with the tools of a rescue system behind it; without any, the ramdisk alone.
    pub rescue_initrd: Content,
    /// What a ramdisk is put together of for each server; none: all are given the same.
    pub parts: Option<Arc<Parts>>,
    /// What servers are given that boot by a virtual machine's NIC; none: the same as the others.
    pub virtual_servers: Option<Ramdisk>,
    /// For UEFI firmware that starts signed programs only; none: there is nothing for it.
    pub signed: Option<SignedLoaders>,
    /// iPXE for UEFI firmware that is not iPXE itself.
    pub snponly: Bytes,
    /// iPXE for BIOS boot ROMs that are not iPXE themselves.
    pub undionly: Bytes,
}

/// A kernel with its ramdisks, whole.
#[derive(Clone, Debug, Default)]
pub struct Ramdisk {
    /// The kernel.
    pub kernel: Content,
    /// The ramdisk.
    pub initrd: Content,
    /// The ramdisk with the tools of a rescue system behind it.
    pub rescue_initrd: Content,
}

/// Loaders that a server with Secure Boot starts.
#[derive(Clone, Debug)]
pub struct SignedLoaders {
    /// Signed by whoever the firmware trusts; it fetches the other.
    pub shim: Bytes,
    /// Signed by whoever the shim trusts, who has signed the kernel too.
    pub grub: Bytes,
    /// The kernel as it is sent by TFTP, which GRUB reads and which sends from our memory; so are the others.
    pub kernel: Bytes,
    /// The ramdisk.
    pub initrd: Bytes,
    /// The ramdisk of a rescue system.
    pub rescue_initrd: Bytes,
}

/// Where a kernel and its ramdisks lie.
#[derive(Clone, Debug)]
pub struct RamdiskPaths {
    /// The kernel.
    pub kernel: PathBuf,
    /// The ramdisk.
    pub initrd: PathBuf,
    /// What a rescue system has beyond the ramdisk; none: there is none.
    pub rescue: Option<PathBuf>,
}

/// Where the boot files lie.
#[derive(Clone, Debug)]
pub struct BootFilePaths {
    /// The ramdisk's kernel.
    pub kernel: PathBuf,
    /// The ramdisk.
    pub initrd: PathBuf,
    /// What a rescue system has beyond the ramdisk; none: there is none.
    pub rescue: Option<PathBuf>,
    /// The directory with the ramdisk's parts; none: every server is given all of it.
    pub parts: Option<PathBuf>,
    /// What servers are given that boot by a virtual machine's NIC; none: the same as the others.
    pub virtual_servers: Option<RamdiskPaths>,
    /// A signed shim and a signed GRUB that reads its configuration over the network; none: there are none.
    pub signed: Option<(PathBuf, PathBuf)>,
    /// `snponly.efi` of iPXE.
    pub snponly: PathBuf,
    /// `undionly.kpxe` of iPXE.
    pub undionly: PathBuf,
    /// The signed list of the files that were packed; none: they are taken as they are.
    pub manifest: Option<ManifestPaths>,
}

/// Why the boot files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFilesError {
    /// The system refused.
    #[error("cannot read the boot file {path}; install it or correct the path")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing sensible is that long, or that short.
    #[error("the boot file {path} has {len} bytes; expected 1 to {MAX_FILE_LEN}")]
    Length {
        /// Which file.
        path: PathBuf,
        /// How long it is.
        len: u64,
    },
    /// The list of what was packed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is not what was packed.
    #[error("the boot file {path} is not used: {why}")]
    Mismatch {
        /// Which file.
        path: PathBuf,
        /// What is the matter with it.
        why: Mismatch,
    },
}

impl BootFiles {
    /// The kernel for a boot by this NIC, told as iPXE writes `busid`. Kernel and ramdisk are chosen by the same words, and fit each other.
    pub fn kernel(&self, nic: &str) -> Content {
        self.of_virtual_server(nic).map_or(&self.kernel, |own| &own.kernel).clone()
    }

    fn of_virtual_server(&self, nic: &str) -> Option<&Ramdisk> {
        self.virtual_servers.as_ref().filter(|_| BusId::read(nic).is_some_and(|nic| nic.is_virtual()))
    }

    /// The ramdisk for a boot by this NIC, told as iPXE writes `busid`; with nothing told, or an unknown one, it has every driver.
    pub fn ramdisk(&self, purpose: BootPurpose, nic: &str) -> Content {
        if let Some(own) = self.of_virtual_server(nic) {
            return match purpose {
                BootPurpose::Rescue => own.rescue_initrd.clone(),
                BootPurpose::Inspect | BootPurpose::Clean | BootPurpose::Deploy => own.initrd.clone(),
            };
        }
        match purpose {
            BootPurpose::Rescue => self.rescue_initrd.clone(),
            BootPurpose::Inspect | BootPurpose::Clean | BootPurpose::Deploy => {
                let parts = self.parts.as_ref().and_then(|parts| parts.ramdisk(nic));
                parts.map_or_else(|| self.initrd.clone(), Content::made)
            }
        }
    }

    /// The same for GRUB, which does not say by which NIC it boots.
    pub(crate) fn ramdisk_by_tftp(&self, signed: &SignedLoaders, purpose: BootPurpose) -> Bytes {
        match purpose {
            BootPurpose::Rescue => signed.rescue_initrd.clone(),
            BootPurpose::Inspect | BootPurpose::Clean | BootPurpose::Deploy => {
                let parts = self.parts.as_ref().and_then(|parts| parts.ramdisk(""));
                parts.unwrap_or_else(|| signed.initrd.clone())
            }
        }
    }

    /// Reads all files.
    pub fn read(paths: &BootFilePaths) -> Result<Self, ReadFilesError> {
        let manifest = paths.manifest.as_ref().map(Manifest::read).transpose()?.map(Arc::new);
        let manifest = Reader { manifest };
        let (read, loader) = (|path: &Path| manifest.read(path), |path: &Path| manifest.loader(path));
        let virtual_servers =
            paths.virtual_servers.as_ref().map(|paths| Ramdisk::read(paths, &manifest)).transpose()?;
        let (kernel, initrd) = (read(&paths.kernel)?, read(&paths.initrd)?);
        let (rescue_initrd, rescue_path) =
            manifest.rescue(&initrd, &paths.initrd, paths.rescue.as_deref())?;
        let parts = paths.parts.as_deref().map(|dir| Parts::read_by(dir, &manifest)).transpose()?;
        Ok(Self {
            parts: parts.map(Arc::new),
            virtual_servers,
            signed: match &paths.signed {
                Some((shim, grub)) => Some(SignedLoaders {
                    shim: loader(shim)?,
                    grub: loader(grub)?,
                    kernel: kernel.clone(),
                    initrd: initrd.clone(),
                    rescue_initrd: rescue_initrd.clone(),
                }),
                None => None,
            },
            kernel: held(&kernel, &paths.kernel),
            initrd: held(&initrd, &paths.initrd),
            rescue_initrd: held(&rescue_initrd, rescue_path),
            snponly: loader(&paths.snponly)?,
            undionly: loader(&paths.undionly)?,
        })
    }
}

impl Ramdisk {
    fn read(paths: &RamdiskPaths, reader: &Reader) -> Result<Self, ReadFilesError> {
        let (kernel, initrd) = (reader.read(&paths.kernel)?, reader.read(&paths.initrd)?);
        let (rescue, rescue_path) = reader.rescue(&initrd, &paths.initrd, paths.rescue.as_deref())?;
        Ok(Self {
            kernel: held(&kernel, &paths.kernel),
            initrd: held(&initrd, &paths.initrd),
            rescue_initrd: held(&rescue, rescue_path),
        })
    }
}

fn held(bytes: &[u8], path: &Path) -> Content {
    Content::held(bytes, std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

/// Reads files, and only as they were packed where that is known.
#[derive(Clone, Debug, Default)]
struct Reader {
    manifest: Option<Arc<Manifest>>,
}

impl Reader {
    fn read(&self, path: &Path) -> Result<Bytes, ReadFilesError> {
        let fault = |source| ReadFilesError::Read { path: path.to_owned(), source };
        let len = std::fs::metadata(path).map_err(fault)?.len();
        if len == 0 || len > MAX_FILE_LEN {
            return Err(ReadFilesError::Length { path: path.to_owned(), len });
        }
        let bytes = std::fs::read(path).map(Bytes::from).map_err(fault)?;
        let checked = self.manifest.as_ref().map_or(Ok(()), |manifest| manifest.check(path, &bytes));
        checked.map_err(|why| ReadFilesError::Mismatch { path: path.to_owned(), why })?;
        Ok(bytes)
    }

    /// The same for a loader, which may be a package's own instead of the pack's.
    fn loader(&self, path: &Path) -> Result<Bytes, ReadFilesError> {
        let is_packed = self.manifest.as_ref().is_none_or(|manifest| manifest.is_of(path));
        if is_packed { self.read(path) } else { Self::default().read(path) }
    }

    /// A ramdisk with what a rescue system has beyond it, and the file by whose time it is known.
    fn rescue<'a>(
        &self,
        initrd: &Bytes,
        path: &'a Path,
        rescue: Option<&'a Path>,
    ) -> Result<(Bytes, &'a Path), ReadFilesError> {
        match rescue {
            Some(rescue) => Ok((joined(initrd, &self.read(rescue)?), rescue)),
            None => Ok((initrd.clone(), path)),
        }
    }
}

/// Two archives as one initrd: the kernel unpacks them one after the other, each of which begins at a multiple of four bytes
/// (Linux `driver-api/early-userspace/buffer-format`).
fn joined(first: &[u8], second: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(first.len() + second.len() + 3);
    bytes.extend_from_slice(first);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(second);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_server_is_given_its_own_kernel_and_the_ramdisk_that_fits_it() {
        let made = |text: &'static str| Content::made(Bytes::from_static(text.as_bytes()));
        let of_any = BootFiles {
            kernel: made("kernel"),
            initrd: made("initrd"),
            rescue_initrd: made("rescue"),
            ..BootFiles::default()
        };
        let own = Ramdisk { kernel: made("Kernel"), initrd: made("Initrd"), rescue_initrd: made("Rescue") };
        let both = BootFiles { virtual_servers: Some(own), ..of_any.clone() };
        let check = |files: &BootFiles, nic: &str, expected: [&str; 3]| {
            let ramdisk = |purpose| files.ramdisk(purpose, nic);
            let given = [files.kernel(nic), ramdisk(BootPurpose::Clean), ramdisk(BootPurpose::Rescue)];
            let given = given.map(|content| content.to_bytes().unwrap());
            assert_eq!(given, expected, "{nic}");
        };
        for nic in ["011af41000", "01:1A:F4:10:41"] {
            check(&both, nic, ["Kernel", "Initrd", "Rescue"]);
            check(&of_any, nic, ["kernel", "initrd", "rescue"]);
        }
        // An 82574L, a virtual disk, another bus, nobody.
        for nic in ["01808610d3", "011af41001", "021af41000", ""] {
            check(&both, nic, ["kernel", "initrd", "rescue"]);
        }
    }

    #[test]
    fn a_missing_or_empty_file_is_named() {
        let dir = std::env::temp_dir().join(format!("pxe-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let good = dir.join("good");
        let empty = dir.join("empty");
        std::fs::write(&good, b"x").unwrap();
        std::fs::write(&empty, b"").unwrap();
        let check = |initrd: &Path, expected: &str| {
            let paths = BootFilePaths {
                kernel: good.clone(),
                initrd: initrd.to_owned(),
                rescue: Some(good.clone()),
                parts: None,
                virtual_servers: Some(RamdiskPaths {
                    kernel: good.clone(),
                    initrd: good.clone(),
                    rescue: Some(good.clone()),
                }),
                signed: Some((good.clone(), good.clone())),
                snponly: good.clone(),
                undionly: good.clone(),
                manifest: None,
            };
            let text = BootFiles::read(&paths).map(|_| ()).map_err(|error| error.to_string());
            assert!(format!("{text:?}").contains(expected), "{text:?} lacks {expected:?}");
        };
        check(&good, "Ok");
        check(&dir.join("absent"), "absent; install it");
        check(&empty, "has 0 bytes");
        assert_eq!(&joined(b"abcde", b"fg")[..], b"abcde\0\0\0fg");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
