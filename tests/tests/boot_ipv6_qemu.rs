//! Edges: boots by IPv6 alone, judged by clients that nobody here wrote: perfdhcp, curl and atftp, then UEFI firmware and iPXE in QEMU.
//! In these tests nobody hears an IPv4 request, so that whatever is fetched was found by DHCPv6.

mod pxe_common;

use std::{
    net::Ipv6Addr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use protocol::{boot::BootStage, mac::MacAddr, network::BootNetwork};
use pxe::{BootFilePaths, BootFiles, Ipv6, Refusal, ServiceConfig};
use pxe_common::{CLIENT, COMMAND_LINE, World, config, content, plain_files};

const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 1);
const SERVER: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 0x21]);

/// Emulated UEFI on a busy machine needs most of it.
const BOOT_WAIT: Duration = Duration::from_secs(240);

fn with_ipv6(files: BootFiles) -> ServiceConfig {
    ServiceConfig { ipv6: Some(Ipv6 { address: OWN, prefix_len: 64, relays: Vec::new() }), ..config(files) }
}

/// The network, on which the agent is deaf to DHCPv4, and whoever is on it has its address at once.
async fn world(name: &str, files: BootFiles) -> anyhow::Result<World> {
    let world = World::start_with(name, with_ipv6(files)).await?;
    for rules in [
        "add table inet deaf",
        "add chain inet deaf input { type filter hook input priority 0; }",
        "add rule inet deaf input udp dport 67 drop",
    ] {
        world.agent.run("nft", &[rules]).await?;
    }
    world
        .client
        .ip_batch("link set eth0 addrgenmode none\naddress flush dev eth0 scope link\naddress add fe80::ff:fe00:11/64 dev eth0 nodad\n")
        .await?;
    Ok(world)
}

/// Exchanges by who tests servers for a living: how many answers came, of each of the two kinds.
fn perfdhcp(world: &World, count: usize) -> anyhow::Result<Vec<usize>> {
    let number = count.to_string();
    let args = ["-6", "-l", "eth0", "-R", "1", "-n", &number, "-r", "100", "-W", "1000000", "all"];
    let said = String::from_utf8_lossy(&world.run("perfdhcp", &args)?.stdout).into_owned();
    eprintln!("{said}");
    let received = |line: &str| {
        line.trim().strip_prefix("received packets")?.trim().strip_prefix(':')?.trim().parse().ok()
    };
    Ok(said.lines().filter_map(received).collect())
}

/// The address that was lent last, as the service tells it.
async fn lent(world: &mut World) -> anyhow::Result<Ipv6Addr> {
    loop {
        let progress = world.next_event().await?.progress;
        if progress.stage == BootStage::DhcpAck {
            let address = progress.detail.split(' ').next().context("an address")?.parse();
            return address.with_context(|| progress.detail.clone());
        }
    }
}

/// What curl has fetched, and its word of how it went.
fn fetch(world: &World, url: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let _ = std::fs::remove_file(world.path("fetched"));
    let output = world.run("curl", &["-g", "-sS", "-m", "15", "-o", "fetched", "-w", "%{http_code}", url])?;
    let body = std::fs::read(world.path("fetched")).unwrap_or_default();
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), body))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_lent_by_dhcpv6_and_files_are_given_to_it_alone() -> anyhow::Result<()> {
    const EXCHANGES: usize = 200;
    let mut world = world("six", plain_files()).await?;
    // Who may not boot hears nothing.
    assert_eq!(perfdhcp(&world, 5)?, [0, 0]);
    ensure!(
        matches!(world.plans.refusals()[..], [(CLIENT, Refusal::NoPlan { .. })]),
        "{:?}",
        world.plans.refusals()
    );
    world.plans.permit(CLIENT, 1, BootNetwork::Provisioning);
    // While an address is proven, whoever asks again hears nothing; perfdhcp asks on and on.
    // The first time its address is proven, and who asks meanwhile hears nothing.
    assert_eq!(perfdhcp(&world, 1)?[0], 1);
    // It ends with the last ADVERTISE, whatever becomes of its last REQUEST.
    let received = perfdhcp(&world, EXCHANGES)?;
    ensure!(
        received[0] == EXCHANGES && received[1] + 1 >= EXCHANGES,
        "of ADVERTISE and of REPLY: {received:?}"
    );
    let address = lent(&mut world).await?;
    ensure!(address.segments()[..4] == OWN.segments()[..4] && address.segments()[6] == 0xc612, "{address}");

    let take = |address: Ipv6Addr| {
        format!("address flush dev eth0 scope global\naddress add {address}/64 dev eth0 nodad\n")
    };
    world.client.ip_batch(&take(address)).await?;
    let base = format!("[{OWN}]");
    let loader = content(220_000);
    assert_eq!(fetch(&world, &format!("tftp://{base}/snponly.efi"))?.1, loader);
    assert_eq!(fetch(&world, &format!("http://{base}/boot/loader/snponly.efi"))?.1, loader);
    let script = String::from_utf8(fetch(&world, &format!("http://{base}/boot/{CLIENT}/script"))?.1)?;
    let kernel_url = format!("http://{base}/boot/{CLIENT}/kernel");
    ensure!(script.contains(&format!("kernel {kernel_url}")) && script.contains(COMMAND_LINE), "{script}");
    assert_eq!(fetch(&world, &kernel_url)?.1, content(3_000_000));
    let windows =
        ["--option", "blksize 1428", "--option", "windowsize 16", "-g", "-l", "w", "-r", "snponly.efi"];
    let own = OWN.to_string();
    let atftp = world.run("atftp", &[&windows[..], &[&own]].concat())?;
    ensure!(atftp.status.success(), "{}", String::from_utf8_lossy(&atftp.stderr));
    assert!(std::fs::read(world.path("w"))? == loader, "other bytes in windows");

    // From any other address nothing, though its holder knows the right name.
    for other in [Ipv6Addr::from(u128::from(address) + 1), "2001:db8:0:7::9".parse()?] {
        world.client.ip_batch(&take(other)).await?;
        let (status, body) = fetch(&world, &kernel_url)?;
        ensure!(status != "200" && body.len() < 1000, "{other}: {status}");
        assert_eq!(fetch(&world, &format!("tftp://{base}/snponly.efi"))?.1, b"", "{other}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_kept_is_the_same_after_a_restart() -> anyhow::Result<()> {
    let mut world = world("again", plain_files()).await?;
    let leases = world.path("leases");
    let kept = || ServiceConfig { leases: Some(leases.clone()), ..with_ipv6(plain_files()) };
    world.serve(kept()).await?;
    world.plans.permit(CLIENT, 1, BootNetwork::Provisioning);
    assert_eq!(perfdhcp(&world, 1)?[0], 1);
    let before = lent(&mut world).await?;
    let [.., a, b, c, d] = before.octets();
    let ipv4 = std::net::Ipv4Addr::new(a, b, c, d).to_string();
    let kept_then = std::fs::read_to_string(&leases)?;
    ensure!(kept_then.contains(&format!("{CLIENT} {ipv4} ")), "told and not kept: {before}, {kept_then}");
    // What is kept decides, not what an agent without a memory would choose, which is the same every time.
    world.end();
    std::fs::write(&leases, kept_then.replace(&ipv4, "198.18.1.98"))?;
    world.serve(kept()).await?;
    assert_eq!(perfdhcp(&world, 1)?[0], 1);
    let after = lent(&mut world).await?;
    ensure!(after != before && after.octets()[12..] == [198, 18, 1, 98], "{after}");
    Ok(())
}

/// Real boot loaders; iPXE's own image stands in for Linux, and a few bytes for the ramdisk.
fn real_files() -> anyhow::Result<BootFiles> {
    let paths = BootFilePaths {
        kernel: "/usr/lib/ipxe/snponly.efi".into(),
        initrd: "/usr/lib/ipxe/undionly.kpxe".into(),
        rescue: None,
        parts: None,
        virtual_servers: None,
        manifest: None,
        signed: None,
        snponly: "/usr/lib/ipxe/snponly.efi".into(),
        undionly: "/usr/lib/ipxe/undionly.kpxe".into(),
    };
    let mut files = BootFiles::read(&paths).context("reading boot files (package ipxe)")?;
    files.initrd = Bytes::from_static(b"not a ramdisk").into();
    Ok(files)
}

/// A QEMU process that ends with the test.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server whose firmware leaves these ways to boot out.
async fn power_on(world: &World, without: &[&str]) -> anyhow::Result<Qemu> {
    world.rack.ip_batch("tuntap add dev tap0 mode tap\nlink set tap0 master br0 up\n").await?;
    let vars = world.path("vars.fd");
    std::fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &vars).context("copying firmware (package ovmf)")?;
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &world.rack.0, "qemu-system-x86_64", "-nodefaults", "-no-user-config"])
        .args(["-M", "q35", "-accel", "tcg,thread=multi", "-smp", "1", "-m", "512", "-display", "none"])
        .args(["-serial", &format!("file:{}", world.path("console").display())])
        .args(["-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no"])
        .args(["-device", &format!("virtio-net-pci,netdev=n,mac={SERVER},bootindex=0,romfile=")])
        .args(["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"])
        .args(["-drive", &format!("if=pflash,format=raw,unit=1,file={}", vars.display())]);
    for way in without {
        command.args(["-fw_cfg", &format!("name=opt/org.tianocore/{way},string=n")]);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    Ok(Qemu(child.context("starting QEMU (package qemu-system-x86)")?))
}

/// What the server wrote to its serial console, for a failed test.
fn console(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Firmware finds us, loads iPXE, and that finds us again and loads a kernel and a ramdisk.
async fn boots(world: &mut World, without: &[&str]) -> anyhow::Result<()> {
    world.plans.permit(SERVER, 1, BootNetwork::Provisioning);
    let _server = power_on(world, without).await?;
    let stages = world.stages_until(BootStage::Initrd, BOOT_WAIT).await;
    let refused = world.plans.refusals();
    let stages = stages.with_context(|| format!("{refused:?}\n{}", console(&world.path("console"))))?;
    let expected = [
        BootStage::DhcpDiscover,
        BootStage::DhcpAck,
        BootStage::Loader,
        BootStage::Script,
        BootStage::Kernel,
        BootStage::Initrd,
    ];
    assert_eq!(stages, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uefi_server_boots_by_ipv6_and_tftp() -> anyhow::Result<()> {
    boots(&mut world("pxe6", real_files()?).await?, &["IPv4PXESupport"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uefi_server_boots_by_ipv6_and_http() -> anyhow::Result<()> {
    boots(&mut world("http6", real_files()?).await?, &["IPv4PXESupport", "IPv6PXESupport"]).await
}
