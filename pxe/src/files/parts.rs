//! Edges: a ramdisk that is put together for the server that fetches it: what every server needs, the drivers of the NIC by which this one
//! boots, and further files one by one, as its ramdisk asks for them.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{Content, ReadFilesError, Reader, bus_id::BusId, joined};

/// Most files of a ramdisk; a kernel has some thousands of modules.
const FILES_MAX: usize = 16 << 10;
/// How deep they lie.
const DEPTH_MAX: usize = 8;

/// What `ramdisk-pack` has made for putting together.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// What every server needs.
    lean: Bytes,
    /// By `vendor:device`: the drivers of a NIC, each behind what it needs.
    nics: HashMap<String, Vec<Bytes>>,
    /// Files that are given one by one, by their names; they lie on the disk.
    names: HashSet<String>,
    dir: PathBuf,
    reader: Reader,
}

impl Parts {
    /// Reads the directory.
    pub fn read(dir: &Path) -> Result<Self, ReadFilesError> {
        Self::read_by(dir, &Reader::default())
    }

    pub(super) fn read_by(dir: &Path, reader: &Reader) -> Result<Self, ReadFilesError> {
        let read = |path: &Path| reader.read(path);
        let mut parts: HashMap<String, Bytes> = HashMap::new();
        let mut nics = HashMap::new();
        for line in String::from_utf8_lossy(&read(&dir.join("nics.txt"))?).lines() {
            let mut words = line.split(' ');
            let Some(numbers) = words.next() else { continue };
            let mut drivers = Vec::new();
            for name in words {
                let part = match parts.get(name) {
                    Some(part) => part.clone(),
                    None => read(&dir.join("parts").join(name))?,
                };
                parts.insert(name.to_owned(), part.clone());
                drivers.push(part);
            }
            nics.insert(numbers.to_owned(), drivers);
        }
        let (files, mut names) = (dir.join("files"), HashSet::new());
        list(&files, &files, DEPTH_MAX, &mut names);
        Ok(Self { lean: read(&dir.join("lean"))?, nics, names, dir: files, reader: reader.clone() })
    }

    /// The ramdisk for a server that boots by this NIC, told as iPXE writes `busid`: bus, vendor and device as hexadecimal digits. None: no
    /// driver is known for it.
    pub fn ramdisk(&self, bus_id: &str) -> Option<Bytes> {
        let drivers = self.nics.get(BusId::read(bus_id)?.numbers())?;
        Some(drivers.iter().fold(self.lean.clone(), |whole, part| joined(&whole, part)))
    }

    /// Where a file lies that is given by itself; none: there is none by this name.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.names.contains(name).then(|| self.dir.join(name))
    }

    /// Such a file, to be sent: as it was packed where that is known, and else as it is.
    pub fn content(&self, path: &Path) -> Result<Content, ReadFilesError> {
        match &self.reader.manifest {
            // What is sent is what was looked at, whatever becomes of the file meanwhile.
            Some(_) => self.reader.read(path).map(Content::from),
            None => Content::on_disk(path)
                .map_err(|source| ReadFilesError::Read { path: path.to_owned(), source }),
        }
    }
}

/// The names of all files below a directory.
fn list(top: &Path, dir: &Path, depth: usize, names: &mut HashSet<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                list(top, &path, depth - 1, names);
            }
        } else if names.len() < FILES_MAX
            && let Ok(name) = path.strip_prefix(top)
        {
            names.insert(name.display().to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_given_the_drivers_of_its_nic_and_any_packed_file_by_name() {
        let dir = std::env::temp_dir().join(format!("pxe-parts-{}", std::process::id()));
        let write = |name: &str, content: &str| {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write("lean", "lean");
        write("parts/ptp", "ptp!");
        write("parts/e1000e", "e1000e");
        write("nics.txt", "8086:10d3 ptp e1000e\n");
        write("files/lib/modules/ahci.ko", "ahci");
        let parts = Parts::read(&dir).unwrap();
        let check = |bus_id: &str, expected: Option<&str>| {
            let ramdisk = parts.ramdisk(bus_id);
            assert_eq!(ramdisk.as_deref(), expected.map(str::as_bytes), "{bus_id}");
        };
        check("01-80-86-10-d3", Some("leanptp!e1000e"));
        check("01:80:86:10:D3", Some("leanptp!e1000e"));
        check("01808610d4", None);
        check("02808610d3", None);
        check("", None);
        assert_eq!(parts.file("lib/modules/ahci.ko"), Some(dir.join("files/lib/modules/ahci.ko")));
        for name in ["lib/modules/nvme.ko", "../nics.txt", "/lib/modules/ahci.ko", "lib/modules", ""] {
            assert_eq!(parts.file(name), None, "{name}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
