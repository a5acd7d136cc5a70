//! The quirk table: whom a row is about, what the site says, and that every row has its source.

use std::collections::HashSet;

use protocol::ipmi::app::DeviceId;

use super::*;

fn maker(manufacturer: &str, product: &str, firmware: &str) -> Maker {
    Maker::from(&BmcIdentity {
        manufacturer: manufacturer.into(),
        product: product.into(),
        firmware: firmware.into(),
        ..BmcIdentity::default()
    })
}

#[test]
fn a_bmc_has_the_quirks_of_its_maker_and_the_site_has_the_last_word() {
    let check = |maker: &Maker, said: &[&str], expected: &str| {
        let said: Vec<SaidQuirk> = said.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(Deviations::of(maker, &said).to_string(), expected, "{maker:?} {said:?}");
    };
    let supermicro = maker("IANA enterprise 10876", "0x0801", "3.45");
    let own = "efi-disk-is-remote, all-clearing-suppressed, password-19-most";
    check(&supermicro, &[], own);
    check(
        &supermicro,
        &["no-efi-disk-is-remote", "suite-3-first"],
        "all-clearing-suppressed, suite-3-first, password-19-most",
    );
    // What is said last counts.
    check(&supermicro, &["suite-3-first", "no-suite-3-first"], own);
    check(&maker("IANA enterprise 4753", "0x0f02", "9.08"), &[], "boot-flags-not-read");
    check(&maker("IANA enterprise 4753", "0x0f03", "9.08"), &[], "");
    check(&maker("", "0x0000", "1.00"), &[], "forgets-firmware-mode");
    // Our own virtual BMC, and a BMC of which nothing is known yet.
    check(&maker("", "0x0001", "1.10"), &[], "");
    check(&Maker::default(), &[], "");
    check(&Maker::default(), &["session-not-kept"], "session-not-kept");
    // An iDRAC 10, and an iDRAC 9; of one that does not say which it is nothing is taken for granted.
    check(&maker("Dell Inc.", "PowerEdge R670", "1.20.50.50"), &[], "boot-at-settings, password-20-most");
    check(&maker("Dell Inc.", "PowerEdge R650", "7.10.30.00"), &[], "password-20-most");
    check(&maker("Dell Inc.", "PowerEdge R650", ""), &[], "password-20-most");
    // A number is no beginning of another one.
    check(&maker("IANA enterprise 108761", "0x0801", "3.45"), &[], "");
}

#[test]
fn a_row_is_about_its_vendor_product_and_range_of_firmware() {
    let check =
        |of: Of, maker: &Maker, expected: bool| assert_eq!(of.is(maker), expected, "{of:?} {maker:?}");
    let dell = |firmware| maker("Dell Inc.", "PowerEdge R640", firmware);
    let of = |product, from, below| Of::Maker { vendor: Vendor::Named("dell"), product, from, below };
    check(of(None, None, None), &dell("4.20"), true);
    check(of(Some("poweredge r6"), None, None), &dell("4.20"), true);
    check(of(Some("poweredge r7"), None, None), &dell("4.20"), false);
    for (firmware, expected) in
        [("4.9", false), ("4.10", true), ("5.0", true), ("5.1", false), ("new", false)]
    {
        check(of(None, Some("4.10"), Some("5.1")), &dell(firmware), expected);
    }
    assert!(dell("").differs_by_firmware() && !maker("HPE", "ProLiant", "").differs_by_firmware());
    check(of(None, None, None), &maker("HPE", "", ""), false);
    check(Of::BySite, &dell("4.20"), false);
}

#[test]
fn a_password_is_as_long_as_bmcs_of_its_like_take_it() {
    let check = |maker: &Maker, said: &[&str], most: u32, expected: (u32, u32)| {
        let said: Vec<SaidQuirk> = said.iter().map(|text| text.parse().unwrap()).collect();
        let length = Deviations::of(maker, &said).password_length(most);
        assert_eq!((length.min, length.max), expected, "{maker:?} {said:?}");
    };
    let unknown = Maker::default();
    check(&unknown, &[], 20, (0, 20));
    check(&unknown, &[], u32::MAX, (0, u32::MAX));
    check(&maker("IANA enterprise 10876", "0x0801", "3.45"), &[], 20, (0, 19));
    check(&maker("IANA enterprise 47488", "0x1b0f", "1.02"), &[], 20, (0, 19));
    check(&maker("IANA enterprise 10876", "0x0801", "3.45"), &["no-password-19-most"], 20, (0, 20));
    check(&maker("Supermicro", "SYS-6019U-TRT", "1.73"), &[], u32::MAX, (0, 19));
    check(&maker("Inspur", "NF5280M5", "4.26"), &[], u32::MAX, (0, 16));
    check(&maker("Huawei", "RH2288H V3", "3.00"), &[], u32::MAX, (0, 20));
    check(&maker("HPE", "ProLiant DL360 Gen10", "2.44"), &[], u32::MAX, (0, 20));
    // The site names those that do not say who they are: Inspur and Hitachi by IPMI, OpenBMC by Redfish.
    check(&unknown, &["password-16-most"], 20, (0, 16));
    check(&unknown, &["password-20-most"], u32::MAX, (0, 20));
    check(&unknown, &["password-16-most", "password-20-most"], u32::MAX, (0, 16));
    check(&maker("Dell Inc.", "PowerEdge R650", "7.10.30.00"), &[], u32::MAX, (0, 20));
    check(&unknown, &["password-20-least"], 20, (20, 20));
    check(&unknown, &["password-20-least"], u32::MAX, (20, u32::MAX));
    check(&unknown, &["password-20-least", "password-16-most"], 20, (16, 16));
}

#[test]
fn makers_are_told_by_what_get_device_id_says() {
    // A recorded answer (section 20.1): device 0x20, firmware 3.45, Supermicro, product 0x0801.
    let recorded = [0x20, 0x01, 0x03, 0x45, 0x02, 0xbf, 0x7c, 0x2a, 0x00, 0x01, 0x08, 0, 0, 0, 0];
    let id = DeviceId::parse(&recorded).unwrap();
    let identity = crate::bmc::ipmi::identity_of_device(Some(id), None);
    assert!(Deviations::of(&Maker::from(&identity), &[]).has(Quirk::EfiDiskIsRemote), "{identity:?}");
}

#[test]
fn every_row_has_a_source_and_every_quirk_a_row() {
    let sources = rows().map(|row| row.source).chain(taken_of_all().map(|taken| taken.source));
    for source in sources {
        assert!(source.starts_with("https://"), "{source}");
    }
    let mut told = HashSet::new();
    for row in rows() {
        assert!(!row.quirks.is_empty() && told.insert((row.whose, row.quirks)), "{row:?}");
    }
    for quirk in Quirk::ALL {
        assert!(rows().any(|row| row.quirks.contains(&quirk)), "no row has {quirk}: nobody needs it");
    }
}

fn document() -> String {
    let mut text = String::from(
        "# BMCs that differ from their specification\n\nWritten from `agent/src/bmc/quirks/` by a test. A BMC is told by what it says of \
         itself at its first login; `bmc_quirks` in\n`driver_info` of the import file adds a quirk for one server by its name, or takes \
         it away with `no-` before it.\n\n## Quirks\n\n| name | what is done |\n|---|---|\n",
    );
    for quirk in Quirk::ALL {
        text.push_str(&format!("| `{quirk}` | {} |\n", quirk.remedy()));
    }
    text.push_str(
        "\n## Whose BMCs have them\n\n| BMC | told by | quirks | reported at |\n|---|---|---|---|\n",
    );
    for row in rows() {
        let names: Vec<_> = row.quirks.iter().map(|quirk| format!("`{quirk}`")).collect();
        let told_by = match row.of {
            Of::BySite => "nothing that it says: name the quirk in the import file".to_owned(),
            Of::Maker { vendor, product, from, below } => {
                let mut text = format!("manufacturer {vendor}");
                text.extend(product.map(|product| format!(", product {product}")));
                text.extend(from.map(|from| format!(", firmware from {from}")));
                text.extend(below.map(|below| format!(", firmware below {below}")));
                text
            }
        };
        text.push_str(&format!("| {} | {told_by} | {} | <{}> |\n", row.whose, names.join(", "), row.source));
    }
    text.push_str("\n## What is taken of every BMC\n\n| seen on | what it does | what is done | reported at |\n|---|---|---|---|\n");
    for Taken { whose, what, remedy, source } in taken_of_all() {
        text.push_str(&format!("| {whose} | {what} | {remedy} | <{source}> |\n"));
    }
    text
}

/// `docs/bmc-quirks.md` is this table: run with `BMS_WRITE_DOCS=1` to write it anew.
#[test]
fn the_document_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bmc-quirks.md");
    if std::env::var_os("BMS_WRITE_DOCS").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == document(), "docs/bmc-quirks.md is old: BMS_WRITE_DOCS=1");
}
