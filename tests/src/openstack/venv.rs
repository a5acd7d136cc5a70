//! Edges: virtual environments for Python programs that tests run, with exactly the packages of a lock file.

use std::{fs, fs::File, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::process::run;

/// The lock file.
pub(super) const REQUIREMENTS: &str = include_str!("../../openstack/requirements.txt");

/// Makes OpenStack's virtual environment, as [`ensure_packages`] does.
pub fn ensure_venv(venv: &Path) -> Result<()> {
    ensure_packages(venv, "OpenStack", REQUIREMENTS)
}

/// Makes a virtual environment, or returns at once when it holds the packages of this lock file already. Several callers
/// may come at the same time: one works, the others wait. `what` is what an error calls the packages; the lock file names
/// `uv` too, which installs the others.
pub fn ensure_packages(venv: &Path, what: &str, requirements: &str) -> Result<()> {
    let parent = venv.parent().context("the virtual environment needs a parent directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    // Callers name the same place in different ways; its programs get one name of their interpreter.
    let place =
        fs::canonicalize(parent)?.join(venv.file_name().context("the virtual environment needs a name")?);
    let venv = place.as_path();
    // Whoever makes it anew empties what the link leads to, which is somebody else's.
    ensure!(!venv.is_symlink(), "{} is a link; remove it, and the environment is made here", venv.display());
    let lock = File::create(venv.with_extension("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}", venv.with_extension("lock").display()))?;
    let installed = venv.join("installed-requirements.txt");
    // A virtual environment does not survive a change of its place: its programs name their interpreter by path.
    let stamp = format!("# {}\n{requirements}", venv.display());
    if fs::read_to_string(&installed).is_ok_and(|text| text == stamp) {
        return Ok(());
    }
    let log = venv.with_extension("log");
    run(
        "make a virtual environment",
        &log,
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv),
    )?;
    let uv = requirements.lines().find(|line| line.starts_with("uv==")).context("the lock file has no uv")?;
    run("install uv", &log, Command::new(venv.join("bin/pip")).args(["install", "-q", uv]))?;
    let wanted = venv.join("wanted-requirements.txt");
    fs::write(&wanted, &stamp)?;
    // Bytecode is compiled now, on all cores, rather than by the first start of each service.
    let mut install = Command::new(venv.join("bin/uv"));
    install
        .args(["pip", "install", "--no-deps", "--compile-bytecode", "--python"])
        .arg(venv.join("bin/python"))
        .arg("-r")
        .arg(&wanted);
    run(&format!("install {what}"), &log, &mut install)?;
    fs::rename(&wanted, &installed)?;
    Ok(())
}
