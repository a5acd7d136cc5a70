//! Edges: the services' configuration files and command lines, from the templates in `tests/openstack`.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE};

use super::{Endpoints, Options};

/// Password of everybody in the lab, which is on loopback only.
pub const PASSWORD: &str = "lab-secret";

/// Templates of configuration files.
const TEMPLATES: [(&str, &str); 5] = [
    ("etc/keystone.conf", include_str!("../../openstack/keystone.conf")),
    ("etc/placement.conf", include_str!("../../openstack/placement.conf")),
    ("etc/glance-api.conf", include_str!("../../openstack/glance-api.conf")),
    ("etc/ironic.conf", include_str!("../../openstack/ironic.conf")),
    ("etc/nova/nova.conf", include_str!("../../openstack/nova.conf")),
];

/// Small programs that run in the virtual environment.
pub(super) const PROGRAMS: [(&str, &str); 9] = [
    ("bin/wsgi.py", include_str!("../../openstack/wsgi.py")),
    ("bin/sqlite_writers.py", include_str!("../../openstack/sqlite_writers.py")),
    ("bin/ironic_one.py", include_str!("../../openstack/ironic_one.py")),
    ("bin/nova_one.py", include_str!("../../openstack/nova_one.py")),
    ("bin/nova_schema.py", include_str!("../../openstack/nova_schema.py")),
    ("bin/keystone_seed.py", include_str!("../../openstack/keystone_seed.py")),
    ("bin/relocate.py", include_str!("../../openstack/relocate.py")),
    ("bin/settle.py", include_str!("../../openstack/settle.py")),
    ("bin/neutron_stand_in.py", include_str!("../../openstack/neutron_stand_in.py")),
];

/// Directories that the services expect.
const DIRECTORIES: [&str; 10] = [
    "db",
    "glance/images",
    "glance/staging",
    "glance/tasks",
    "ironic/http",
    "ironic/tftp/master",
    "ironic/images/master",
    "ironic/certificates",
    "ironic/boot",
    "state/lock",
];

/// Writes everything that the services read, after removing what an earlier start left.
pub(super) fn write(options: &Options) -> Result<()> {
    let dir = &options.dir;
    for old in ["db", "etc", "bin", "glance", "ironic", "state", "keys", "log"] {
        match fs::remove_dir_all(dir.join(old)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot remove {}", dir.join(old).display()));
            }
        }
    }
    for name in DIRECTORIES.into_iter().chain(["log", "run"]) {
        let path = dir.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let kernel = existing_or_empty(options.deploy_kernel.as_deref(), &dir.join("ironic/boot/kernel"))?;
    let ramdisk = existing_or_empty(options.deploy_ramdisk.as_deref(), &dir.join("ironic/boot/ramdisk"))?;
    write_rendered(options, dir, &dir.join("db"), &kernel, &ramdisk)?;
    let paste = options.venv.join("etc/nova/api-paste.ini");
    fs::copy(&paste, dir.join("etc/nova/api-paste.ini"))
        .with_context(|| format!("cannot copy {}", paste.display()))?;
    write_all_keys(dir)?;
    fs::write(dir.join("clouds.yaml"), clouds(options))?;
    Ok(())
}

/// Writes configurations that place databases elsewhere, for making the first ones.
pub(super) fn write_for_databases(options: &Options, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir.join("log"))?;
    fs::create_dir_all(dir.join("state/lock"))?;
    write_all_keys(dir)?;
    let nowhere = Path::new("/nonexistent");
    write_rendered(options, dir, dir, nowhere, nowhere)
}

fn write_rendered(options: &Options, dir: &Path, db: &Path, kernel: &Path, ramdisk: &Path) -> Result<()> {
    let port = options.base_port;
    let parent = |path: &Path| path.parent().unwrap_or(path).display().to_string();
    let ca_file = options.ca_file.as_ref().map_or("True".to_owned(), |path| path.display().to_string());
    // The two fragments come first, because they hold marks themselves.
    let values = [
        ("@TOKEN@", include_str!("../../openstack/token.conf").to_owned()),
        ("@AUTH@", include_str!("../../openstack/auth.conf").to_owned()),
        ("@DIR@", dir.display().to_string()),
        ("@DB@", db.display().to_string()),
        ("@VENV@", options.venv.display().to_string()),
        ("@PASSWORD@", PASSWORD.to_owned()),
        ("@KEYSTONE_PORT@", port.to_string()),
        ("@GLANCE_PORT@", (port + 2).to_string()),
        ("@IRONIC_PORT@", (port + 3).to_string()),
        ("@DEPLOY_KERNEL@", format!("file://{}", kernel.display())),
        ("@DEPLOY_RAMDISK@", format!("file://{}", ramdisk.display())),
        ("@FILES_ALLOWED@", format!("{},{}", parent(kernel), parent(ramdisk))),
        ("@CA_FILE@", ca_file),
        ("@NOVA_TOLD@", options.nova.to_string()),
    ];
    for (name, template) in TEMPLATES {
        let text = values.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value));
        write_file(&dir.join(name), &text)?;
    }
    for (name, text) in PROGRAMS {
        write_file(&dir.join(name), text)?;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().expect("every file of ours is in a directory of ours");
    fs::create_dir_all(parent)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn existing_or_empty(given: Option<&Path>, empty: &Path) -> Result<PathBuf> {
    match given {
        Some(path) => fs::canonicalize(path).with_context(|| format!("there is no {}", path.display())),
        None => {
            // Ironic refuses a file without bytes.
            fs::write(empty, [0; 4096])?;
            Ok(empty.to_owned())
        }
    }
}

fn write_all_keys(dir: &Path) -> Result<()> {
    write_keys(&dir.join("keys/fernet"))?;
    write_keys(&dir.join("keys/credential"))
}

/// Two keys as `keystone-manage fernet_setup` makes them: 0 is the next one, 1 the current one.
fn write_keys(dir: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for name in ["0", "1"] {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name))?;
        file.write_all(URL_SAFE.encode(rand::random::<[u8; 32]>()).as_bytes())?;
    }
    Ok(())
}

/// `clouds.yaml` for people with the `openstack` command.
fn clouds(options: &Options) -> String {
    let url = Endpoints::new(options.base_port).keystone;
    let mut text = String::from("clouds:\n");
    for (cloud, user, scope) in [
        ("system", "admin", "system_scope: all"),
        ("admin", "admin", "project_name: admin, project_domain_name: Default"),
        ("demo", "demo", "project_name: demo, project_domain_name: Default"),
        ("other", "other", "project_name: other, project_domain_name: Default"),
    ] {
        text.push_str(&format!(
            "  {cloud}:\n    region_name: RegionOne\n    auth: {{auth_url: \"{url}\", username: {user}, \
             password: {PASSWORD}, user_domain_name: Default, {scope}}}\n"
        ));
    }
    text
}

/// Name and command line of each service. The names are those of the logs.
pub(super) fn commands(options: &Options) -> Vec<(&'static str, Command)> {
    let (dir, port) = (&options.dir, options.base_port);
    let python = |program: &str| {
        let mut command = Command::new(options.venv.join("bin/python"));
        command.arg(dir.join("bin").join(program)).current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let wsgi = |application: &str, port: u16, variable: &str, value: PathBuf| {
        let mut command = python("wsgi.py");
        command.args([application, &port.to_string(), "8"]).env(variable, value);
        command
    };
    let mut ironic = python("ironic_one.py");
    ironic.arg("--config-file").arg(dir.join("etc/ironic.conf"));
    let endpoints = Endpoints::new(port);
    let etc = dir.join("etc");
    let mut commands = vec![
        (
            "keystone",
            wsgi(
                "keystone.wsgi.api:application",
                port,
                "OS_KEYSTONE_CONFIG_FILES",
                etc.join("keystone.conf"),
            ),
        ),
        ("ironic", ironic),
        ("glance", wsgi("glance.wsgi.api:application", port + 2, "OS_GLANCE_CONFIG_DIR", etc.clone())),
    ];
    if options.nova {
        let mut nova = python("nova_one.py");
        nova.arg((port + 4).to_string()).arg(etc.join("nova"));
        nova.args([&endpoints.keystone, &endpoints.placement, &endpoints.ironic, &endpoints.neutron]);
        let mut neutron = python("neutron_stand_in.py");
        neutron.arg((port + 12).to_string());
        commands.push(("nova", nova));
        commands.push((
            "placement",
            wsgi("placement.wsgi.api:application", port + 1, "OS_PLACEMENT_CONFIG_DIR", etc),
        ));
        commands.push(("neutron-stand-in", neutron));
    }
    commands
}
