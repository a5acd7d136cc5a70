//! Edges: a cloud image as people have them, Debian's with systemd and cloud-init, deployed by the agent's real control and the real ramdisk, and
//! started from the disk by BIOS, by UEFI and with Secure Boot: cloud-init finds the configuration drive, and sends its own log over the
//! tenant's network. The image is made by `tests/cloud-image.sh`, which takes minutes and the network: `make cloud-image` runs this.

#![allow(clippy::print_stdout)] // Figures for who reads the output.

mod ramdisk_common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use protocol::{
    boot::BootMode,
    root_device::RootDeviceHints,
    step::{ImageFormat, Step, StepOutput},
};
use ramdisk_common::{MAC, Machine, Rack};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const INSTANCE: &str = "c0ffee00-0000-4000-8000-000000000002";
/// Larger than the image, so that its root can grow.
const DISK_BYTES: u64 = 3 << 30;
/// The root partition as the image has it, in sectors.
const ROOT_SECTORS: u64 = 2_867_200;
/// An address that no DHCP server gives here: it comes from the drive.
const ADDRESS: &str = "10.0.2.77";
/// A whole Debian starts without acceleration.
const START_MAX: Duration = Duration::from_secs(600);
const REPORT_BYTES_MAX: u64 = 16 << 20;

/// The directory with the image in all its forms.
fn image() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = workspace.join(".lab/cache/cloud-image");
    let made = Command::new(workspace.join("tests/cloud-image.sh")).arg(&dir).status().unwrap();
    assert!(made.success(), "the image was not made");
    dir
}

/// What the tenant's server does at every start: it sends its log, and how it finds itself.
fn report(port: u16) -> String {
    format!(
        r#"#cloud-config
write_files:
  - path: /var/lib/cloud/scripts/per-boot/report
    permissions: "0755"
    content: |
      #!/bin/sh
      exec python3 - <<'END'
      import subprocess, urllib.request
      seen = subprocess.run("ip -4 addr; cat /run/systemd/resolve/resolv.conf; "
          "echo root $(cat /sys/block/vda/vda3/size); "
          "echo secure $(od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-*)",
          shell=True, capture_output=True).stdout
      log = open("/var/log/cloud-init.log", "rb").read()
      urllib.request.urlopen("http://10.0.2.2:{port}/", data=log + seen)
      END
"#
    )
}

/// The drive as Nova makes it, with the networks that we put in.
fn drive(dir: &Path, port: u16) -> Vec<u8> {
    let latest = dir.join("drive/openstack/latest");
    fs::create_dir_all(&latest).unwrap();
    let meta = serde_json::json!({"uuid": INSTANCE, "hostname": "demo", "name": "demo"});
    let networks = serde_json::json!({
        "links": [{"id": "interface0", "type": "phy", "ethernet_mac_address": MAC, "mtu": null}],
        "networks": [{"id": "network0", "type": "ipv4", "link": "interface0", "network_id": INSTANCE,
            "ip_address": ADDRESS, "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.2.2"}]}],
        "services": [{"type": "dns", "address": "192.0.2.53"}],
    });
    fs::write(latest.join("meta_data.json"), meta.to_string()).unwrap();
    fs::write(latest.join("network_data.json"), networks.to_string()).unwrap();
    fs::write(latest.join("user_data"), report(port)).unwrap();
    let iso = dir.join("drive.iso");
    let made = Command::new("genisoimage")
        .args(["-quiet", "-J", "-r", "-V", "config-2", "-o"])
        .args([&iso, &dir.join("drive")])
        .status();
    assert!(made.unwrap().success());
    fs::read(iso).unwrap()
}

/// Writes the image by the ramdisk, and leaves the server off.
async fn deploy(image: &Path, format: ImageFormat, firmware: BootMode, port: u16) -> Machine {
    let mut rack = Rack::new();
    let name = image.file_name().unwrap().to_str().unwrap();
    fs::copy(image, rack.images.path().join(name)).unwrap();
    let mut server = Machine::new();
    server.disk().set_len(DISK_BYTES).unwrap();
    server.boot(&rack.boot, &rack.arguments(), firmware);
    let (session, _) = rack.ready(&mut server).await;
    let step = Step::WriteImage { image: rack.image(name, format), root_device: RootDeviceHints::default() };
    let written = rack.step(session, step).await;
    assert!(matches!(written, StepOutput::ImageWritten { .. }), "{written:?}");
    let content = drive(server.dir.path(), port);
    rack.step(session, Step::WriteConfigDrive { content }).await;
    rack.step(session, Step::InstallBootEntry).await;
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    rack.control.stop().await;
    server
}

/// Starts the server from its disk; gives what it reports.
async fn start(server: &mut Machine, machine: &str, further: &[&str], listener: &TcpListener) -> String {
    server.further =
        ["-m", "1024", "-smp", "2"].iter().chain(further).map(|word| (*word).to_owned()).collect();
    server.start(machine);
    let begun = Instant::now();
    let reported = tokio::time::timeout(START_MAX, receive(listener)).await;
    let report = reported.expect("the server does not report");
    println!("report after {:.0} s", begun.elapsed().as_secs_f32());
    let mut qemu = server.qemu.take().unwrap();
    qemu.kill().unwrap();
    qemu.wait().unwrap();
    report
}

async fn receive(listener: &TcpListener) -> String {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lengths = head.lines().filter_map(|line| {
                line.to_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            if lengths.next().is_some_and(|length| body.len() >= length) {
                let body = body.to_owned();
                client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                return body;
            }
        }
        let mut piece = [0; 65536];
        let length = client.read(&mut piece).await.unwrap();
        assert!(length > 0 && (seen.len() as u64) < REPORT_BYTES_MAX, "the report is cut off");
        seen.extend_from_slice(&piece[..length]);
    }
}

#[track_caller]
fn check(report: &str, secure: bool) {
    assert!(report.contains("DataSourceConfigDrive"), "cloud-init did not take the drive: {report}");
    assert!(report.contains(&format!("inet {ADDRESS}/24")), "not its address: {report}");
    assert!(report.contains("nameserver 192.0.2.53"), "not its name server: {report}");
    let root = report.lines().find_map(|line| line.strip_prefix("root ")?.trim().parse::<u64>().ok());
    assert!(root.is_some_and(|sectors| sectors > ROOT_SECTORS), "the root has not grown: {root:?}");
    assert_eq!(report.lines().any(|line| line.trim_end() == "secure 1"), secure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes a Debian and takes minutes; make cloud-image runs it"]
async fn a_cloud_image_is_deployed_and_answers_with_cloud_inits_own_log() {
    let image = image();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();

    let mut server = deploy(&image.join("debian.raw.zst"), ImageFormat::Raw, BootMode::Bios, port).await;
    let by_bios = start(&mut server, "q35", &[], &listener).await;
    check(&by_bios, false);

    let mut server = deploy(&image.join("debian.qcow2"), ImageFormat::Qcow2, BootMode::Uefi, port).await;
    let own = server.dir.path().join("vars.fd");
    let variables = format!("if=pflash,format=raw,unit=1,file={}", own.display());
    let code = "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd";
    let by_uefi = start(&mut server, "q35", &["-drive", code, "-drive", &variables], &listener).await;
    check(&by_uefi, false);

    fs::copy("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", &own).unwrap();
    let code = "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.ms.fd";
    let locked =
        ["-global", "driver=cfi.pflash01,property=secure,value=on", "-drive", code, "-drive", &variables];
    let by_secure_boot = start(&mut server, "q35,smm=on", &locked, &listener).await;
    check(&by_secure_boot, true);
}
