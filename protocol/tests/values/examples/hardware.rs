//! Values: what a server is made of and says of itself.

use protocol::{
    boot::BootMode,
    hardware::{Cpu, Disk, DiskHealth, DiskMark, HardwareReport, Neighbour, Nic, SystemIdentity, Whole},
    health::{
        BmcClock, HardwareChange, Limits, LogChange, LogCourse, LogEntry, Milli, Says, Sensor, SensorChange,
        SensorKind, Severity,
    },
};

use super::MAC;

pub(super) fn example_hardware() -> HardwareReport {
    HardwareReport {
        system: SystemIdentity {
            manufacturer: "QEMU".into(),
            product: "Q35".into(),
            serial: "7".into(),
            uuid: String::new(),
        },
        boot_mode: BootMode::Uefi,
        cpu: Cpu { count: 2, architecture: "x86_64".into(), model: "TCG".into(), flags: vec!["sse2".into()] },
        memory_mib: 1024,
        disks: vec![Disk {
            name: "/dev/vda".into(),
            size_bytes: 4 << 30,
            rotational: true,
            model: "m".into(),
            serial: "s".into(),
            wwn: "w".into(),
            ..Disk::default()
        }],
        nics: vec![Nic {
            name: "eth0".into(),
            mac: MAC,
            ipv4: "198.18.1.50".into(),
            carrier: true,
            speed_mbps: 1000,
            driver: "virtio_net".into(),
            vendor: "0x1af4".into(),
            product: "0x1000".into(),
            booted: true,
            neighbour: None,
        }],
        ..HardwareReport::default()
    }
}

/// Hardware with all that discovery added to it.
pub(super) fn example_machine() -> HardwareReport {
    let mut hardware = example_hardware();
    hardware.system.uuid = "11111111-2222-3333-4444-555555555555".into();
    hardware.nics[0].neighbour = Some(Neighbour {
        switch: "leaf1".into(),
        switch_id: "02:00:00:00:00:01".into(),
        port: "xe-0/0/0".into(),
        port_description: "rack 1".into(),
    });
    hardware
}

/// One that has answered.
pub(super) fn asked_disk() -> Disk {
    Disk {
        firmware: "JXTC404Q".into(),
        health: DiskHealth::Failing,
        used_percent: Some(101),
        says: vec!["failing: SMART says so".into()],
        ..example_disk()
    }
}

/// One of which everything is known.
pub(super) fn example_disk_in_full() -> Disk {
    Disk {
        transport: "sata".into(),
        vendor: "ATA".into(),
        sector_bytes: 512,
        physical_sector_bytes: 4096,
        hctl: "0:0:0:0".into(),
        by_path: "pci-0000:00:1f.2-ata-1".into(),
        paths: 2,
        marks: vec![DiskMark::Locked, DiskMark::Member(Whole::Md)],
        ..example_disk()
    }
}

pub(super) fn example_disk() -> Disk {
    Disk {
        name: "/dev/sda".into(),
        size_bytes: 9,
        rotational: true,
        model: "a".into(),
        serial: "b".into(),
        wwn: "c".into(),
        removable: true,
        read_only: true,
        ..Disk::default()
    }
}

pub(super) fn sensors() -> HardwareChange {
    let limits = Limits {
        upper_warning: Some(Milli(90_000)),
        upper_critical: Some(Milli(95_000)),
        ..Limits::default()
    };
    let sensor = |key: &str, name: &str, kind, severity, says| Sensor {
        key: key.into(),
        name: name.into(),
        kind,
        severity,
        says,
    };
    HardwareChange::Sensors(SensorChange {
        sensors: vec![
            sensor(
                "20/0/30",
                "CPU1 Temp",
                SensorKind::Temperature,
                Severity::Critical,
                Says::Number { value: Milli(96_500), unit: "°C".into(), limits, hysteresis: Milli(2000) },
            ),
            sensor(
                "20/0/51",
                "PSU2 Status",
                SensorKind::PowerSupply,
                Severity::Ok,
                Says::States(vec!["present".into()]),
            ),
            sensor("20/0/41", "FAN1", SensorKind::Fan, Severity::Ok, Says::Nothing("no reading now".into())),
        ],
        complete: true,
        draw_w: Some(212),
        left_out: 3,
    })
}

pub(super) fn log() -> HardwareChange {
    HardwareChange::Log(LogChange {
        entries: vec![LogEntry {
            id: "3".into(),
            fingerprint: "030002".into(),
            at_s: Some(1_767_225_600),
            sensor: "DIMM A1".into(),
            kind: SensorKind::Memory,
            text: "uncorrectable error".into(),
            severity: Severity::Critical,
            condition: "20/0c/6f/1".into(),
            ends: false,
        }],
        left_out: 1,
        course: LogCourse::Cleared,
        records: 4,
        is_full: true,
        clock: BmcClock::Off { by_s: -3600 },
    })
}
