//! Edges: the services' databases, made once per lock file and copied at every start.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow};
use protocol::hex;
use sha2::{Digest, Sha256};

use super::{
    Options,
    config::{self, PASSWORD, PROGRAMS},
    process::run,
    venv::REQUIREMENTS,
};

/// Puts finished databases into the options' directory and makes them speak of its ports and paths.
pub(super) fn provide(options: &Options) -> Result<()> {
    let template = ensure_template(options)?;
    let db = options.dir.join("db");
    for entry in fs::read_dir(&template)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "db") {
            let name = path.file_name().expect("a directory's entry has a name");
            fs::copy(&path, db.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    let mut relocate = Command::new(options.venv.join("bin/python"));
    relocate.arg(options.dir.join("bin/relocate.py")).arg(&db).arg(options.base_port.to_string());
    run("relocate the databases", &options.dir.join("log/relocate.out"), &mut relocate)
}

/// The directory with the finished databases of this lock file.
fn ensure_template(options: &Options) -> Result<PathBuf> {
    let cache = options.cache.join("openstack-db");
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let template = cache.join(key());
    // Two tests that start together must not both make them.
    let lock = File::create(cache.join("lock"))?;
    lock.lock().context("cannot lock the cache of databases")?;
    if !template.exists() {
        let building = cache.join("building");
        let _ = fs::remove_dir_all(&building);
        fs::create_dir_all(&building)?;
        build(options, &building)?;
        fs::rename(&building, &template)?;
    }
    Ok(template)
}

/// Changes whenever a package or a program that fills a database does.
fn key() -> String {
    let mut hash = Sha256::new_with_prefix(REQUIREMENTS);
    for (name, text) in PROGRAMS {
        if name.contains("schema") || name.contains("seed") || name.contains("settle") {
            hash.update(text);
        }
    }
    hex::encode(&hash.finalize()[..8])
}

fn build(options: &Options, dir: &Path) -> Result<()> {
    config::write_for_databases(options, dir)?;
    let bin = options.venv.join("bin");
    let (etc, programs) = (dir.join("etc"), dir.join("bin"));
    let command = |program: &str| Command::new(bin.join(program));
    let python = |program: &str| {
        let mut python = command("python");
        python.arg(programs.join(program));
        python
    };
    let with_config = |program: &str, config: &str, arguments: &[&str]| {
        let mut command = command(program);
        command.arg("--config-file").arg(etc.join(config)).args(arguments);
        command
    };
    let mut seed = python("keystone_seed.py");
    seed.arg(etc.join("keystone.conf")).arg(PASSWORD);
    let mut nova = python("nova_schema.py");
    nova.arg(etc.join("nova/nova.conf")).arg(dir);
    let jobs: Vec<(&str, Vec<Command>)> = vec![
        ("nova", vec![nova]),
        ("keystone", vec![with_config("keystone-manage", "keystone.conf", &["db_sync"]), seed]),
        ("glance", vec![with_config("glance-manage", "glance-api.conf", &["db_sync"])]),
        ("ironic", vec![with_config("ironic-dbsync", "ironic.conf", &["create_schema"])]),
        ("placement", vec![with_config("placement-manage", "placement.conf", &["db", "sync"])]),
    ];
    thread::scope(|scope| {
        let running: Vec<_> = jobs
            .into_iter()
            .map(|(name, commands)| {
                scope.spawn(move || {
                    for (step, mut command) in commands.into_iter().enumerate() {
                        let log = dir.join(format!("log/{name}-{step}.out"));
                        run(&format!("make the database of {name}"), &log, &mut command)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for job in running {
            job.join().map_err(|_| anyhow!("making a database panicked"))??;
        }
        anyhow::Ok(())
    })?;
    run("settle the databases", &dir.join("log/settle.out"), python("settle.py").arg(dir))
}
