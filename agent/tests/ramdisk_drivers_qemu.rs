//! Edges: the real ramdisk with the kernel for any server, on the hardware of servers as QEMU has it: every disk is found with what it is
//! connected by and is erased, every NIC has its driver, and what has none is named by its PCI numbers.
#![allow(clippy::print_stdout)] // Figures for who reads the test's output.

mod ramdisk_common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use protocol::{
    boot::BootMode,
    hardware::{DiskHealth, DiskMark, HardwareReport, Whole},
    id::RamdiskSessionId,
    ramdisk::BootArguments,
    step::{EraseOrder, Step, StepOutput},
};
use pxe::files::Parts;
use ramdisk::pack::{self, Sources};
use ramdisk_common::{MAC, Machine, Rack, SMALL_DISK_BYTES, WAIT_MAX};

fn rack() -> Rack {
    Rack::with(|workspace, cache| pack::pack_physical(workspace, cache, &Sources::default()).unwrap())
}

/// A server without anything virtual: booted over an e1000e.
fn server() -> Machine {
    let mut server = Machine::new();
    let nic = format!("e1000e,netdev=n,mac={MAC}");
    server.usual = ["-netdev", "user,id=n", "-device", &nic].map(str::to_owned).to_vec();
    server
}

/// Every disk as its transport and serial number, sorted.
fn disks(hardware: &HardwareReport) -> Vec<(&str, &str)> {
    let mut found: Vec<_> =
        hardware.disks.iter().map(|disk| (disk.transport.as_str(), disk.serial.as_str())).collect();
    found.sort_unstable();
    found
}

fn drivers(hardware: &HardwareReport) -> Vec<&str> {
    let mut found: Vec<_> = hardware.nics.iter().map(|nic| nic.driver.as_str()).collect();
    found.sort_unstable();
    found
}

/// Waits until the ramdisk sees a link on every interface: each is set up, whenever it has appeared.
async fn has_every_link(rack: &Rack, session: RamdiskSessionId) {
    let start = Instant::now();
    loop {
        let StepOutput::Inventory { hardware } = rack.step(session, Step::Inventory).await else { panic!() };
        if hardware.nics.iter().all(|nic| nic.carrier) {
            return;
        }
        assert!(start.elapsed() < WAIT_MAX, "an interface has no link: {:?}", hardware.nics);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn off(rack: &Rack, server: &mut Machine, session: RamdiskSessionId) {
    rack.step(session, Step::PowerOff).await;
    server.wait_off().await;
    rack.control.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_disk_of_a_server_is_found_and_erased_and_every_nic_driven() {
    let mut rack = rack();
    let mut server = server();
    let drives = ["sata", "raid", "vmware", "space1", "space2", "dying", "virtual", "card", "stick"];
    for drive in drives {
        // Two paths lead to one of them.
        let options = if drive == "virtual" { ",file.locking=off" } else { "" };
        server.add_drive(drive, options);
    }
    server.add_path("virtual");
    // A label of an md array.
    server.write_on("sata", 4096, &0xa92b_4efc_u32.to_le_bytes());
    // It takes no write at one place. What it does by itself is a format that QEMU answers with success and does not do.
    server.add_faulty_drive("worn", 4 << 20, &["write", "write-zeroes"]);
    server.add_devices(&[
        "ide-hd,drive=sata,bus=ide.0,serial=sata-1,ver=FW-SATA,rotation_rate=7200",
        "megasas,id=raid-hba",
        "scsi-hd,drive=raid,bus=raid-hba.0,serial=raid-1,ver=FW-R,rotation_rate=1",
        "mptsas1068,addr=0x3",
        "pvscsi,id=vmware-hba",
        "scsi-hd,drive=vmware,bus=vmware-hba.0,serial=vmware-1",
        "nvme-subsys,id=subsystem,nqn=subsystem",
        "nvme,serial=nvme-1,subsys=subsystem",
        "nvme-ns,drive=space1,nsid=1,shared=on",
        "nvme-ns,drive=space2,nsid=2,shared=on",
        // Its warning says that it has become unreliable.
        "nvme,drive=dying,serial=dying-1,smart_critical_warning=4",
        "virtio-scsi-pci,id=virtual-hba",
        "scsi-hd,drive=virtual,bus=virtual-hba.0,serial=virtual-1,wwn=0x5000c50015ea71aa,share-rw=on",
        "scsi-hd,drive=virtual-again,bus=virtual-hba.0,serial=virtual-1,wwn=0x5000c50015ea71aa,share-rw=on",
        "scsi-hd,drive=worn,bus=virtual-hba.0,serial=worn-1",
        "sdhci-pci",
        "sd-card,drive=card",
        "qemu-xhci,id=usb",
        "usb-storage,drive=stick,bus=usb.0,serial=stick-1",
    ]);
    for (number, nic) in ["igb", "e1000", "vmxnet3", "rtl8139"].into_iter().enumerate() {
        server.further.extend(["-netdev".to_owned(), format!("user,id=n{number}")]);
        server.add_devices(&[&format!("{nic},netdev=n{number},mac=52:54:00:00:01:0{number}")]);
    }
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, hardware) = rack.ready(&mut server).await;
    println!("console:\n{}", server.console());
    assert_eq!(
        disks(&hardware),
        [
            ("mmc", "0xdeadbeef"),
            ("nvme", "dying-1"),
            ("nvme", "nvme-1"),
            ("nvme", "nvme-1"),
            ("sata", "sata-1"),
            ("scsi", "raid-1"),
            ("scsi", "virtual-1"),
            ("scsi", "vmware-1"),
            ("scsi", "worn-1"),
            ("usb", "stick-1"),
        ],
        "{hardware:?}"
    );
    assert!(hardware.disks.iter().all(|disk| disk.size_bytes == SMALL_DISK_BYTES as u64), "{hardware:?}");
    let of = |serial: &str| hardware.disks.iter().find(|disk| disk.serial == serial).unwrap();
    let (sata, twice, raid) = (of("sata-1"), of("virtual-1"), of("raid-1"));
    assert_eq!(
        (sata.hctl.as_str(), sata.by_path.as_str()),
        ("0:0:0:0", "pci-0000:00:1f.2-ata-1"),
        "{sata:?}"
    );
    assert_eq!((sata.paths, &sata.marks[..]), (1, &[DiskMark::Member(Whole::Md)][..]), "{sata:?}");
    assert_eq!((twice.paths, twice.wwn.as_str()), (2, "naa.5000c50015ea71aa"), "{twice:?}");
    assert!(raid.by_path.starts_with("pci-0000:00:") && raid.by_path.ends_with("-scsi-0:2:0:0"), "{raid:?}");
    assert!(hardware.disks.iter().all(|disk| disk.sector_bytes == 512), "{hardware:?}");
    let said = |serial: &str| {
        let disk = of(serial);
        (disk.firmware.as_str(), disk.health, disk.rotational, disk.used_percent)
    };
    assert_eq!(said("sata-1"), ("FW-SATA", DiskHealth::Good, true, None), "{sata:?}");
    // QEMU's SCSI disks know no SMART.
    assert_eq!(said("raid-1"), ("FW-R", DiskHealth::Unsaid, false, None), "{raid:?}");
    let (well, dying) = (of("nvme-1"), of("dying-1"));
    assert_eq!(
        (well.health, well.used_percent, &well.says[..]),
        (DiskHealth::Good, Some(0), &[][..]),
        "{well:?}"
    );
    assert!(!well.firmware.is_empty(), "{well:?}");
    assert_eq!(
        (dying.health, &dying.marks[..]),
        (DiskHealth::Failing, &[DiskMark::Failing][..]),
        "{dying:?}"
    );
    assert_eq!(dying.says, ["failing: it has become unreliable by errors of media or inside"]);
    assert_eq!(
        (of("stick-1").health, of("stick-1").firmware.as_str()),
        (DiskHealth::Unsaid, ""),
        "asked nothing"
    );
    assert_eq!(drivers(&hardware), ["8139cp", "e1000", "e1000e", "igb", "vmxnet3"]);
    // The driver takes QEMU's SAS controller, which shows Linux no disk, whether there is one or not.
    assert_eq!(hardware.faults, ["no disk behind 1000:0054 (0000:00:03.0), driver mptsas"]);

    let order = EraseOrder { expected: hardware.disks.clone(), ..EraseOrder::default() };
    let StepOutput::Erased { disks } = rack.step(session, Step::EraseDisks(order)).await else { panic!() };
    let failed: Vec<_> = disks.iter().filter(|disk| !disk.failure.is_empty()).collect();
    let [worn] = &failed[..] else { panic!("{disks:?}") };
    assert_eq!(
        (worn.disk.as_ref().unwrap().serial.as_str(), disks.len()),
        ("worn-1", drives.len() + 1),
        "{disks:?}"
    );
    for words in [
        "at bytes 4194304 to 5242879: Input/output error",
        "SCSI sanitize (block erase): the device",
        "SCSI format unit: the drive says that it was done, but byte 4194304 and what follows read as before",
    ] {
        assert!(worn.failure.contains(words), "{words}: {}", worn.failure);
    }
    off(&rack, &mut server, session).await;
    for drive in drives {
        assert!(server.left_on(drive).iter().all(|byte| *byte == 0), "{drive} is not empty");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_driver_is_named_and_what_appears_later_is_driven() {
    let mut rack = rack();
    let mut server = server();
    server.add_drive("late", "");
    server.further.extend(["-netdev", "user,id=odd"].map(str::to_owned));
    server.add_devices(&[
        "pcnet,netdev=odd,addr=0x10",
        "lsi53c895a,addr=0x11",
        "megasas,addr=0x12",
        "qemu-xhci,id=usb",
    ]);
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, hardware) = rack.ready(&mut server).await;
    println!("console:\n{}", server.console());
    let faults = [
        "no NIC driver for 1022:2000 (0000:00:10.0)",
        "no storage driver for 1000:0012 (0000:00:11.0)",
        "no disk behind 1000:0060 (0000:00:12.0), driver megaraid_sas",
        "no disk behind 8086:2922 (0000:00:1f.2), driver ahci",
    ];
    assert_eq!(hardware.faults, faults);
    for fault in faults {
        assert!(server.console().contains(fault), "{fault} is not said");
    }
    assert!(!hardware.modules.contains(&"usb_storage".to_owned()), "{:?}", hardware.modules);

    server.plug_in(&serde_json::json!({
        "driver": "usb-storage", "drive": "late", "serial": "late-1", "bus": "usb.0", "id": "plugged",
    }));
    let start = Instant::now();
    loop {
        let StepOutput::Inventory { hardware } = rack.step(session, Step::Inventory).await else { panic!() };
        if disks(&hardware) == [("usb", "late-1")] {
            break;
        }
        assert!(start.elapsed() < WAIT_MAX, "the stick does not appear: {hardware:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    off(&rack, &mut server, session).await;
}

/// A table by which the firmware names the third serial port for its console.
fn spcr(path: &Path) {
    let mut table = vec![0; 44];
    table[4] = 1; // I/O ports
    table[8..16].copy_from_slice(&0x3e8u64.to_le_bytes());
    table[22] = 7; // 115200
    fs::write(path, table).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_to_every_console_that_the_firmware_names_or_that_is_usual() {
    let mut rack = rack();
    let mut server = server();
    let path = |name: &str| server.dir.path().join(name).display().to_string();
    let table = path("spcr");
    spcr(Path::new(&table));
    let ports = [path("second.log"), path("third.log")];
    let mut further = vec!["-acpitable".to_owned(), format!("sig=SPCR,rev=2,data={table}")];
    for port in &ports {
        further.extend(["-serial".to_owned(), format!("file:{port}")]);
    }
    server.further.extend(further);
    server.boot(&rack.boot, &rack.arguments(), BootMode::Bios);
    let (session, _) = rack.ready(&mut server).await;
    off(&rack, &mut server, session).await;
    for port in ports {
        let said = fs::read_to_string(&port).unwrap_or_default();
        assert!(said.contains("bms: ramdisk ") && said.contains("bms: power off"), "{port}: {said}");
    }
}

/// Gives the files of a ramdisk as the agent does; returns its port, and which were asked for.
fn give_files(dir: PathBuf) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let request = lines.next().unwrap();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let path = request.split(' ').nth(1).unwrap();
            let name = path.strip_prefix(&format!("/boot/{MAC}/part/")).unwrap().to_owned();
            let content = fs::read(dir.join(&name)).unwrap();
            told.lock().unwrap().push(name);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
            stream.write_all(&[head.as_bytes(), &content].concat()).unwrap();
        }
    });
    (port, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_loaded_with_the_drivers_of_its_nic_and_gets_the_others_that_it_needs() {
    const LEAN_BYTES_MAX: usize = 1 << 20;
    let mut rack = rack();
    let mut server = server();
    let parts = Parts::read(&rack.boot.dir).unwrap();
    // As iPXE writes that it boots by an 82574L.
    let lean = parts.ramdisk("01808610d3").unwrap();
    println!("{} bytes", lean.len());
    assert!(lean.len() <= LEAN_BYTES_MAX, "{} bytes", lean.len());
    rack.boot.initrd = server.dir.path().join("lean");
    fs::write(&rack.boot.initrd, lean).unwrap();
    let (port, asked) = give_files(rack.boot.dir.join("files"));
    for drive in ["sata", "vmware"] {
        server.add_drive(drive, "");
    }
    server.add_devices(&[
        "ide-hd,drive=sata,bus=ide.0,serial=sata-1",
        "pvscsi,id=vmware-hba",
        "scsi-hd,drive=vmware,bus=vmware-hba.0,serial=vmware-1",
    ]);
    // Its interface appears when the one that we boot over has its address already.
    server.further.extend(["-netdev", "user,id=second"].map(str::to_owned));
    server.add_devices(&["igb,netdev=second,mac=52:54:00:00:01:01"]);
    let arguments = BootArguments { parts_port: Some(port), ..rack.arguments() };
    server.boot(&rack.boot, &arguments, BootMode::Bios);
    let (session, hardware) = rack.ready(&mut server).await;
    println!("console:\n{}", server.console());
    assert_eq!(disks(&hardware), [("sata", "sata-1"), ("scsi", "vmware-1")]);
    let found = (drivers(&hardware), hardware.faults.len());
    assert_eq!(found, (vec!["e1000e", "igb"], 0), "{:?}", hardware.faults);
    has_every_link(&rack, session).await;
    off(&rack, &mut server, session).await;
    let asked = asked.lock().unwrap();
    let needed = ["ahci", "igb", "vmw_pvscsi", "sd_mod"].map(|name| format!("lib/modules/{name}.ko"));
    assert!(needed.iter().all(|file| asked.contains(file)), "{asked:?}");
    let others = ["nvme", "e1000e", "i40e", "megaraid_sas"].map(|name| format!("lib/modules/{name}.ko"));
    assert!(!others.iter().any(|file| asked.contains(file)), "{asked:?}");
}
