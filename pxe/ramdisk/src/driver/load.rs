//! Edges: loading modules, each once, behind what it needs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::index::Index;
use crate::{say, system};

/// Where modules lie, and what is known of each.
const MODULES_DIR: &str = "/lib/modules";
/// Longest wait for a module that somebody else is loading: a controller with a shelf of disks takes its time.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(120);
/// By this name the kernel starts a program when it wants a module.
const HELPER: &str = "modprobe";

/// All modules of this ramdisk, and what became of those that were wished for.
#[derive(Debug)]
pub struct Loader {
    index: Index,
    dir: PathBuf,
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
        Self::of(Path::new(MODULES_DIR))
    }

    fn of(dir: &Path) -> Self {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let parts = entries.filter(|path| path.extension().is_some_and(|end| end == "index"));
        let text: String = parts.filter_map(|path| fs::read_to_string(path).ok()).collect();
        Self {
            index: Index::parse(&text),
            dir: dir.to_owned(),
            states: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// What may be loaded.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Loads what a device, or the kernel, wishes for. What fails is kept, said, and passed over.
    pub fn load(&self, wish: &str) {
        for module in self.index.meant(wish) {
            for name in self.index.order(module) {
                self.load_once(name);
            }
        }
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
        let state = match system::load_module(&self.dir.join(format!("{name}.ko"))) {
            Ok(()) => State::Loaded,
            Err(error) => {
                say!("{error}");
                State::Failed(error.reason())
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
        fs::write(dir.path().join("igb.index"), "module igb\nneeds dca\nalias pci:v00008086d000010C9*\n")
            .unwrap();
        fs::write(dir.path().join("dca.index"), "module dca\n").unwrap();
        let loader = Loader::of(dir.path());
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
