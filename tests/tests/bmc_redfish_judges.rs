//! Edges: judges that nobody here wrote, of our virtual Redfish BMC as far as power, boot device and sessions go: DMTF's validators
//! of schemas and of the protocol, sushy, DMTF's redfishtool, and badfish.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use protocol::mac::MacAddr;
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    judges,
    redfish::{self, RedfishBmc, RedfishOptions, Tls},
    redfish_manners::Manner,
};
use tokio::{io::AsyncWriteExt, process::Command};

const PASSWORD: &str = "correct horse";
/// Longest that a judge may take.
const JUDGE_MAX: Duration = Duration::from_secs(120);

fn bmc(tls: bool) -> (RedfishBmc, Arc<FakeChassis>) {
    bmc_with(RedfishOptions {
        is_bare: true,
        tls: tls.then(|| Tls::self_signed().unwrap()),
        ..RedfishOptions::default()
    })
}

fn bmc_with(options: RedfishOptions) -> (RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let mac = |last| MacAddr([0x52, 0x54, 0, 0, 0, last]);
    let options = RedfishOptions { macs: vec![mac(1), mac(2)], ..options };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let credentials = Credentials::new("admin", PASSWORD);
    (redfish::serve_on(listener, credentials, chassis.clone(), options).unwrap(), chassis)
}

/// Runs a judge in a directory of its own, with what it reads.
async fn run(program: PathBuf, args: &[&str], dir: &Path, input: &str) -> (Output, String) {
    let mut judge = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // One that reads nothing may have ended.
    let _ = judge.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let output = tokio::time::timeout(JUDGE_MAX, judge.wait_with_output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let text = text.into_owned();
    (output, text)
}

/// Each resource is as its schema has it. The schemas are DMTF's, as a crate brings them.
#[tokio::test]
async fn dmtfs_service_validator_finds_no_failure() {
    let check = async |options: RedfishOptions, least: u32| {
        let found_good = validate(options).await;
        assert!(found_good >= least, "only {found_good} properties were found good");
    };
    check(RedfishOptions { is_bare: true, ..RedfishOptions::default() }, 100).await;
    check(RedfishOptions::default(), 500).await;
    let manners = vec![Manner::NewerSensors, Manner::PlacesForUsers];
    check(RedfishOptions { manners, ..RedfishOptions::default() }, 500).await;
}

/// How many properties it found good, and none that is not. Without schemas it would find none.
async fn validate(options: RedfishOptions) -> u32 {
    let (programs, dir) = (judges::programs().await.unwrap(), tempfile::tempdir().unwrap());
    let (bmc, _) = bmc_with(options);
    let base = format!("http://{}", bmc.addr);
    let schemas = nv_redfish_schema::REDFISH_CSDL_DIR;
    let args = [
        "--user",
        "admin",
        "--password",
        PASSWORD,
        "--rhost",
        &base,
        "--authtype",
        "Session",
        "--skipschema",
        "--schema_directory",
        schemas,
        "--logdir",
        "logs",
    ];
    let (output, text) = run(programs.join("rf_service_validator"), &args, dir.path(), "").await;
    let counts = text.lines().filter_map(|line| line.trim().strip_prefix("- Pass: ")?.split_once(','));
    let failed: Vec<_> =
        text.lines().filter(|line| line.contains("Fail: ") && !line.contains("Fail: 0")).collect();
    assert!(
        output.status.success() && failed.is_empty(),
        "{failed:#?}\n{text}\n{}",
        report(&dir.path().join("logs"))
    );
    counts.map(|(passed, _)| passed.parse::<u32>().unwrap()).sum()
}

/// The validator's report, in which it says what is wrong.
fn report(logs: &Path) -> String {
    let folders = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let page = files.map(|file| file.path()).find(|path| path.extension().is_some_and(|kind| kind == "html"));
    let page = page.and_then(|page| std::fs::read_to_string(page).ok()).unwrap_or_default();
    let rows = page.split("<tr").filter(|row| row.contains("FAIL"));
    rows.map(|row| format!("{row}\n")).collect()
}

/// What the protocol's validator does not find, and why it is not there.
const NOT_THERE: [(&str, &str); 2] = [
    ("SEC_PRIV_SUPPORT_PREDEFINED_ROLES", "there is one user, and no account service"),
    ("SEC_BASIC_AUTH_OVER_HTTPS", "one BMC speaks one of HTTP and HTTPS, by choice"),
];

#[tokio::test]
async fn dmtfs_protocol_validator_finds_nothing_but_what_is_left_out() {
    let (programs, dir) = (judges::programs().await.unwrap(), tempfile::tempdir().unwrap());
    let (bmc, _) = bmc(false);
    let base = format!("http://{}", bmc.addr);
    let args = [
        "--user",
        "admin",
        "--password",
        PASSWORD,
        "--rhost",
        &base,
        "--avoid-http-redirect",
        "--no-cert-check",
        "--report-type",
        "tsv",
        "--report-dir",
        "reports",
    ];
    let (_, text) = run(programs.join("rf_protocol_validator"), &args, dir.path(), "").await;
    // A log may lie beside the report.
    let mut written =
        std::fs::read_dir(dir.path().join("reports")).expect(&text).map(|file| file.unwrap().path());
    let report = written.find(|path| path.extension().is_some_and(|kind| kind == "tsv")).expect(&text);
    let report = std::fs::read_to_string(report).unwrap();
    let failed = report.lines().filter(|line| line.split('\t').any(|field| field == "FAIL"));
    let failed: Vec<_> =
        failed.filter(|line| !NOT_THERE.iter().any(|(name, _)| line.starts_with(name))).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let passed = report.lines().filter(|line| line.split('\t').any(|field| field == "PASS")).count();
    assert!(passed > 150, "only {passed} were looked at:\n{text}");
}

#[tokio::test]
async fn sushy_drives_and_reads_our_bmc() {
    const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bmc/judges/sushy_judge.py");
    let (programs, dir) = (judges::programs().await.unwrap(), tempfile::tempdir().unwrap());
    let (bmc, chassis) = bmc(false);
    let base = format!("http://{}", bmc.addr);
    let (output, text) = run(programs.join("python"), &[JUDGE, &base], dir.path(), "correct horse\n").await;
    assert!(output.status.success() && text.contains("sushy is content"), "{text}");
    assert_eq!((chassis.state().boots.len(), chassis.state().soft_offs, bmc.sessions()), (2, 1, 0));
}

#[tokio::test]
async fn dmtfs_redfishtool_drives_our_bmc() {
    let (programs, dir) = (judges::programs().await.unwrap(), tempfile::tempdir().unwrap());
    let (bmc, chassis) = bmc(false);
    let addr = bmc.addr.to_string();
    for (words, expected) in [
        (&["Systems", "reset", "On"][..], ""),
        (&["Systems", "get", "-F"], "\"PowerState\": \"On\""),
        (&["Systems", "setBootOverride", "Once", "Pxe"], "\"BootSourceOverrideTarget\": \"Pxe\""),
        (&["Systems", "EthernetInterfaces"], "EthernetInterfaces/2"),
        (&["Chassis"], "/redfish/v1/Chassis/1"),
        (&["Managers"], "/redfish/v1/Managers/1"),
        (&["SessionService"], "SessionTimeout"),
        (&["Systems", "reset", "ForceOff"], ""),
    ] {
        let login = ["-r", &addr, "-S", "Never", "-u", "admin", "-p", PASSWORD];
        let args = [&login[..], words].concat();
        let (output, text) = run(programs.join("redfishtool"), &args, dir.path(), "").await;
        assert!(output.status.success() && text.contains(expected), "{words:?}: {text}");
    }
    assert_eq!((chassis.state().boots.len(), chassis.state().on), (1, false));
}

#[tokio::test]
async fn badfish_drives_our_bmc() {
    let (programs, dir) = (judges::programs().await.unwrap(), tempfile::tempdir().unwrap());
    let (bmc, chassis) = bmc(true);
    let addr = bmc.addr.to_string();
    for (verb, expected, is_on) in [
        ("--power-state", "Off", false),
        ("--power-on", "", true),
        ("--power-state", "On", true),
        ("--power-off", "", false),
    ] {
        let args = ["-H", &addr, "-u", "admin", "-p", PASSWORD, "--insecure", verb];
        let (output, text) = run(programs.join("badfish"), &args, dir.path(), "").await;
        assert!(output.status.success() && text.contains(expected), "{verb}: {text}");
        assert_eq!(chassis.state().on, is_on, "{verb}: {text}");
    }
}
