//! Edges: `bms-agent boot --static`, a program by itself: judged by DHCP, TFTP and HTTP clients that nobody here wrote, and beside another
//! DHCP server by a boot ROM.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tests::netns::Netns;

/// Of the client's network card, and of the virtual server's.
const CLIENT: &str = "02:00:00:00:00:11";
const SERVER: &str = "52:54:00:12:34:57";

/// Longest wait for one thing that must happen.
const WAIT: Duration = Duration::from_secs(60);

/// Our programs lie beside the lab; `make test` has built them all.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("bms-agent");
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent, a client and a bridge between them, each in a namespace of its own.
struct World {
    agent: Netns,
    client: Netns,
    rack: Netns,
    dir: tempfile::TempDir,
    serving: Option<Running>,
}

impl World {
    async fn new(name: &str) -> anyhow::Result<Self> {
        let id = format!("st{}{name}", std::process::id());
        let agent = Netns::create(&format!("{id}a")).await?;
        let client = Netns::create(&format!("{id}c")).await?;
        let rack = Netns::create(&format!("{id}r")).await?;
        rack.ip_batch(&format!(
            "link add br0 type bridge\n\
             link set br0 up\n\
             address add 198.18.1.2/24 dev br0\n\
             link add to_agent type veth peer name eth1 netns {0}\n\
             link add to_client type veth peer name eth0 address {CLIENT} netns {1}\n\
             link set to_agent master br0 up\n\
             link set to_client master br0 up\n",
            agent.0, client.0
        ))
        .await?;
        agent.ip_batch("address add 198.18.1.1/24 dev eth1\nlink set eth1 up\n").await?;
        client.ip(&["link", "set", "eth0", "up"]).await?;
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("root"))?;
        Ok(Self { agent, client, rack, dir, serving: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        Ok(std::fs::write(self.path("root").join(name), bytes)?)
    }

    /// Writes the file: what every one says, and more.
    fn describe(&self, more: &str) -> anyhow::Result<()> {
        let (root, leases) = (self.path("root"), self.path("leases"));
        let text = format!(
            "interface = \"eth1\"\naddress = \"198.18.1.1\"\nprefix = 24\nrange = [\"198.18.1.50\", \"198.18.1.60\"]\n\
             root = {root:?}\nleases = {leases:?}\n{more}"
        );
        Ok(std::fs::write(self.path("rack.toml"), text)?)
    }

    /// Starts it, and waits until it serves.
    fn serve(&mut self, args: &[&str]) -> anyhow::Result<()> {
        self.serving = None;
        let log = std::fs::File::create(self.path("log"))?;
        let child = Command::new("ip")
            .args(["netns", "exec", &self.agent.0])
            .arg(program())
            .args(["boot", "--static"])
            .arg(self.path("rack.toml"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.serving = Some(Running(child));
        self.wait_for("network served")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn wait_for(&self, words: &str) -> anyhow::Result<()> {
        let until = Instant::now() + WAIT;
        while !self.log().contains(words) {
            ensure!(Instant::now() < until, "{words:?} is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Runs a program as the client.
    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new("timeout");
        command.args(["20", "ip", "netns", "exec", &self.client.0, program]).args(args);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.output().with_context(|| format!("starting {program}"))
    }

    /// Takes an address with udhcpc, and gives what it was told with it; none: nobody answered.
    fn dhcp(&self, args: &[&str]) -> anyhow::Result<Option<String>> {
        let script = self.path("udhcpc.sh");
        let lease = self.path("lease");
        let _ = std::fs::remove_file(&lease);
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nenv > {}\nip address flush dev $interface\n\
             ip address add $ip/$mask dev $interface\n",
            lease.display()
        );
        std::fs::write(&script, text)?;
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let script = script.display().to_string();
        let mut all = vec!["udhcpc", "-f", "-q", "-n", "-t", "2", "-T", "1", "-i", "eth0", "-s", &script];
        all.extend(args);
        let output = self.run("busybox", &all)?;
        match std::fs::read_to_string(&lease) {
            Ok(text) => Ok(Some(text)),
            Err(_) if String::from_utf8_lossy(&output.stderr).contains("no lease") => Ok(None),
            Err(error) => bail!("{error}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// What a URL gives, and curl's word of how it went.
    fn fetch(&self, url: &str) -> anyhow::Result<(String, Vec<u8>)> {
        let _ = std::fs::remove_file(self.path("fetched"));
        let output =
            self.run("curl", &["-g", "-sS", "-m", "15", "-o", "fetched", "-w", "%{http_code}", url])?;
        let body = std::fs::read(self.path("fetched")).unwrap_or_default();
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), body))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        self.serving = None;
        for ns in [&self.client, &self.rack, &self.agent] {
            let _ = Command::new("ip").args(["netns", "del", &ns.0]).status();
        }
    }
}

#[track_caller]
fn told(lease: &str, name: &str, expected: Option<&str>) {
    let value = lease.lines().find_map(|line| line.split_once('=').filter(|(has, _)| *has == name));
    assert_eq!(value.map(|(_, value)| value), expected, "{name} in {lease}");
}

const UEFI: [&str; 4] = ["-V", "PXEClient:Arch:00007:UNDI:003000", "-x", "0x5d:0007"];
const IPXE: [&str; 6] = ["-V", "PXEClient:Arch:00007:UNDI:003010", "-x", "0x5d:0007", "-x", "0x4d:69505845"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rack_is_served_by_a_file() -> anyhow::Result<()> {
    let mut world = World::new("file").await?;
    let kernel: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    world.write("linux", &kernel)?;
    world.write("initrd", "initrd")?;
    world.write("grub.efi", &kernel[..100_000])?;
    world.write("menu.ipxe", "#!ipxe\nshell\n")?;
    let host = format!("[[host]]\nmac = \"{CLIENT}\"\naddress = \"198.18.1.21\"\n");
    let loaders = "[loaders]\nuefi = \"/usr/lib/ipxe/snponly.efi\"\nbios = \"/usr/lib/ipxe/undionly.kpxe\"\n";
    let own = "kernel = \"linux\"\ninitrd = \"initrd\"\narguments = \"console=ttyS0 own=1\"\n";
    let network = "router = \"198.18.1.254\"\ndns = [\"198.18.1.53\", \"198.18.1.54\"]\n";

    // What is wrong is told with its line, and nothing is served.
    world.describe(&format!("{host}kernel = \"Linux\"\n"))?;
    let rack = world.path("rack.toml").display().to_string();
    let check = || Command::new(program()).args(["boot", "--check", "--static", &rack]).output();
    let refused = check()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("line 7: kernel: there is no file Linux"), "{said}");

    world.describe(&format!("{network}{loaders}{host}{own}"))?;
    assert!(check()?.status.success(), "{:?}", check()?);
    world.serve(&[])?;
    let lease = world.dhcp(&UEFI)?.context("no answer")?;
    told(&lease, "ip", Some("198.18.1.21"));
    told(&lease, "router", Some("198.18.1.254"));
    told(&lease, "dns", Some("198.18.1.53 198.18.1.54"));
    told(&lease, "boot_file", Some("snponly.efi"));
    let lease = world.dhcp(&IPXE)?.context("no answer for iPXE")?;
    let script_url = format!("http://198.18.1.1/boot/{CLIENT}/script");
    told(&lease, "boot_file", Some(&script_url));
    let (status, script) = world.fetch(&script_url)?;
    let script = String::from_utf8_lossy(&script).into_owned();
    assert!(
        status == "200" && script.contains("console=ttyS0 own=1") && script.contains("initrd --name"),
        "{script}"
    );
    assert_eq!(world.fetch(&format!("http://198.18.1.1/boot/{CLIENT}/kernel"))?.1, kernel);
    assert_eq!(world.fetch(&format!("http://198.18.1.1/boot/{CLIENT}/initrd"))?.1, b"initrd");
    // Any file of the directory, both ways, and nothing else.
    assert_eq!(world.fetch("http://198.18.1.1/grub.efi")?.1, &kernel[..100_000]);
    assert_eq!(world.fetch("tftp://198.18.1.1/grub.efi")?.1, &kernel[..100_000]);
    assert_eq!(world.fetch("http://198.18.1.1/../rack.toml")?.0, "404");
    let windows = [
        "--option",
        "blksize 1428",
        "--option",
        "windowsize 16",
        "-g",
        "-l",
        "w",
        "-r",
        "linux",
        "198.18.1.1",
    ];
    let atftp = world.run("atftp", &windows)?;
    ensure!(atftp.status.success(), "{}", String::from_utf8_lossy(&atftp.stderr));
    assert!(std::fs::read(world.path("w"))? == kernel, "other bytes by TFTP");
    world.wait_for("stage=Kernel")?;

    // It ends when it is told to, and the lease is there when it comes back; a host may change what it boots.
    let child = world.serving.as_mut().context("it runs")?;
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.0.id() as i32),
        nix::sys::signal::Signal::SIGTERM,
    )?;
    let until = Instant::now() + WAIT;
    let ended = loop {
        if let Some(ended) = child.0.try_wait()? {
            break ended;
        }
        ensure!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(ended.success(), "{ended}");
    assert!(std::fs::read_to_string(world.path("leases"))?.contains(&format!("{CLIENT} 198.18.1.21 ")));
    world.describe(&format!("{network}{host}loader = \"grub.efi\"\n"))?;
    world.serve(&[])?;
    let lease = world.dhcp(&UEFI)?.context("no answer after a restart")?;
    told(&lease, "ip", Some("198.18.1.21"));
    told(&lease, "boot_file", Some("grub.efi"));

    // Who is not in the file is not answered, unless it says so.
    world.client.ip(&["link", "set", "eth0", "address", "02:00:00:00:00:99"]).await?;
    assert_eq!(world.dhcp(&UEFI)?, None);
    world.describe(&format!("{loaders}{host}[default]\nscript = \"menu.ipxe\"\n"))?;
    world.serve(&[])?;
    let lease = world.dhcp(&IPXE)?.context("no answer for everybody else")?;
    told(&lease, "boot_file", Some("http://198.18.1.1/boot/02:00:00:00:00:99/script"));
    assert_eq!(world.fetch("http://198.18.1.1/boot/02:00:00:00:00:99/script")?.1, b"#!ipxe\nshell\n");

    // One part alone: files for whoever has an address from elsewhere.
    world.serve(&["--tftp-only"])?;
    assert_eq!(world.dhcp(&UEFI)?, None);
    assert_eq!(world.fetch("tftp://198.18.1.1/grub.efi")?.1, &kernel[..100_000]);
    assert_eq!(world.fetch("http://198.18.1.1/grub.efi")?.0, "000");
    world.serve(&["--http-only"])?;
    assert_eq!(world.fetch("http://198.18.1.1/grub.efi")?.1, &kernel[..100_000]);
    Ok(())
}

/// A host's IPv6 address follows from the one that the file gives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rack_is_served_by_ipv6_too() -> anyhow::Result<()> {
    let mut world = World::new("six").await?;
    world.write("linux", "a kernel")?;
    let host = format!("[[host]]\nmac = \"{CLIENT}\"\naddress = \"198.18.1.21\"\nloader = \"linux\"\n");
    world.describe(&format!("ipv6 = \"2001:db8:0:7::1/64\"\n{host}"))?;
    world.agent.ip_batch("address add 2001:db8:0:7::1/64 dev eth1 nodad\n").await?;
    let link_local = "link set eth0 addrgenmode none\naddress flush dev eth0 scope link\n\
                      address add fe80::ff:fe00:11/64 dev eth0 nodad\n";
    world.client.ip_batch(link_local).await?;
    world.serve(&[])?;
    let asked = world.run("perfdhcp", &["-6", "-l", "eth0", "-R", "1", "-n", "1", "-W", "1000000", "all"])?;
    ensure!(world.wait_for("2001:db8:0:7::c612:115 for").is_ok(), "{}\n{asked:?}", world.log());
    world.client.ip_batch("address add 2001:db8:0:7::c612:115/64 dev eth0 nodad\n").await?;
    let url = "http://[2001:db8:0:7::1]/linux";
    assert_eq!(world.fetch(url)?.1, b"a kernel");
    assert_eq!(world.fetch("tftp://[2001:db8:0:7::1]/linux")?.1, b"a kernel");
    // Who serves files alone serves them by IPv4.
    world.serve(&["--http-only"])?;
    assert_eq!(world.fetch(url)?.0, "000");
    Ok(())
}

/// A thousand machines at once, by who tests servers for a living: each is given an address, which is on the disk before it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_at_once_lose_nothing() -> anyhow::Result<()> {
    const CLIENTS: usize = 1000;
    let mut world = World::new("many").await?;
    // perfdhcp is a relay to us, and its clients are machines that nobody has named.
    world.client.ip(&["address", "add", "198.18.1.5/24", "dev", "eth0"]).await?;
    let leases = world.path("leases");
    let text = format!(
        "interface = \"eth1\"\naddress = \"198.18.1.1\"\nprefix = 16\nrange = [\"198.18.4.0\", \"198.18.11.255\"]\n\
         relays = [\"198.18.1.5\"]\nleases = {leases:?}\n[default]\n"
    );
    std::fs::write(world.path("rack.toml"), text)?;
    world.serve(&[])?;
    let count = CLIENTS.to_string();
    let args =
        ["-4", "-l", "198.18.1.5", "-R", &count, "-n", &count, "-r", "500", "-W", "5000000", "198.18.1.1"];
    let output = world.run("perfdhcp", &args)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    eprintln!("{said}");
    let each = |name: &str| -> Vec<usize> {
        let lines = said.lines().filter_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix(':'));
        lines.filter_map(|value| value.trim().parse().ok()).collect()
    };
    // Of DISCOVER and OFFER, and of REQUEST and ACK.
    assert_eq!((each("received packets"), each("drops")), (vec![CLIENTS; 2], vec![0; 2]), "{said}");
    let kept = std::fs::read_to_string(&leases)?;
    let addresses: std::collections::HashSet<_> =
        kept.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(addresses.len(), CLIENTS, "an address of one's own for each, kept");
    Ok(())
}

/// Another server gives addresses, and knows nothing of boots; iPXE in a card's ROM puts the two together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_rom_boots_by_two_dhcp_servers() -> anyhow::Result<()> {
    let mut world = World::new("proxy").await?;
    world.write("menu.ipxe", "#!ipxe\nchain http://198.18.1.1/reached\n")?;
    world.write("reached", "#!ipxe\nshell\n")?;
    world.describe(&format!(
        "proxy = true\n[[host]]\nmac = \"{SERVER}\"\nscript = \"menu.ipxe\"\nloader = \"reached\"\n"
    ))?;
    world.serve(&[])?;
    let other = Command::new("ip")
        .args(["netns", "exec", &world.rack.0, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"])
        .args([
            "--port=0",
            "--interface=br0",
            "--bind-interfaces",
            "--dhcp-range=198.18.1.100,198.18.1.110,10m",
        ])
        .arg(format!("--dhcp-leasefile={}", world.path("others").display()))
        .args(["--log-facility=-", "--user=root"])
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(world.path("dnsmasq"))?)
        .spawn()
        .context("starting dnsmasq (package dnsmasq-base)")?;
    let _other = Running(other);
    world.rack.ip_batch("tuntap add dev tap0 mode tap\nlink set tap0 master br0 up\n").await?;
    let server = Command::new("ip")
        .args(["netns", "exec", &world.rack.0, "qemu-system-x86_64"])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-M",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-smp",
            "1",
            "-m",
            "256",
        ])
        .args(["-display", "none", "-serial", &format!("file:{}", world.path("console").display())])
        .args(["-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no"])
        .args(["-device", &format!("virtio-net-pci,netdev=n,mac={SERVER},bootindex=0")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("starting QEMU (package qemu-system-x86)")?;
    let _server = Running(server);
    let reached = world.wait_for("stage=Script");
    let logs = || {
        let read = |name: &str| {
            String::from_utf8_lossy(&std::fs::read(world.path(name)).unwrap_or_default()).into_owned()
        };
        format!("{}\n{}", read("console"), read("dnsmasq"))
    };
    reached.with_context(logs)?;
    let others = std::fs::read_to_string(world.path("others"))?;
    assert!(others.contains(SERVER), "the other server's leases: {others}");
    Ok(())
}
