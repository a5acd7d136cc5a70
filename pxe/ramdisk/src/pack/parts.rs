//! Edges: the ramdisk in parts: `/init`, and an archive for each module with what is known of it and the firmware that it loads.
//!
//! An agent that knows the NIC by which a server boots gives it `lean`, which knows of all modules and holds none, with the parts of that
//! NIC (`nics.txt`) behind it. What else the server has, its ramdisk gets from the agent file by file (`files`).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Kernel, PackError, compress, compress_tightly,
    cpio::Archive,
    create_dir, file_error,
    firmware::{self, Firmware, Report},
    nics, read, write_if_changed,
};
use crate::driver::index::{Index, Module};

/// Where firmware lies in the ramdisk.
const FIRMWARE_DIR: &str = "lib/firmware";

/// A module to be packed.
pub(super) struct Part {
    name: String,
    file: PathBuf,
    about: Module,
}

/// Modules to be packed, and names that the kernel has none for.
pub(super) struct Parts {
    pub modules: Vec<Part>,
    pub absent: Vec<String>,
}

/// These modules and all that go with them, by name.
pub(super) fn modules(kernel: &Kernel, names: &[&str]) -> Result<Parts, PackError> {
    let (closure, dir) = (kernel.closure(names)?, kernel.modules());
    let modules = closure.modules.into_iter();
    let modules = modules.map(|(name, (file, about))| Part { name, file: dir.join(file), about }).collect();
    Ok(Parts { modules, absent: closure.absent })
}

/// The root of a ramdisk with this program.
pub(super) fn root(init: &[u8]) -> Archive {
    let mut archive = Archive::default();
    for dir in ["dev", "proc", "sys", "lib", "lib/modules", "mnt"] {
        archive.directory(dir);
    }
    archive.character_device("dev/console", 5, 1);
    archive.file("init", 0o755, init);
    archive
}

/// The same of our own program, which the kernel also starts when it wants a module.
pub(super) fn base(init: &[u8]) -> Archive {
    let mut archive = root(init);
    archive.directory(FIRMWARE_DIR);
    archive.directory("sbin");
    archive.link("sbin/modprobe", "/init");
    archive
}

/// Writes `base`, `lean`, `parts/*`, `files/*`, `nics.txt`, and base with all parts as `initrd`.
pub(super) fn write(
    init: &[u8],
    kernel: &Kernel,
    names: &[&str],
    firmware: &Firmware,
    dir: &Path,
) -> Result<(), PackError> {
    let parts_dir = dir.join("parts");
    create_dir(&parts_dir)?;
    let (base_path, mut report) = (dir.join("base"), Report::default());
    compress_tightly(&base(init).finish(), &base_path)?;
    let mut whole = read(&base_path)?;
    let Parts { mut modules, absent } = modules(kernel, names)?;
    let (mut written, mut about, files) = (BTreeSet::new(), String::new(), dir.join("files"));
    let _ = fs::remove_dir_all(&files);
    for part in &mut modules {
        let mut archive = Archive::default();
        part.add_firmware(firmware, &mut archive, &files, &mut report)?;
        part.add_to(&mut archive)?;
        about.push_str(&Index::render(&part.name, &part.about));
        write_file(&files.join(format!("lib/modules/{}.ko", part.name)), &plain(&part.file)?)?;
        let path = parts_dir.join(&part.name);
        compress(&archive.finish(), &path)?;
        append(&mut whole, &read(&path)?);
        written.insert(part.name.clone());
    }
    remove_others(&parts_dir, &written)?;
    let mut lean = base(init);
    lean.file("lib/modules/all.index", 0o644, about.as_bytes());
    compress_tightly(&lean.finish(), &dir.join("lean"))?;
    write_if_changed(nics::table(&Index::parse(&about)).as_bytes(), &dir.join("nics.txt"))?;
    firmware.write_report(&report, dir)?;
    write_if_changed(absent.join("\n").as_bytes(), &dir.join("absent.txt"))?;
    write_if_changed(&whole, &dir.join("initrd"))
}

/// Puts one archive behind another: each begins at a multiple of four (Linux `driver-api/early-userspace/buffer-format`).
fn append(whole: &mut Vec<u8>, part: &[u8]) {
    whole.resize(whole.len().next_multiple_of(4), 0);
    whole.extend_from_slice(part);
}

impl Part {
    /// Adds the module and what is known of it.
    pub(super) fn add_to(&self, archive: &mut Archive) -> Result<(), PackError> {
        archive.file(&format!("lib/modules/{}.ko", self.name), 0o644, &plain(&self.file)?);
        let about = Index::render(&self.name, &self.about);
        archive.file(&format!("lib/modules/{}.index", self.name), 0o644, about.as_bytes());
        Ok(())
    }

    fn add_firmware(
        &mut self,
        firmware: &Firmware,
        archive: &mut Archive,
        files: &Path,
        report: &mut Report,
    ) -> Result<(), PackError> {
        let mut made = BTreeSet::new();
        for file in firmware::named_by(&self.file)? {
            let Some(content) = firmware.find(&self.name, &file, report)? else { continue };
            let path = Path::new(FIRMWARE_DIR).join(&file);
            let mut above: Vec<_> =
                path.ancestors().skip(1).take_while(|dir| *dir != Path::new(FIRMWARE_DIR)).collect();
            above.reverse();
            for dir in above.into_iter().filter(|dir| made.insert(dir.to_path_buf())) {
                archive.directory(&dir.to_string_lossy());
            }
            archive.file(&path.to_string_lossy(), 0o644, &content);
            write_file(&files.join(&path), &content)?;
            self.about.firmware.push(file);
        }
        Ok(())
    }
}

/// Writes a file with the directories above it.
fn write_file(path: &Path, content: &[u8]) -> Result<(), PackError> {
    path.parent().map_or(Ok(()), create_dir)?;
    super::write(path, content)
}

/// A module's bytes as they were signed: newer Debians compress the files.
fn plain(path: &Path) -> Result<Vec<u8>, PackError> {
    if path.extension().is_some_and(|end| end == "xz") {
        return super::bytes(Command::new("xz").arg("-dc").arg(path));
    }
    read(path)
}

/// Removes what an earlier kernel had.
fn remove_others(dir: &Path, written: &BTreeSet<String>) -> Result<(), PackError> {
    let entries = fs::read_dir(dir).map_err(|source| file_error(dir, source))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !written.contains(&stem) {
            fs::remove_file(&path).map_err(|source| file_error(&path, source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pack::{self, Flavour};

    /// Packs two drivers into a new directory; gives each file that was made.
    fn made(kernel: &Kernel, names: &[&str], firmware: &Firmware) -> BTreeMap<String, Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        write(b"program", kernel, names, firmware, dir.path()).unwrap();
        let files =
            |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        let all = files(dir.path()).into_iter().chain(files(&dir.path().join("parts")));
        let all = all.filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "stamp"));
        all.map(|path| {
            (path.strip_prefix(dir.path()).unwrap().display().to_string(), fs::read(path).unwrap())
        })
        .collect()
    }

    #[test]
    fn the_same_input_makes_the_same_bytes_with_the_firmware_that_the_site_has_chosen() {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.lab/cache");
        let _alone = pack::lock(&cache).unwrap();
        let kernel = Kernel::get(&cache, Flavour::Generic).unwrap();
        let site = tempfile::tempdir().unwrap();
        let blob = site.path().join("lib/firmware/tigon/tg3.bin");
        fs::create_dir_all(blob.parent().unwrap()).unwrap();
        fs::write(&blob, "a blob").unwrap();
        let licence = site.path().join("usr/share/doc/firmware-made-up/copyright");
        fs::create_dir_all(licence.parent().unwrap()).unwrap();
        fs::write(&licence, "You may.").unwrap();
        let firmware = Firmware::open(&cache, &[site.path().to_owned()]).unwrap();

        let one = made(&kernel, &["tg3", "sd_mod", "gone"], &firmware);
        assert_eq!(made(&kernel, &["gone", "sd_mod", "tg3"], &firmware), one);
        let parts: Vec<_> = one.keys().filter_map(|name| name.strip_prefix("parts/")).collect();
        for part in ["tg3", "libphy", "sd_mod", "scsi_mod", "crc_t10dif", "crct10dif_generic"] {
            assert!(parts.contains(&part), "{part} is not in {parts:?}");
        }
        assert_eq!(one["absent.txt"], b"gone");
        let told = String::from_utf8(one["firmware.txt"].clone()).unwrap();
        let name = site.path().file_name().unwrap().to_string_lossy();
        assert!(told.contains(&format!("licence {name}: licences/firmware-made-up\n")), "{told}");
        assert!(told.contains(&format!("packed tigon/tg3.bin: {name}\n")), "{told}");
        assert!(told.contains("missing tigon/tg3_tso.bin: tg3\n"), "{told}");
        let archive = pack::bytes(Command::new("zstd").arg("-dc").arg({
            let part = site.path().join("part");
            fs::write(&part, &one["parts/tg3"]).unwrap();
            part
        }));
        let archive = String::from_utf8_lossy(&archive.unwrap()).into_owned();
        for text in [
            "lib/modules/tg3.ko",
            "lib/firmware/tigon/tg3.bin",
            "a blob",
            "needs libphy",
            "alias pci:v000014E4d",
        ] {
            assert!(archive.contains(text), "{text:?} is not in the part");
        }
    }
}
