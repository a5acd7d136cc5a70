//! Values: the drivers that servers need: whatever their disks and their networks sit on, and what tells of their health.
//!
//! What these use, and what the kernel asks for by name while they start, comes with them.

/// What a virtual server's kernel loads; NVMe is built into it.
pub(super) const VIRTUAL: [&str; 4] = ["virtio_pci", "virtio_net", "virtio_blk", "efivarfs"];

/// What a server's kernel may have to load. A name that a kernel does not have is passed over: they come and go.
pub(super) const PHYSICAL: [&[&str]; 6] = [&DISKS, &CONTROLLERS, &BUSES, &NICS, &VIRTUAL, &MANAGEMENT];

/// What makes block devices of what controllers show.
const DISKS: [&str; 4] = ["sd_mod", "mmc_block", "nvme", "uas"];

/// SATA, SAS, RAID, and what virtual machines have.
const CONTROLLERS: [&str; 23] = [
    "ahci",
    "ata_piix",
    "ata_generic",
    "vmd",
    "megaraid_sas",
    "mpt3sas",
    "mptsas",
    "mptspi",
    "mpi3mr",
    "smartpqi",
    "hpsa",
    "aacraid",
    "isci",
    "pm80xx",
    "mvsas",
    "arcmsr",
    "3w-sas",
    "virtio_scsi",
    "vmw_pvscsi",
    "sdhci_pci",
    "sdhci_acpi",
    "usb_storage",
    "hv_storvsc",
];

/// What controllers sit on.
const BUSES: [&str; 5] = ["xhci_pci", "ehci_pci", "uhci_hcd", "ohci_pci", "hv_vmbus"];

/// Network interfaces.
pub(super) const NICS: [&str; 33] = [
    "e1000",
    "e1000e",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "i40e",
    "iavf",
    "ice",
    "tg3",
    "bnxt_en",
    "bnx2x",
    "bnx2",
    "mlx4_core",
    "mlx4_en",
    "mlx5_core",
    "qede",
    "qlcnic",
    "sfc",
    "ena",
    "vmxnet3",
    "8139cp",
    "8139too",
    "r8169",
    "be2net",
    "enic",
    "cxgb4",
    "atlantic",
    "nfp",
    "ionic",
    "hinic",
    "gve",
    "hv_netvsc",
];

/// The BMC as the system sees it, and errors of memory.
const MANAGEMENT: [&str; 9] = [
    "ipmi_si",
    "ipmi_ssif",
    "ipmi_devintf",
    "tpm_crb",
    "amd64_edac",
    "skx_edac",
    "i10nm_edac",
    "sb_edac",
    "ie31200_edac",
];
