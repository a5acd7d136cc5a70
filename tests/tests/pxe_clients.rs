//! Edges: the boot service judged by DHCP, TFTP and HTTP clients that nobody here wrote, and by nonsense.

mod pxe_common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context, ensure};
use dhcproto::v4::{DhcpOption, Encodable, Message};
use protocol::{
    boot::{BootPurpose, BootStage},
    mac::MacAddr,
    network::BootNetwork,
};
use pxe::{Refusal, Service, ServiceConfig, StartError};
use pxe_common::{CLIENT, Plans, WAIT, World, config, content, plain_files};
use tests::netns::Netns;

/// How the client's boot ROM would introduce itself.
const UEFI: [&str; 4] = ["-V", "PXEClient:Arch:00007:UNDI:003000", "-x", "0x5d:0007"];

async fn world_with_lease(name: &str) -> anyhow::Result<World> {
    let mut world = World::start(name, plain_files()).await?;
    world.plans.permit(CLIENT, 1, BootNetwork::Provisioning);
    world.dhcp(&[])?.context("a permitted client got no address")?;
    world.stages_until(BootStage::DhcpAck, WAIT).await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn udhcpc_gets_an_address_and_no_route() -> anyhow::Result<()> {
    let mut world = World::start("dhcp", plain_files()).await?;
    world.plans.permit(CLIENT, 1, BootNetwork::Provisioning);
    let mut args = UEFI.to_vec();
    args.extend(["-O", "bootfile", "-O", "tftp"]);
    let lease = world.dhcp(&args)?.context("no answer")?;
    let check = |name: &str, expected: Option<&str>| {
        assert_eq!(lease.get(name).map(String::as_str), expected, "{name} in {lease:?}");
    };
    check("serverid", Some("198.18.1.1"));
    check("siaddr", Some("198.18.1.1"));
    check("subnet", Some("255.255.255.0"));
    check("lease", Some("600"));
    check("boot_file", Some("snponly.efi"));
    check("bootfile", Some("snponly.efi"));
    check("tftp", Some("198.18.1.1"));
    check("router", None);
    check("dns", None);
    let again = world.dhcp(&args)?.context("no second answer")?;
    assert_eq!(again.get("ip"), lease.get("ip"), "the address stays");
    let stages = world.stages_until(BootStage::DhcpAck, WAIT).await?;
    assert_eq!(stages, [BootStage::DhcpDiscover, BootStage::DhcpAck]);

    world.plans.permit(CLIENT, 2, BootNetwork::Provisioning);
    world.dhcp(&[])?.context("no third answer")?;
    let next = world.next_event().await?;
    assert_eq!((next.boot_id, next.progress.stage), (2, BootStage::DhcpDiscover), "a new boot is news again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_boot_here_hears_nothing() -> anyhow::Result<()> {
    let world = World::start("deny", plain_files()).await?;
    assert_eq!(world.dhcp(&UEFI)?, None, "nobody permitted it");
    world.plans.permit(CLIENT, 1, BootNetwork::Cleaning);
    assert_eq!(world.dhcp(&UEFI)?, None, "permitted on the other network");
    let wrong = || (CLIENT, Refusal::WrongNetwork { planned: BootNetwork::Cleaning });
    let told = world.plans.refusals();
    assert_eq!(
        told,
        [(CLIENT, Refusal::NoPlan { machine: None }), wrong()],
        "reported, but not at every packet"
    );

    world.plans.permit(CLIENT, 2, BootNetwork::Provisioning);
    world.dhcp(&UEFI)?.context("a permitted client got no address")?;
    world.plans.forbid(CLIENT);
    let tftp = world.run("curl", &["-sS", "-m", "3", "-o", "f", "tftp://198.18.1.1/snponly.efi"])?;
    assert!(!tftp.status.success(), "files without a plan");
    let status = http_status(&world, "http://198.18.1.1/boot/loader/snponly.efi")?;
    assert_eq!(status, "403");
    Ok(())
}

/// Its port is moved, or was never where it should be: every step of a boot says so, not only the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_on_the_wrong_network_is_told_at_every_step() -> anyhow::Result<()> {
    let own = |file: &str| format!("http://198.18.1.1/boot/{CLIENT}/{file}");
    let by_http = |world: &World, url: &str| http_status(world, url).map(|status| status == "403");
    let by_tftp = |world: &World, file: &str| -> anyhow::Result<bool> {
        let url = format!("tftp://198.18.1.1/{file}");
        Ok(!world.run("curl", &["-sS", "-m", "3", "-o", "f", &url])?.status.success())
    };
    type Step<'a> = (&'a str, Box<dyn Fn(&World) -> anyhow::Result<bool> + 'a>);
    let steps: [Step<'_>; 8] = [
        ("dhcp-uefi", Box::new(|world| Ok(world.dhcp(&UEFI)?.is_none()))),
        ("dhcp-bios", Box::new(|world| Ok(world.dhcp(&["-V", "PXEClient:Arch:00000"])?.is_none()))),
        ("tftp-uefi", Box::new(|world| by_tftp(world, "snponly.efi"))),
        ("tftp-bios", Box::new(|world| by_tftp(world, "undionly.kpxe"))),
        ("http", Box::new(|world| by_http(world, "http://198.18.1.1/boot/loader/snponly.efi"))),
        ("script", Box::new(|world| by_http(world, &own("script")))),
        ("kernel", Box::new(|world| by_http(world, &own("kernel")))),
        ("initrd", Box::new(|world| by_http(world, &own("initrd")))),
    ];
    for (step, refused) in steps {
        let world = world_with_lease(&format!("wrong-{step}")).await?;
        assert_eq!(world.plans.refusals(), [], "{step}");
        world.plans.permit(CLIENT, 2, BootNetwork::Cleaning);
        assert!(refused(&world)?, "{step} was answered");
        let wrong = Refusal::WrongNetwork { planned: BootNetwork::Cleaning };
        assert_eq!(world.plans.refusals(), [(CLIENT, wrong)], "{step}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_and_atftp_fetch_boot_loaders() -> anyhow::Result<()> {
    let mut world = world_with_lease("tftp").await?;
    let check = |program: &str, args: &[&str], file: &str, expected: &[u8]| -> anyhow::Result<()> {
        let output = world.run(program, args)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{program} {args:?}: {text}");
        let found = std::fs::read(world.path(file))?;
        ensure!(found == expected, "{program} {args:?}: {} bytes of {}: {text}", found.len(), expected.len());
        Ok(())
    };
    let files = plain_files();
    check("curl", &["-sS", "-o", "a", "tftp://198.18.1.1/snponly.efi"], "a", &files.snponly)?;
    check(
        "curl",
        &["-sS", "-o", "b", "--tftp-blksize", "1468", "tftp://198.18.1.1//undionly.kpxe"],
        "b",
        &files.undionly,
    )?;
    check(
        "curl",
        &["-sS", "-o", "b", "--tftp-no-options", "tftp://198.18.1.1/undionly.kpxe"],
        "b",
        &files.undionly,
    )?;
    check(
        "busybox",
        &["tftp", "-g", "-b", "1400", "-l", "c", "-r", "snponly.efi", "198.18.1.1"],
        "c",
        &files.snponly,
    )?;
    let atftp = |block: &'static str, window: &'static str| {
        ["--option", block, "--option", window, "-g", "-l", "d", "-r", "snponly.efi", "198.18.1.1"]
    };
    check("atftp", &atftp("blksize 1428", "windowsize 16"), "d", &files.snponly)?;
    check("atftp", &atftp("blksize 9000", "windowsize 4"), "d", &files.snponly)?;

    let missing = world.run("curl", &["-sS", "tftp://198.18.1.1/etc/passwd"])?;
    assert_eq!(missing.status.code(), Some(68), "curl's code for: file not found");
    std::fs::write(world.path("up"), "x")?;
    let upload = world.run("curl", &["-sS", "-T", "up", "tftp://198.18.1.1/snponly.efi"])?;
    assert_eq!(upload.status.code(), Some(69), "curl's code for: permission problem");

    let event = world.next_event().await?;
    assert_eq!(event.progress.stage, BootStage::Loader);
    assert!(event.progress.detail.contains("snponly.efi, 220000 bytes"), "{}", event.progress.detail);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_rom_that_reads_on_behind_the_name_and_keeps_its_port_is_served() -> anyhow::Result<()> {
    let world = world_with_lease("rom").await?;
    let request = |file: &[u8], option: &[u8]| [b"\0\x01", file, b"\0octet\0", option].concat();
    let client = world.client.clone();
    client.within(move || {
        let socket = UdpSocket::bind(("0.0.0.0", 2071))?;
        socket.set_read_timeout(Some(WAIT))?;
        // What comes from ports of downloads that were given up is late.
        let ask = |request: &[u8], expected: &[u8]| -> anyhow::Result<SocketAddr> {
            socket.send_to(request, ("198.18.1.1", 69))?;
            let mut buffer = [0; 1500];
            loop {
                let (len, from) = socket.recv_from(&mut buffer).context("no answer to a request")?;
                if buffer[..len].starts_with(expected) {
                    return Ok(from);
                }
            }
        };
        for name in [
            &b"snponly.efi"[..],
            b"snponly.efi=",
            b"snponly.efia\x11",
            b"./SNPONLY.EFI",
            b"\\snponly.efi\xff",
        ] {
            let size = request(name, b"tsize\x000\0");
            let whole = request(name, b"blksize\x001024\0");
            for _ in 0..10 {
                // It asks for the size, breaks off, and at once asks for more, or for the same once again.
                for next in [&size, &whole, &whole, &size] {
                    let from =
                        ask(next, b"\0\x06").with_context(|| String::from_utf8_lossy(name).into_owned())?;
                    socket.send_to(b"\0\x05\0\x08\0", from)?;
                }
            }
        }
        // One that begins anew in the middle of a download gets the new one.
        let name = b"snponly.efi";
        let from = ask(&request(name, b""), b"\0\x03\0\x01")?;
        socket.send_to(b"\0\x04\0\x01", from)?;
        ask(&request(name, b"blksize\x00512\0"), b"\0\x06blksize\x00512\0")?;
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_outlives_the_agent_and_a_used_address_is_given_to_nobody() -> anyhow::Result<()> {
    let mut world = World::start("leases", plain_files()).await?;
    let path = world.path("leases");
    let keeps = || ServiceConfig { leases: Some(path.clone()), ..config(plain_files()) };
    world.serve(keeps()).await?;
    world.plans.permit(CLIENT, 1, BootNetwork::Provisioning);
    let own = world.dhcp(&[])?.context("no address")?["ip"].clone();
    assert!(std::fs::read_to_string(&path)?.starts_with(&format!("{CLIENT} {own} ")), "on the disk by now");

    // The agent is started anew: the server goes on with its address, and it is nobody else's.
    world.serve(keeps()).await?;
    let files = world.run("curl", &["-sS", "-o", "f", "tftp://198.18.1.1/snponly.efi"])?;
    assert!(files.status.success(), "{}", String::from_utf8_lossy(&files.stderr));
    let other = "02:00:00:00:00:12";
    world.client.ip(&["link", "set", "eth0", "address", other]).await?;
    world.plans.permit(other.parse().unwrap(), 2, BootNetwork::Provisioning);
    let others = world.dhcp(&[])?.context("no address for the other")?["ip"].clone();
    assert_ne!(others, own);

    // It has forgotten all, and somebody uses the address that this one would get.
    std::fs::remove_file(&path)?;
    world.serve(keeps()).await?;
    world.rack.ip(&["address", "add", &format!("{others}/24"), "dev", "br0"]).await?;
    world.client.ip(&["address", "flush", "dev", "eth0"]).await?;
    // It is another machine than the one that had it.
    world.agent.ip(&["neighbour", "flush", "dev", "prov0"]).await?;
    let next = world.dhcp(&[])?.context("no address beside a used one")?["ip"].clone();
    assert_ne!(next, others, "somebody answers there");
    Ok(())
}

fn http_status(world: &World, url: &str) -> anyhow::Result<String> {
    let output = world.run("curl", &["-sS", "-m", "10", "-o", "http", "-w", "%{http_code}", url])?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_fetches_its_own_files_and_no_others() -> anyhow::Result<()> {
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);
    let mut world = world_with_lease("http").await?;
    let check = |path: &str, expected: &str| -> anyhow::Result<Vec<u8>> {
        let status = http_status(&world, &format!("http://198.18.1.1{path}"))?;
        let body = std::fs::read(world.path("http"))?;
        assert_eq!(status, expected, "{path}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    };
    let script = String::from_utf8(check(&format!("/boot/{CLIENT}/script"), "200")?)?;
    assert!(script.contains(pxe_common::COMMAND_LINE), "{script}");
    assert_eq!(check(&format!("/boot/{CLIENT}/kernel"), "200")?, plain_files().kernel.to_bytes()?);
    assert_eq!(check(&format!("/boot/{CLIENT}/initrd"), "200")?, plain_files().initrd.to_bytes()?);
    assert_eq!(check("/boot/loader/snponly.efi", "200")?, plain_files().snponly);
    check("/boot/nonsense/script", "404")?;
    check("/", "404")?;
    check(&format!("/boot/{OTHER}/script"), "403")?;
    // Permitted, but this client does not have its address: it must not see its token.
    world.plans.permit(OTHER, 1, BootNetwork::Provisioning);
    check(&format!("/boot/{OTHER}/script"), "403")?;
    // The tools of a rescue are loaded by a rescue only.
    for purpose in [BootPurpose::Deploy, BootPurpose::Clean, BootPurpose::Rescue] {
        world.plans.permit_for(purpose, CLIENT, 2, BootNetwork::Provisioning);
        let files = plain_files();
        let expected = if purpose == BootPurpose::Rescue { files.rescue_initrd } else { files.initrd };
        assert_eq!(check(&format!("/boot/{CLIENT}/initrd"), "200")?, expected.to_bytes()?, "{purpose:?}");
    }
    let stages = world.stages_until(BootStage::Loader, WAIT).await?;
    assert_eq!(stages, [BootStage::Script, BootStage::Kernel, BootStage::Initrd, BootStage::Loader]);
    Ok(())
}

/// By curl, which knows all of it: parts, a download taken up again, what has not changed, the head alone, paths as firmware joins them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_fetches_parts_and_what_is_new() -> anyhow::Result<()> {
    let mut world = world_with_lease("parts").await?;
    let url = format!("http://198.18.1.1/boot/{CLIENT}/kernel");
    let kernel = plain_files().kernel.to_bytes()?;
    let curl = |args: &[&str]| -> anyhow::Result<(String, Vec<u8>)> {
        let mut all = vec!["-sS", "-m", "10", "-o", "part", "-D", "head", "-w", "%{http_code}"];
        all.extend(args);
        let _ = std::fs::remove_file(world.path("part"));
        let output = world.run("curl", &all)?;
        ensure!(output.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let body = std::fs::read(world.path("part")).unwrap_or_default();
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), body))
    };
    let head = || std::fs::read_to_string(world.path("head")).unwrap_or_default().to_ascii_lowercase();
    let check = |args: &[&str], status: &str, expected: &[u8]| -> anyhow::Result<()> {
        let (found, body) = curl(&[args, &[&url]].concat())?;
        assert_eq!((found.as_str(), body.len()), (status, expected.len()), "{args:?}: {}", head());
        assert!(body == expected, "{args:?}: other bytes");
        Ok(())
    };
    check(&["-r", "0-99"], "206", &kernel[..100])?;
    assert!(head().contains("content-range: bytes 0-99/3000000"), "{}", head());
    check(&["-r", "2999000-"], "206", &kernel[2_999_000..])?;
    check(&["-r", "-7"], "206", &kernel[2_999_993..])?;
    check(&["-r", "3000000-"], "416", b"")?;
    assert!(head().contains("content-range: bytes */3000000"), "{}", head());
    check(&["-r", "1-2,4-5"], "200", &kernel)?;

    check(&[], "200", &kernel)?;
    let tag = head().lines().find_map(|line| line.strip_prefix("etag: ").map(str::to_owned));
    let tag = tag.context("no tag")?;
    assert!(head().contains("last-modified: sun, 09 sep 2001 01:46:40 gmt"), "{}", head());
    check(&["-H", &format!("if-none-match: {tag}")], "304", b"")?;
    check(&["-H", "if-none-match: \"another\""], "200", &kernel)?;
    check(&["-z", "Sun, 09 Sep 2001 01:46:40 GMT"], "304", b"")?;
    check(&["-z", "Sun, 09 Sep 2001 01:46:39 GMT"], "200", &kernel)?;
    check(&["-r", "0-9", "-H", &format!("if-range: {tag}")], "206", &kernel[..10])?;
    check(&["-r", "0-9", "-H", "if-range: \"another\""], "200", &kernel)?;

    // The head alone says what all of it would.
    let (status, _) = curl(&["-I", &url])?;
    let said = head();
    assert!(status == "200" && said.contains("content-length: 3000000") && said.contains(&tag), "{said}");
    // Broken off, and taken up again.
    std::fs::write(world.path("whole"), &kernel[..1_234_567])?;
    let again = world.run("curl", &["-sS", "-m", "10", "-C", "-", "-o", "whole", &url])?;
    ensure!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(std::fs::read(world.path("whole"))? == kernel, "put together wrongly");
    for path in ["//boot/./", "/x/..//boot//"] {
        let url = format!("http://198.18.1.1{path}{CLIENT}/kernel");
        let (status, body) = curl(&["--path-as-is", &url])?;
        assert!(status == "200" && body == kernel, "{path}: {status}");
    }
    // Two by one connection, and one that closes it.
    let both = [
        "-sS",
        "-m",
        "10",
        "-o",
        "one",
        "-w",
        "%{num_connects}",
        &url,
        "-o",
        "two",
        "-w",
        " %{num_connects}",
        &url,
    ];
    let output = world.run("curl", &both)?;
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches('1').count(), 1, "{output:?}");
    check(&["-0"], "200", &kernel)?;
    let (status, _) = curl(&["-X", "POST", "-d", "x", &url])?;
    assert_eq!(status, "405");
    // A part that ends before the end is no kernel that was fetched.
    let stages = world.stages_until(BootStage::Kernel, WAIT).await?;
    assert_eq!(stages, [BootStage::Kernel]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_nonsense_change_nothing() -> anyhow::Result<()> {
    let world = world_with_lease("flood").await?;
    let client = world.client.clone();
    // Another address, so that the flood is not counted as the server's own.
    client.ip(&["address", "add", "198.18.1.200/24", "dev", "eth0"]).await?;
    client.within(|| {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        let noise = content(1400);
        let none = Ipv4Addr::UNSPECIFIED;
        let dhcp = Message::new_with_id(1, none, none, none, none, &CLIENT.0);
        for round in 0..3000_usize {
            let mut packet = dhcp.clone();
            // Invented interfaces, and the server's own with broken options.
            packet.set_chaddr(&[2, 9, 9, 9, (round >> 8) as u8, round as u8]);
            packet.opts_mut().insert(DhcpOption::MessageType(((round % 9) as u8).into()));
            let _ = socket.send_to(&packet.to_vec()?, ("198.18.1.1", 67));
            // Without options of its own it ends where they begin.
            let mut broken = dhcp.to_vec()?;
            broken.extend_from_slice(&noise[round % 1000..][..round % 300]);
            let _ = socket.send_to(&broken, ("198.18.1.1", 67));
            let mut tftp = vec![0, (round % 8) as u8];
            tftp.extend_from_slice(&noise[round % 700..][..round % 600]);
            let _ = socket.send_to(&tftp, ("198.18.1.1", 69));
        }
        Ok(())
    })?;
    client.ip(&["address", "del", "198.18.1.200/24", "dev", "eth0"]).await?;
    world.dhcp(&UEFI)?.context("no address after the flood")?;
    let tftp = world.run("curl", &["-sS", "-o", "f", "tftp://198.18.1.1/snponly.efi"])?;
    assert!(tftp.status.success(), "no file after the flood");
    assert_eq!(http_status(&world, &format!("http://198.18.1.1/boot/{CLIENT}/kernel"))?, "200");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_says_why() -> anyhow::Result<()> {
    let ns = Netns::create(&format!("pxe{}start", std::process::id())).await?;
    let inside = ns.clone();
    let checked = ns.within(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let start = |change: &dyn Fn(&mut ServiceConfig)| {
            let mut config = config(plain_files());
            config.interface = "lo".to_owned();
            config.address = Ipv4Addr::LOCALHOST;
            config.prefix_len = 8;
            config.range = (Ipv4Addr::new(127, 0, 0, 10), Ipv4Addr::new(127, 0, 0, 20));
            change(&mut config);
            let (sender, _events) = tokio::sync::mpsc::channel(1);
            runtime.block_on(async {
                match Service::start(config, std::sync::Arc::new(Plans::default()), sender) {
                    Ok(service) => {
                        service.stop().await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            })
        };
        let check = |change: &dyn Fn(&mut ServiceConfig), expected: &str| {
            let text = start(change).map_err(|error: StartError| error.to_string());
            let text = format!("{text:?}");
            assert!(text.contains(expected), "{text} lacks {expected:?}");
        };
        check(&|_| {}, "Ok");
        check(&|_| {}, "Ok"); // all sockets were closed
        check(&|config| config.interface = "absent0".to_owned(), "no interface absent0 for the provisioning");
        check(&|config| config.address = pxe_common::AGENT, "does not have the address 198.18.1.1");
        check(&|config| config.range.1 = Ipv4Addr::new(127, 0, 0, 9), "last address comes before its first");
        let taken = std::net::TcpListener::bind(("127.0.0.1", 80))?;
        check(&|_| {}, "TCP port 80 (HTTP) on interface lo; run the agent as root");
        drop(taken);
        let taken = UdpSocket::bind(("127.0.0.1", 69))?;
        check(&|_| {}, "UDP port 69 (TFTP) on interface lo");
        drop(taken);
        Ok(())
    });
    inside.delete().await?;
    checked
}
