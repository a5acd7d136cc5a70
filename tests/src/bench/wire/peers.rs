//! Edges: who serves beside us. Programs whose packages would start a service of their own are unpacked, not installed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::{SERVER, World, dhcp, served::Served};

/// The peer of this bench; none: nobody was asked.
pub(super) fn beside(world: &World, bench: &str) -> Option<anyhow::Result<Served>> {
    match bench {
        "tftp-lock-step" | "tftp-lossy" => Some(dnsmasq(world)),
        "http-file" => Some(nginx(world)),
        "dhcp-exchange" | "dhcp-p99" => Some(kea(world)),
        _ => None,
    }
}

fn dnsmasq(world: &World) -> anyhow::Result<Served> {
    let root = format!("--tftp-root={}", world.files().display());
    let args = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--enable-tftp",
        "--user=root",
        "--tftp-max=100",
        &root,
    ];
    Served::start(world, Path::new("dnsmasq"), &args, &[])
}

/// One process that sends by sendfile, and writes no log.
fn nginx(world: &World) -> anyhow::Result<Served> {
    let program = unpacked(world, "nginx", "usr/sbin/nginx")?;
    let dir = world.aside("nginx.d")?;
    let own = |name: &str| dir.join(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {};\n", own(name)))
        .concat();
    let config = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {};\nevents {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n\
         sendfile on;\ntcp_nopush on;\n{temporary}server {{ listen {SERVER}:80; root {}; }}\n}}\n",
        own("pid"),
        world.files().display()
    );
    std::fs::write(dir.join("nginx.conf"), config)?;
    Served::start(world, &program, &["-e", "stderr", "-c", &own("nginx.conf")], &[])
}

/// It appends leases to a file as ours does, but answers without waiting until they are on the disk.
fn kea(world: &World) -> anyhow::Result<Served> {
    let program = unpacked(world, "kea-dhcp4-server", "usr/sbin/kea-dhcp4")?;
    let dir = world.aside("kea.d")?;
    let leases = dir.join("leases.csv");
    let _ = std::fs::remove_file(&leases);
    let (first, last) = dhcp::RANGE;
    let config = serde_json::json!({ "Dhcp4": {
        "interfaces-config": { "interfaces": ["eth0"], "dhcp-socket-type": "udp" },
        "lease-database": { "type": "memfile", "persist": true, "name": leases, "lfc-interval": 0 },
        "valid-lifetime": 600,
        "subnet4": [{ "id": 1, "subnet": "198.18.0.0/16", "pools": [{ "pool": format!("{first} - {last}") }] }],
        "loggers": [{ "name": "kea-dhcp4", "severity": "ERROR", "output_options": [{ "output": "stderr" }] }],
    } });
    let file = dir.join("kea.json");
    std::fs::write(&file, config.to_string())?;
    let env = [("KEA_PIDFILE_DIR", dir.as_path()), ("KEA_LOCKFILE_DIR", dir.as_path())];
    Served::start(world, &program, &["-c", &file.display().to_string()], &env)
}

/// A program out of a Debian package, with the libraries that are installed here.
fn unpacked(world: &World, package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let dir = world.aside(package)?;
    let found = dir.join(program);
    if !found.exists() {
        run(&dir, "apt-get", &["download", "-qq", package])?;
        let downloaded = std::fs::read_dir(&dir)?.filter_map(Result::ok).map(|entry| entry.path());
        let file = downloaded
            .filter(|path| path.extension().is_some_and(|ending| ending == "deb"))
            .last()
            .with_context(|| format!("apt-get brought nothing of {package}"))?;
        run(&dir, "dpkg-deb", &["-x", &file.display().to_string(), "."])?;
    }
    ensure!(found.exists(), "{package} has no {program}");
    Ok(found)
}

fn run(dir: &Path, program: &str, args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(args).current_dir(dir).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", args.join(" "), said.trim());
    Ok(())
}
