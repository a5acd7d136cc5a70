//! Edges: loading modules, each once, behind what it needs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use super::{fetch::Source, index::Index};
use crate::{say, system};

/// Where modules lie, and what is known of each; and firmware, where the kernel looks for it.
const MODULES_DIR: &str = "lib/modules";
const FIRMWARE_DIR: &str = "lib/firmware";
/// Longest wait for a module that somebody else is loading: a controller with a shelf of disks takes its time.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(120);
/// By this name the kernel starts a program when it wants a module.
const HELPER: &str = "modprobe";

/// All modules of this ramdisk, and what became of those that were wished for.
#[derive(Debug)]
pub struct Loader {
    index: Index,
    root: PathBuf,
    source: OnceLock<Source>,
    states: Mutex<BTreeMap<String, State>>,
    changed: Condvar,
}

#[derive(Clone, Debug)]
enum State {
    Loading,
    Loaded,
    Failed(String),
}

impl Loader {
    /// What the ramdisk has.
    pub fn open() -> Self {
        Self::of(Path::new("/"))
    }

    fn of(root: &Path) -> Self {
        let entries =
            fs::read_dir(root.join(MODULES_DIR)).into_iter().flatten().flatten().map(|entry| entry.path());
        let parts = entries.filter(|path| path.extension().is_some_and(|end| end == "index"));
        let text: String = parts.filter_map(|path| fs::read_to_string(path).ok()).collect();
        Self {
            index: Index::parse(&text),
            root: root.to_owned(),
            source: OnceLock::new(),
            states: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// What may be loaded.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// From now on what is not here is got from there.
    pub fn fetch_from(&self, source: Source) {
        let _ = self.source.set(source);
    }

    /// Whether what is not here can be got.
    pub fn has_source(&self) -> bool {
        self.source.get().is_some()
    }

    /// Whether all that this wish needs is here, or can be got.
    pub fn can_load(&self, wish: &str) -> bool {
        let order = self.index.meant(wish).into_iter().flat_map(|module| self.index.order(module));
        self.has_source()
            || order.into_iter().all(|name| self.files(name).all(|file| self.root.join(file).exists()))
    }

    /// Loads what a device, or the kernel, wishes for. What fails is kept, said, and passed over.
    pub fn load(&self, wish: &str) {
        for module in self.index.meant(wish) {
            for name in self.index.order(module) {
                self.load_once(name);
            }
        }
    }

    /// A module's file, and those that it loads, below the root.
    fn files(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let firmware = self.index.firmware(name).iter().map(|file| Path::new(FIRMWARE_DIR).join(file));
        firmware.chain([Path::new(MODULES_DIR).join(format!("{name}.ko"))])
    }

    fn load_now(&self, name: &str) -> Result<(), String> {
        for file in self.files(name).filter(|file| !self.root.join(file).exists()) {
            if let Some(source) = self.source.get() {
                source.get(&file, &self.root).map_err(|error| error.to_string())?;
            }
        }
        let path = self.root.join(MODULES_DIR).join(format!("{name}.ko"));
        system::load_module(&path).map_err(|error| error.reason())
    }

    /// What failed, with what the kernel said.
    pub fn failed(&self) -> BTreeMap<String, String> {
        let states = self.lock();
        let failed = states.iter().filter_map(|(name, state)| match state {
            State::Failed(said) => Some((name.clone(), said.clone())),
            State::Loading | State::Loaded => None,
        });
        failed.collect()
    }

    fn load_once(&self, name: &str) {
        let mut states = self.lock();
        match states.get(name) {
            None => drop(states.insert(name.to_owned(), State::Loading)),
            Some(State::Loading) => {
                let is_loading =
                    |states: &mut BTreeMap<_, _>| matches!(states.get(name), Some(State::Loading));
                let waited = self.changed.wait_timeout_while(states, LOAD_WAIT_MAX, is_loading);
                return drop(waited);
            }
            Some(State::Loaded | State::Failed(_)) => return,
        }
        drop(states);
        let state = match self.load_now(name) {
            Ok(()) => State::Loaded,
            Err(said) => {
                say!("load module {name}: {said}");
                State::Failed(said)
            }
        };
        self.lock().insert(name.to_owned(), state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the kernel has started this program to get a module; then it was loaded, as far as there is one.
pub fn was_asked_by_the_kernel() -> bool {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    if !Path::new(&name).ends_with(HELPER) {
        return false;
    }
    if let Some(wish) = arguments.next_back() {
        Loader::open().load(&wish);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_loaded_is_tried_once_and_kept_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let modules = dir.path().join(MODULES_DIR);
        fs::create_dir_all(&modules).unwrap();
        fs::write(modules.join("igb.index"), "module igb\nneeds dca\nalias pci:v00008086d000010C9*\n")
            .unwrap();
        fs::write(modules.join("dca.index"), "module dca\n").unwrap();
        let loader = Loader::of(dir.path());
        assert!(loader.can_load("nothing of ours") && !loader.can_load("igb"));
        for _ in 0..2 {
            loader.load("pci:v00008086d000010C9sv00000000sd00000000bc02sc00i00");
        }
        let failed = loader.failed();
        assert_eq!(failed.keys().collect::<Vec<_>>(), ["dca", "igb"]);
        assert!(failed["dca"].contains("No such file"), "{failed:?}");
        loader.load("nothing of ours");
        assert_eq!(loader.failed().len(), 2);
    }
}
