//! Edges: the tenant's image on a virtual server, by both firmwares: it boots from the disk, reads the configuration drive that
//! our ramdisk's code put there, answers with its instance id, and counts its boots over a pulled plug.
#![allow(clippy::print_stdout)] // Figures for who reads the test's output.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use protocol::boot::BootMode;
use ramdisk::{config_drive, disk::OpenDisk};
use tests::image::{self, TenantImage};

const DISK_BYTES: u64 = 256 << 20;
const INSTANCE: &str = "c0ffee00-0000-4000-8000-000000000001";
const WAIT_MAX: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_millis(200);

struct Machine {
    dir: tempfile::TempDir,
    qemu: Child,
    port: u16,
    started: Instant,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        if std::thread::panicking() {
            let console = fs::read(self.dir.path().join("console.log")).unwrap_or_default();
            eprintln!("console:\n{}", String::from_utf8_lossy(&console));
        }
    }
}

fn disk_of(image: &TenantImage, dir: &Path) -> PathBuf {
    let (disk, drive) = (dir.join("disk.raw"), dir.join("drive"));
    fs::copy(&image.raw, &disk).unwrap();
    let file = File::options().read(true).write(true).open(&disk).unwrap();
    file.set_len(DISK_BYTES).unwrap();
    fs::create_dir_all(drive.join("openstack/latest")).unwrap();
    let meta = format!(r#"{{"uuid": "{INSTANCE}", "hostname": "demo"}}"#);
    fs::write(drive.join("openstack/latest/meta_data.json"), meta).unwrap();
    let iso = dir.join("drive.iso");
    let made = Command::new("genisoimage")
        .args(["-quiet", "-J", "-r", "-V", "config-2", "-o"])
        .args([&iso, &drive])
        .status();
    assert!(made.unwrap().success());
    let open = OpenDisk::from_file(file, "disk.raw".into(), DISK_BYTES);
    config_drive::write(&open, &fs::read(iso).unwrap()).unwrap();
    let verified = Command::new("sfdisk").arg("--verify").arg(&disk).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    disk
}

fn boot(dir: tempfile::TempDir, firmware: BootMode) -> Machine {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-nodefaults", "-no-user-config", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"])
        .args(["-m", "512", "-display", "none", "-serial", &format!("file:{}", path("console.log"))])
        .args(["-drive", &format!("file={},if=none,id=d,format=raw,discard=unmap", path("disk.raw"))])
        .args([
            "-device",
            "virtio-blk-pci,drive=d,bootindex=0",
            "-device",
            "virtio-net-pci,netdev=n,romfile=",
        ])
        .args(["-netdev", &format!("user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80")]);
    match firmware {
        BootMode::Bios => {}
        BootMode::Uefi => {
            let vars = path("vars.fd");
            if !Path::new(&vars).exists() {
                fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &vars).unwrap();
            }
            let code = "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd";
            qemu.args(["-drive", code, "-drive", &format!("if=pflash,format=raw,unit=1,file={vars}")]);
        }
    }
    let started = Instant::now();
    let qemu = qemu.stdin(Stdio::null()).spawn().unwrap();
    Machine { dir, qemu, port, started }
}

impl Machine {
    async fn page(&self) -> serde_json::Value {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{}/", self.port);
        loop {
            if let Ok(answer) = client.get(&url).send().await
                && let Ok(page) = answer.json().await
            {
                println!("page after {:.1} s", self.started.elapsed().as_secs_f32());
                return page;
            }
            assert!(self.started.elapsed() < WAIT_MAX, "no page");
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn boots(firmware: BootMode) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.lab/cache");
    let image = image::build(&cache).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let disk = disk_of(&image, dir.path());
    assert!(!image::holds_secret(&disk).unwrap());

    let mut server = boot(dir, firmware);
    let page = server.page().await;
    assert_eq!(
        (&page["instance_id"], &page["hostname"], &page["boot_count"]),
        (&INSTANCE.into(), &"demo".into(), &1.into())
    );
    server.qemu.kill().unwrap();
    server.qemu.wait().unwrap();
    assert!(image::holds_secret(&disk).unwrap());

    let dir = std::mem::replace(&mut server.dir, tempfile::tempdir().unwrap());
    let again = boot(dir, firmware);
    assert_eq!(again.page().await["boot_count"], 2);
}

#[tokio::test]
async fn the_tenant_image_boots_by_bios() {
    boots(BootMode::Bios).await;
}

#[tokio::test]
async fn the_tenant_image_boots_by_uefi() {
    boots(BootMode::Uefi).await;
}
