//! Edges: firmware that drivers load, from packages or directories that the site has chosen: Debian keeps it apart for its licences.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{PackError, create_dir, debian, file_error, read, write};

/// Where firmware lies in a package or directory, old and new ways, and the directory itself.
const PLACES: [&str; 3] = ["lib/firmware", "usr/lib/firmware", ""];
const DOCUMENTS: &str = "usr/share/doc";

/// The site's firmware.
#[derive(Debug, Default)]
pub(super) struct Firmware {
    /// Unpacked, each with the name by which it is told.
    sources: Vec<(PathBuf, String)>,
}

/// What became of the firmware that packed modules may load: by file, what is told of it.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// File to source.
    packed: BTreeMap<String, String>,
    /// File to module.
    missing: BTreeMap<String, String>,
}

impl Firmware {
    /// Unpacks the packages into the cache; directories are taken as they are.
    pub(super) fn open(cache: &Path, paths: &[PathBuf]) -> Result<Self, PackError> {
        let mut sources = Vec::new();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                sources.push((path.clone(), name));
                continue;
            }
            let root = cache.join("firmware").join(&name);
            let _ = fs::remove_dir_all(&root);
            create_dir(&root)?;
            debian::unpack(path, &root)?;
            sources.push((root, name));
        }
        Ok(Self { sources })
    }

    /// The content of a file that a module names; none: the site has not chosen it.
    pub(super) fn find(
        &self,
        module: &str,
        file: &str,
        report: &mut Report,
    ) -> Result<Option<Vec<u8>>, PackError> {
        for (root, name) in &self.sources {
            let places = PLACES.iter().map(|place| root.join(place).join(file));
            if let Some(path) = places.into_iter().find(|path| path.is_file()) {
                report.packed.insert(file.to_owned(), name.clone());
                return read(&path).map(Some);
            }
        }
        report.missing.insert(file.to_owned(), module.to_owned());
        Ok(None)
    }

    /// Copies each package's licence beside the archive, and writes what was packed under which, and what is missing.
    pub(super) fn write_report(&self, report: &Report, dir: &Path) -> Result<(), PackError> {
        let licences = dir.join("licences");
        let _ = fs::remove_dir_all(&licences);
        let mut text = String::new();
        for (root, source) in &self.sources {
            for (package, licence) in copyrights(&root.join(DOCUMENTS)) {
                create_dir(&licences)?;
                write(&licences.join(&package), &read(&licence)?)?;
                text.push_str(&format!("licence {source}: licences/{package}\n"));
            }
        }
        text.extend(report.packed.iter().map(|(file, source)| format!("packed {file}: {source}\n")));
        text.extend(report.missing.iter().map(|(file, module)| format!("missing {file}: {module}\n")));
        write(&dir.join("firmware.txt"), text.as_bytes())
    }
}

/// The licence of each package, sorted.
fn copyrights(documents: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(documents).into_iter().flatten().flatten();
    let licence = |entry: fs::DirEntry| {
        let path = entry.path().join("copyright");
        path.is_file().then(|| (entry.file_name().to_string_lossy().into_owned(), path))
    };
    entries.filter_map(licence).collect()
}

/// The files that a module may load, as it says itself.
pub(super) fn named_by(module: &Path) -> Result<Vec<String>, PackError> {
    let mut modinfo = std::process::Command::new("modinfo");
    let said = super::output(modinfo.args(["-F", "firmware"]).arg(module))?;
    let mut files: Vec<_> =
        said.lines().map(str::trim).filter(|line| is_inside(line)).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether a name leads to a place below the firmware's directory.
fn is_inside(name: &str) -> bool {
    let parts = Path::new(name).components();
    !name.is_empty() && parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// A package or directory that is not there is told before anything is made.
pub(super) fn check(paths: &[PathBuf]) -> Result<(), PackError> {
    let missing = paths.iter().find(|path| !path.exists());
    missing.map_or(Ok(()), |path| Err(file_error(path, std::io::ErrorKind::NotFound.into())))
}
