//! Edges: judges of our virtual BMCs that nobody here wrote, as far as they come from Python's registry: one virtual environment for
//! all of them, made once on a machine.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::openstack::ensure_packages;

/// The lock file.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The directory of the judges' programs and of their interpreter; the first caller on a machine installs them.
pub async fn programs() -> Result<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.lab/judges");
    let place = venv.clone();
    tokio::task::spawn_blocking(move || ensure_packages(&place, "the BMCs' judges", REQUIREMENTS)).await??;
    Ok(venv.join("bin"))
}
