//! Edges: the virtual environment with OpenStack's packages, exactly those of the lock file.

use std::{fs, fs::File, path::Path, process::Command};

use anyhow::{Context, Result};

use super::process::run;

/// The lock file.
pub(super) const REQUIREMENTS: &str = include_str!("../../openstack/requirements.txt");

/// Makes the virtual environment, or returns at once when it holds the lock file's packages already. Several callers
/// may come at the same time: one works, the others wait.
pub fn ensure_venv(venv: &Path) -> Result<()> {
    let parent = venv.parent().context("the virtual environment needs a parent directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    // Callers name the same place in different ways; its programs get one name of their interpreter.
    let place =
        fs::canonicalize(parent)?.join(venv.file_name().context("the virtual environment needs a name")?);
    let venv = place.as_path();
    let lock = File::create(venv.with_extension("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}", venv.with_extension("lock").display()))?;
    let installed = venv.join("installed-requirements.txt");
    // A virtual environment does not survive a change of its place: its programs name their interpreter by path.
    let stamp = format!("# {}\n{REQUIREMENTS}", venv.display());
    if fs::read_to_string(&installed).is_ok_and(|text| text == stamp) {
        return Ok(());
    }
    let log = venv.with_extension("log");
    run(
        "make a virtual environment",
        &log,
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv),
    )?;
    let uv = REQUIREMENTS.lines().find(|line| line.starts_with("uv==")).context("the lock file has no uv")?;
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
    run("install OpenStack", &log, &mut install)?;
    fs::rename(&wanted, &installed)?;
    Ok(())
}
