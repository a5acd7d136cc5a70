//! Values: which BMCs have which quirk by IPMI, each with the report that it is known from.

use protocol::quirk::Quirk;

use super::{Of, Row, Taken, Vendor};

/// IANA enterprise numbers of makers.
mod iana {
    pub const QUANTA: u32 = 7244;
    pub const MONTAVISTA: u32 = 4753;
    pub const SUPERMICRO: u32 = 10_876;
    pub const SUPERMICRO_NEW: u32 = 47_488;
    pub const OPENPOWER: u32 = 42_817;
}

const FREEIPMI: &str =
    "https://github.com/chu11/freeipmi-mirror/blob/master/doc/freeipmi-bugs-issues-and-workarounds.txt";
const IPMITOOL_LANPLUS: &str =
    "https://github.com/ipmitool/ipmitool/blob/master/src/plugins/lanplus/lanplus.c";

/// The table. Every row that a BMC's maker fits is heeded.
pub const ROWS: &[Row] = &[
    Row {
        of: Of::all(Vendor::Iana(iana::SUPERMICRO)),
        whose: "Supermicro",
        quirks: &[Quirk::EfiDiskIsRemote],
        source: "https://storyboard.openstack.org/#!/story/2008241",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::SUPERMICRO_NEW)),
        whose: "Supermicro, newer boards (they have another number)",
        quirks: &[Quirk::EfiDiskIsRemote],
        source: "https://www.supermicro.com/support/faqs/faq.cfm?faq=25559",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::SUPERMICRO)),
        whose: "Supermicro",
        quirks: &[Quirk::AllClearingSuppressed],
        source: "https://github.com/kinvolk/racker/pull/36",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::SUPERMICRO_NEW)),
        whose: "Supermicro, newer boards",
        quirks: &[Quirk::AllClearingSuppressed],
        source: "https://github.com/kinvolk/racker/pull/36",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::OPENPOWER)),
        whose: "OpenPOWER servers with OpenBMC, such as Romulus",
        quirks: &[Quirk::UnspecifiedPasses],
        source: "https://github.com/openbmc/openbmc/issues/1810",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::OPENPOWER)),
        whose: "OpenPOWER servers with OpenBMC, such as Witherspoon",
        quirks: &[Quirk::BootOptionsAnnounced],
        source: "https://github.com/openbmc/openbmc/issues/2356",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::QUANTA)),
        whose: "Quanta, seen on S99Q (Dell FS12-TY)",
        quirks: &[Quirk::PauseBetweenRequests],
        source: FREEIPMI,
    },
    Row {
        of: Of::Maker {
            vendor: Vendor::Iana(iana::MONTAVISTA),
            product: Some("0x0f02"),
            from: None,
            below: None,
        },
        whose: "ipmi_sim of OpenIPMI, as its examples configure it (it shows all flags as not valid)",
        quirks: &[Quirk::BootFlagsNotRead],
        source: "https://sourceforge.net/p/openipmi/code/ci/master/tree/lanserv/bmc_chassis.c",
    },
    Row {
        of: Of::Maker { vendor: Vendor::Unsaid, product: Some("0x0000"), from: None, below: None },
        whose: "BMCs made of pyghmi's classes, such as VirtualBMC",
        quirks: &[Quirk::ForgetsFirmwareMode],
        source: "https://opendev.org/x/pyghmi/src/branch/master/pyghmi/ipmi/bmc.py",
    },
    Row {
        of: Of::BySite,
        whose: "KubeVirtBMC",
        quirks: &[Quirk::BootFlagsNotRead],
        source: "https://github.com/kubevirtbmc/kubevirtbmc/pull/234",
    },
    Row {
        of: Of::BySite,
        whose: "Intel SE7520AF2 with its server management module",
        quirks: &[Quirk::ProofWithoutNameBit],
        source: FREEIPMI,
    },
    Row {
        of: Of::BySite,
        whose: "Intel 82571 in pass-through mode",
        quirks: &[Quirk::ProofWithoutNameBit, Quirk::UserNamePadded],
        source: IPMITOOL_LANPLUS,
    },
    Row {
        of: Of::BySite,
        whose: "machines of openSUSE's test farm that start their disk when they are told to boot once from the network",
        quirks: &[Quirk::NetworkBootPersistent],
        source: "https://github.com/os-autoinst/os-autoinst-distri-opensuse/pull/17788",
    },
    Row {
        of: Of::BySite,
        whose: "Supermicro X11DSC+ with firmware 1.68, which starts its disk when it is told to boot once from the network",
        quirks: &[Quirk::NetworkBootPersistent],
        source: "https://github.com/bmc-toolbox/bmclib/pull/209",
    },
    Row {
        of: Of::BySite,
        whose: "servers of SUSE's test racks that do not find their disks after a reset",
        quirks: &[Quirk::ResetByOffAndOn],
        source: "https://github.com/SUSE-Cloud/automation/pull/1106",
    },
    Row {
        of: Of::BySite,
        whose: "Dell R710 (iDRAC 6), which has no suite 17",
        quirks: &[Quirk::SuiteThreeFirst],
        source: "https://github.com/ipmitool/ipmitool/issues/29",
    },
    Row {
        of: Of::BySite,
        whose: "Supermicro H8QME, whose BMC is overwhelmed by settings one upon the other",
        quirks: &[Quirk::PauseBetweenRequests],
        source: FREEIPMI,
    },
    Row {
        of: Of::BySite,
        whose: "servers whose BMC stops answering after a series of commands",
        quirks: &[Quirk::PauseBetweenRequests],
        source: "https://github.com/siderolabs/omni/issues/785",
    },
    Row {
        of: Of::BySite,
        whose: "Dell R640 with iDRAC 9 4.20, when others use up its sessions",
        quirks: &[Quirk::SessionNotKept],
        source: "https://github.com/openshift-kni/baremetal-deploy/pull/481",
    },
    Row {
        of: Of::BySite,
        whose: "servers whose firmware boots in circles while the disk is chosen as boot device",
        quirks: &[Quirk::DiskBootLeftAlone],
        source: "https://bugs.launchpad.net/ironic/+bug/2053064",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::SUPERMICRO)),
        whose: "Supermicro, which takes longer passwords and lets nobody in by them",
        quirks: &[Quirk::PasswordNineteenMost],
        source: "https://jm.technology/post/change-ipmi-user-password_final/",
    },
    Row {
        of: Of::all(Vendor::Iana(iana::SUPERMICRO_NEW)),
        whose: "Supermicro, newer boards, whose limit nobody has reported to be another one",
        quirks: &[Quirk::PasswordNineteenMost],
        source: "https://jm.technology/post/change-ipmi-user-password_final/",
    },
    Row {
        of: Of::BySite,
        whose: "Inspur, seen on OB5161M5",
        quirks: &[Quirk::PasswordSixteenMost],
        source: "https://manualshive.com/ru/manual/inspur/ob5161m5/2069421?page=101",
    },
    Row {
        of: Of::BySite,
        whose: "Hitachi DS120, DS220, DS225 and DS240, which want 8 to 16 characters without a colon",
        quirks: &[Quirk::PasswordSixteenMost],
        source: "https://docs.hitachivantara.com/r/en-us/unified-compute-platform-advisor/4.5.x/mk-92ucp120/overview/\
                 hardware-and-software/device-username-and-password-restrictions",
    },
    Row {
        of: Of::BySite,
        whose: "Lenovo XCC whose minimum password length is set to 20, which IPMI does not tell",
        quirks: &[Quirk::PasswordTwentyLeast],
        source: "https://www.easymanua.ls/lenovo/thinksystem-sd530/manual?p=57",
    },
    Row {
        of: Of::BySite,
        whose: "BMCs of IPMI 1.5, and those of which a longer password is cut off without a word",
        quirks: &[Quirk::PasswordSixteenMost],
        source: "https://github.com/ipmitool/ipmitool/issues/347",
    },
];

/// What is taken of every BMC by IPMI.
pub const TAKEN_OF_ALL: &[Taken] = &[
    Taken {
        whose: "OpenBMC of several makers",
        what: "RAKP 2 and 4 carry message tag 0, whatever tag was sent",
        remedy: "taken when session id and code are right",
        source: "https://github.com/xcat2/xcat-core/issues/7555",
    },
    Taken {
        whose: "OpenBMC",
        what: "a refusal in RAKP 2 has zeroes in place of tag and session id",
        remedy: "taken as the refusal of the login that is under way: the user is tried once, not four times",
        source: "https://github.com/openbmc/phosphor-net-ipmid/blob/master/command/rakp12.cpp",
    },
    Taken {
        whose: "several",
        what: "a refusal ends after its status",
        remedy: "taken",
        source: "https://github.com/ipmitool/ipmitool/issues/53",
    },
    Taken {
        whose: "Sun Fire X4150, Dell Xanadu II, Supermicro X8DTH and X8DTG, Intel S5500WBV and S2600JF, Quanta QSSC-S4R",
        what: "codes, or the session's keys alone, are hashed with the privilege of Open Session in place of RAKP 1's role",
        remedy: "both ask for the same privilege, and the codes of RAKP 2 and 4 are compared with every known form",
        source: FREEIPMI,
    },
    Taken {
        whose: "Supermicro H8QME, Sun Fire 4100",
        what: "the code of RAKP 2 has bytes too many",
        remedy: "the bytes that the algorithm makes are compared",
        source: FREEIPMI,
    },
    Taken {
        whose: "Tyan S2882 with M3289",
        what: "answers in a session name session 0",
        remedy: "taken when the session's key authenticates them",
        source: FREEIPMI,
    },
    Taken {
        whose: "OpenBMC on Romulus",
        what: "after a power command, Set Session Privilege Level is once refused with \"insufficient privilege\"",
        remedy: "the login is repeated",
        source: "https://github.com/openbmc/openbmc/issues/1812",
    },
    Taken {
        whose: "sites that hand out OPERATOR users",
        what: "ADMINISTRATOR is refused",
        remedy: "OPERATOR is asked for; ipmi_priv_level says so from the first login on",
        source: "https://github.com/kontron/python-ipmi/pull/168",
    },
    Taken {
        whose: "Dell iDRAC 9 and others",
        what: "no session is free for a while",
        remedy: "asked again within the command's time",
        source: "https://github.com/openshift-kni/baremetal-deploy/pull/481",
    },
    Taken {
        whose: "OpenBMC",
        what: "pongs have the number of ASF in the wrong byte order, or there are none",
        remedy: "both orders are taken; a scan asks Get Channel Authentication Capabilities besides",
        source: "https://github.com/openbmc/phosphor-net-ipmid/issues/25",
    },
    Taken {
        whose: "most",
        what: "boot flags are cleared 60 s after they were set, before the firmware has read them",
        remedy: "parameter 3 is set first, and the flags are read back before the power goes on",
        source: "https://github.com/kinvolk/racker/pull/36",
    },
    Taken {
        whose: "Supermicro, seen on openSUSE's test farm",
        what: "stale boot flags are shown, without the bit that says that they are valid",
        remedy: "flags that are not valid are a mismatch",
        source: "https://github.com/os-autoinst/os-autoinst-distri-opensuse/pull/17794",
    },
    Taken {
        whose: "machines of openSUSE's test farm",
        what: "a power-up right after a power-down is answered with \"done\" and does nothing",
        remedy: "given again after some seconds without effect",
        source: "https://github.com/os-autoinst/os-autoinst/pull/603",
    },
    Taken {
        whose: "Dell",
        what: "switching off what is off is refused (0xd5)",
        remedy: "the power is read after a refusal; what was wanted is a success",
        source: "https://github.com/bmc-toolbox/bmclib/issues/382",
    },
    Taken {
        whose: "Supermicro",
        what: "a reset of a server that is off is answered with \"done\" and does nothing",
        remedy: "the power is read before; a server that is off is switched on",
        source: "https://github.com/bmc-toolbox/bmclib/issues/211",
    },
    Taken {
        whose: "all",
        what: "passwords have 20 bytes at most, and BMCs of IPMI 1.5 take 16; common tools cut off what is longer",
        remedy: "16 are made where nothing else is wanted; one of more than 20 is told to no BMC",
        source: "https://github.com/bmc-toolbox/bmclib/issues/327",
    },
    Taken {
        whose: "some, seen on a Supermicro 6019U-TRT",
        what: "the short form of Set User Password is refused for its length",
        remedy: "the long one of 20 bytes is sent",
        source: "https://github.com/Seagate/cortx-prvsnr/issues/4794",
    },
    Taken {
        whose: "HP CL2100 (MergePoint), Supermicro, TrueNAS appliances",
        what: "a password must have capitals, small letters, digits and a sign",
        remedy: "each that is made has all four; its only sign is a dash, inside",
        source: "https://github.com/RackHD/RackHD/issues/631",
    },
];
