//! Edges: the stock stack's ramdisk, built once for each set of inputs.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, ensure};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// What decides how it turns out, in `tests/openstack/stock`; what Debian changes meanwhile does not count.
const INPUTS: [&str; 6] =
    ["build-ramdisk.sh", "init", "packages.txt", "poweroff", "requirements.txt", "udhcpc.script"];
/// Between two looks at the build.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the built files are.
#[derive(Clone, Debug)]
pub(super) struct Ramdisk {
    /// Directory of its own with `kernel` and `ramdisk`.
    pub dir: PathBuf,
}

impl Ramdisk {
    /// Its place for the checkout's inputs, built or not.
    pub fn of(root: &Path) -> anyhow::Result<Self> {
        let mut hasher = DefaultHasher::new();
        for name in INPUTS {
            let path = recipe(root).join(name);
            fs::read(&path).with_context(|| format!("reading {}", path.display()))?.hash(&mut hasher);
        }
        let name = format!("stock-ipa-{:016x}", hasher.finish());
        Ok(Self { dir: root.join(".lab").join("cache").join(name) })
    }

    /// Whether nothing has to be built.
    pub fn is_built(&self) -> bool {
        self.dir.exists()
    }

    /// Bytes that a server fetches at every boot, beside the kernel.
    pub fn bytes(&self) -> anyhow::Result<u64> {
        let path = self.dir.join("ramdisk");
        Ok(fs::metadata(&path).with_context(|| format!("looking at {}", path.display()))?.len())
    }

    /// Builds it, some two minutes on a machine that does nothing else. Gives up as soon as `stop` is set.
    pub fn build(&self, root: &Path, stop: &AtomicBool) -> anyhow::Result<()> {
        let cache = self.dir.parent().context("the cache has no directory")?;
        fs::create_dir_all(cache)?;
        let lock = fs::File::create(cache.join("stock-ipa.lock"))?;
        lock.lock().context("locking the cache of ramdisks")?;
        if self.is_built() {
            return Ok(());
        }
        let part = self.dir.with_extension("part");
        match fs::remove_dir_all(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log = self.dir.with_extension("log");
        let output = fs::File::create(&log)?;
        let mut child = Command::new(recipe(root).join("build-ramdisk.sh"))
            .arg(root.join(".lab/venv/bin/uv"))
            .arg(&part)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("starting build-ramdisk.sh")?;
        let group = Pid::from_raw(i32::try_from(child.id())?);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if stop.load(Ordering::Relaxed) {
                let _ = killpg(group, Signal::SIGTERM);
                child.wait()?;
                anyhow::bail!("the build of the stock ramdisk was called off");
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let said = fs::read_to_string(&log).unwrap_or_default();
        let end: Vec<&str> = said.lines().rev().take(5).collect();
        ensure!(status.success(), "build-ramdisk.sh ended with {status}; {}: {end:?}", log.display());
        fs::rename(&part, &self.dir).context("keeping the stock ramdisk")
    }
}

fn recipe(root: &Path) -> PathBuf {
    root.join("tests").join("openstack").join("stock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_counts() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(recipe(dir.path())).unwrap();
        for name in INPUTS {
            fs::write(recipe(dir.path()).join(name), name).unwrap();
        }
        let mut seen = vec![Ramdisk::of(dir.path()).unwrap().dir];
        for name in INPUTS {
            fs::write(recipe(dir.path()).join(name), "changed").unwrap();
            seen.push(Ramdisk::of(dir.path()).unwrap().dir);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), INPUTS.len() + 1, "an input does not count");
        fs::remove_file(recipe(dir.path()).join("init")).unwrap();
        assert!(Ramdisk::of(dir.path()).is_err());
    }

    #[test]
    fn a_build_that_fails_leaves_nothing_to_be_taken_for_a_ramdisk() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(recipe(dir.path())).unwrap();
        for name in INPUTS {
            fs::write(recipe(dir.path()).join(name), name).unwrap();
        }
        let script = recipe(dir.path()).join("build-ramdisk.sh");
        let check = |text: &str, stop: bool, words: &str| {
            fs::write(&script, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&script, mode).unwrap();
            let ramdisk = Ramdisk::of(dir.path()).unwrap();
            let error = ramdisk.build(dir.path(), &AtomicBool::new(stop)).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{error:#}");
            assert!(!ramdisk.is_built());
        };
        check("#!/bin/sh\nmkdir -p \"$2\"\necho no archive answers\nexit 3\n", false, "no archive answers");
        check("#!/bin/sh\nmkdir -p \"$2\"\nsleep 1000\n", true, "called off");
    }
}
