//! Values: which BMCs have which quirk by Redfish, each with the report that it is known from.

use protocol::quirk::Quirk;

use super::{Of, Row, Taken, Vendor};

/// The table. Every row that a BMC's maker fits is heeded.
pub const ROWS: &[Row] = &[
    Row {
        of: Of::all(Vendor::Named("HPE")),
        whose: "HPE, seen with iLO 5",
        quirks: &[Quirk::BootModeNotSent],
        source: "https://github.com/ansible-collections/community.general/issues/3509",
    },
    Row {
        of: Of::all(Vendor::Named("ASRock")),
        whose: "ASRock and ASRockRack",
        quirks: &[Quirk::BootAtSettings],
        source: "https://github.com/DMTF/Redfish-Tacklebox/issues/144",
    },
    Row {
        // An iDRAC 8 or 9 says 2 to 7; older ones know no Redfish.
        of: Of::Maker { vendor: Vendor::Named("Dell"), product: None, from: Some("1.0"), below: Some("2.0") },
        whose: "Dell with iDRAC 10, whose system shows no boot override that can be written",
        quirks: &[Quirk::BootAtSettings],
        source: "https://github.com/dell/iDRAC-Redfish-Scripting/issues/324",
    },
    Row {
        of: Of::all(Vendor::Named("Lenovo")),
        whose: "Lenovo, whose UEFI firmware boots in circles while the disk is chosen as boot device",
        quirks: &[Quirk::DiskBootLeftAlone],
        source: "https://github.com/openstack/ironic/pull/14",
    },
    Row {
        of: Of::BySite,
        whose: "boards with AMI MegaRAC",
        quirks: &[Quirk::BootAtSettings],
        source: "https://github.com/siderolabs/omni-infra-provider-bare-metal/pull/68",
    },
    Row {
        of: Of::BySite,
        whose: "HPE with iLO 5 of some firmware",
        quirks: &[Quirk::ConnectionNotKept],
        source: "https://github.com/DMTF/python-redfish-library/issues/64",
    },
    Row {
        of: Of::BySite,
        whose: "services that do not handle kept connections",
        quirks: &[Quirk::ConnectionNotKept],
        source: "https://github.com/DMTF/libredfish/pull/55",
    },
    Row {
        of: Of::BySite,
        whose: "servers that take no persistent boot device",
        quirks: &[Quirk::BootSetOnceOnly],
        source: "https://github.com/metal3-io/baremetal-operator/issues/493",
    },
    Row {
        of: Of::BySite,
        whose: "Dell, when others use up the sessions of its iDRAC",
        quirks: &[Quirk::SessionNotKept],
        source: "https://github.com/bb-Ricardo/check_redfish/issues/89",
    },
    Row {
        of: Of::BySite,
        whose: "older Cisco UCS, whose IMC cannot read a newer handshake",
        quirks: &[Quirk::OldTls],
        source: "https://github.com/CiscoUcs/imcsdk/pull/61",
    },
    Row {
        of: Of::all(Vendor::Named("Supermicro")),
        whose: "Supermicro, whose user is the same by IPMI",
        quirks: &[Quirk::PasswordNineteenMost],
        source: "https://jm.technology/post/change-ipmi-user-password_final/",
    },
    Row {
        of: Of::all(Vendor::Named("Inspur")),
        whose: "Inspur, the same by Redfish",
        quirks: &[Quirk::PasswordSixteenMost],
        source: "https://manualshive.com/ru/manual/inspur/ob5161m5/2069421?page=101",
    },
    Row {
        of: Of::all(Vendor::Named("Huawei")),
        whose: "Huawei iBMC",
        quirks: &[Quirk::PasswordTwentyMost],
        source: "https://forum.huawei.com/enterprise/en/corpus-10184.html",
    },
    Row {
        of: Of::all(Vendor::Named("HPE")),
        whose: "HPE iLO: 39 characters by Redfish, 20 for users who come by IPMI too",
        quirks: &[Quirk::PasswordTwentyMost],
        source: "https://www.easymanua.ls/nec/ilo-5/manual?p=202",
    },
    Row {
        of: Of::all(Vendor::Named("Dell")),
        whose: "Dell iDRAC, whose users come by IPMI too",
        quirks: &[Quirk::PasswordTwentyMost],
        source: "https://github.com/saltstack/salt/issues/28965",
    },
    Row {
        of: Of::BySite,
        whose: "OpenBMC that does not say how long its passwords are, while its user is of the group ipmi",
        quirks: &[Quirk::PasswordTwentyMost],
        source: "https://github.com/openbmc/openbmc/issues/3550",
    },
    Row {
        of: Of::BySite,
        whose: "Lenovo GB300 and others with AMI MegaRAC, whose collections leave properties of their members out",
        quirks: &[Quirk::MembersOneByOne],
        source: "https://github.com/dsx-ai-factory/nv-redfish/pull/118",
    },
];

/// What is taken of every BMC by Redfish.
pub const TAKEN_OF_ALL: &[Taken] = &[
    Taken {
        whose: "Supermicro",
        what: "the boot mode goes back to its default when it is not sent",
        remedy: "target, duration and mode are sent together, and read back before the power goes on",
        source: "https://github.com/DMTF/Redfishtool/pull/106",
    },
    Taken {
        whose: "Supermicro X10",
        what: "there is no boot mode",
        remedy: "what is not shown is not sent at first",
        source: "https://github.com/gacybercenter/kinetic/issues/60",
    },
    Taken {
        whose: "AMI MegaRAC",
        what: "the boot override is written at the settings object",
        remedy: "written there when that one shows it, and after a refusal in any case",
        source: "https://github.com/DMTF/Redfish-Tacklebox/issues/111",
    },
    Taken {
        whose: "Dell iDRAC 10",
        what: "the boot override of the system is read-only",
        remedy: "the same",
        source: "https://github.com/ansible-collections/community.general/issues/11297",
    },
    Taken {
        whose: "several",
        what: "a persistent boot device is refused",
        remedy: "set for one boot, anew at each start",
        source: "https://github.com/metal3-io/baremetal-operator/issues/493",
    },
    Taken {
        whose: "Lenovo SR655 (AMI), Huawei iBMC",
        what: "a write without If-Match is refused",
        remedy: "the ETag of the header or of the body is sent",
        source: "https://github.com/stmcginnis/gofish/issues/171",
    },
    Taken {
        whose: "several",
        what: "the ETag that is shown is not taken: it is quoted twice, or a weak one",
        remedy: "after a 412 the forms are tried: header, body, strong, `*`, none; the one that was taken is kept",
        source: "https://github.com/ansible-collections/community.general/pull/3268",
    },
    Taken {
        whose: "Dell iDRAC",
        what: "no session is free (RAC0218)",
        remedy: "user and password go with each request",
        source: "https://github.com/stmcginnis/gofish/issues/75",
    },
    Taken {
        whose: "Dell iDRAC, and every BMC with few sessions",
        what: "sessions that nobody closes use up its places",
        remedy: "one is kept and given back; what a killed agent leaves, its next run closes",
        source: "https://github.com/bb-Ricardo/check_redfish/pull/198",
    },
    Taken {
        whose: "Dell iDRAC",
        what: "busy with a job (SYS518): come back in 30 s",
        remedy: "asked again within the command's time",
        source: "https://github.com/ironcore-dev/metal-operator/issues/170",
    },
    Taken {
        whose: "Dell iDRAC 10",
        what: "On is answered 409 for a while after a power-off",
        remedy: "the same",
        source: "https://bugs.launchpad.net/ironic/+bug/2162995",
    },
    Taken {
        whose: "Dell R640 and R650 with iDRAC 9, seen with 5.10.10.05",
        what: "a power-on is taken without an error and does nothing",
        remedy: "given again after some seconds without effect",
        source: "https://github.com/redhat-performance/jetlag/issues/245",
    },
    Taken {
        whose: "Dell iDRAC",
        what: "switching on what is on is refused (PSU501)",
        remedy: "the power is read after a refusal; what was wanted is a success",
        source: "https://github.com/dell/dellemc-openmanage-ansible-modules/issues/132",
    },
    Taken {
        whose: "HPE iLO 5",
        what: "a connection is closed when it is used again",
        remedy: "asked again on a new one; after two of them each request gets its own",
        source: "https://github.com/DMTF/python-redfish-library/issues/64",
    },
    Taken {
        whose: "HPE iLO",
        what: "paths are redirected to those with a slash at their end",
        remedy: "followed on the same service, and remembered",
        source: "https://github.com/ansible/ansible/issues/48296",
    },
    Taken {
        whose: "HPE iLO 4",
        what: "without OData-Version it speaks as it did before Redfish",
        remedy: "every request has it",
        source: "https://github.com/influxdata/telegraf/issues/8093",
    },
    Taken {
        whose: "HPE iLO 5",
        what: "bodies are packed with gzip though nobody asked for it",
        remedy: "unpacked",
        source: "https://github.com/DMTF/Redfish-Mockup-Creator/issues/58",
    },
    Taken {
        whose: "Lenovo GB300",
        what: "members that are asked for whole (`$expand`) come without their `Id` or `Name`",
        remedy: "each of these is read by itself",
        source: "https://github.com/dsx-ai-factory/infra-controller/issues/4100",
    },
    Taken {
        whose: "Fujitsu iRMC S5",
        what: "`$expand` is refused",
        remedy: "the collection is read as any other, and members of others one by one from then on",
        source: "https://github.com/bb-Ricardo/check_redfish/issues/20",
    },
    Taken {
        whose: "NVIDIA HGX and DGX",
        what: "the GPU baseboard is a system beside the server, and answers 503 while that is off",
        remedy: "told by its name and left out; of several servers a person chooses",
        source: "https://github.com/NVIDIA/libredfish/pull/89",
    },
    Taken {
        whose: "OpenBMC of 2020",
        what: "certificates are of X.509 version 1",
        remedy: "where one is pinned, nothing but its key is read of it",
        source: "https://github.com/openbmc/bmcweb/issues/140",
    },
    Taken {
        whose: "BMCs of the years before ECDHE, such as H3C's",
        what: "only TLS 1.1, RSA key exchange or CBC cipher suites are spoken",
        remedy: "not spoken here: the error names TLS and what to do",
        source: "https://github.com/ansible-collections/community.general/issues/8555",
    },
    Taken {
        whose: "OpenBMC and others",
        what: "the account service says how long passwords are",
        remedy: "those that are made fit; what is known of its like is heeded where it says nothing",
        source: "https://github.com/openbmc/bmcweb/issues/90",
    },
    Taken {
        whose: "OpenBMC (cracklib), Lenovo",
        what: "passwords with words, with few kinds of characters or with three equal ones in a row are refused",
        remedy: "they are random, have four kinds, and never three in a row",
        source: "https://pubs.lenovo.com/uefi_xeon_1st_2nd/user_security",
    },
    Taken {
        whose: "Dell iDRAC 9",
        what: "a password must have capitals, small letters, digits and a sign",
        remedy: "each that is made has all four",
        source: "https://www.manualshelf.com/manual/dell/idrac9-3-3x-series/users-guide-english/page-126.html",
    },
    Taken {
        whose: "Lenovo XCC",
        what: "a password must have a letter, a digit and two of capitals, small letters and signs, never three equal characters in a row, and be none \
               of the last ones; the next change must wait for some hours",
        remedy: "each that is made has all of it and is another one; one that is refused for its time is made anew 15 min later, then 30, up to a day",
        source: "https://pubs.lenovo.com/xcc3/nn1ia_c_accountsecuritypolicysettings",
    },
    Taken {
        whose: "Supermicro",
        what: "its rules for passwords change with its firmware: digits and signs came to be demanded",
        remedy: "each that is made has capitals, small letters, digits and a dash",
        source: "https://github.com/fwupd/fwupd/issues/5129",
    },
];
