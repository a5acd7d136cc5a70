//! `tests/programs.txt` against the code: every program that is started and every file of the system that is used stands in
//! the list, with a package that `tests/packages.txt` brings. The tests read the sources as text, as `structure.rs` does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Packages beside those of packages.txt: on every Debian system, or needed by one of packages.txt.
const BESIDE: [&str; 16] = [
    "apt",
    "bash",
    "dash",
    "dpkg",
    "findutils",
    "git",
    "grep",
    "gzip",
    "mawk",
    "mount",
    "qemu-system-data",
    "rustup",
    "seabios",
    "sed",
    "tar",
    "util-linux",
];

/// Files that start a program whose name is not written in the call: which programs these are. None: our own, or the virtual
/// environment's.
const BY_VARIABLE: [(&str, &[&str]); 35] = [
    ("agent/src/image/tests.rs", &["gzip", "xz", "zstd"]),
    ("agent/tests/cloud_image_qemu.rs", &[]),
    ("pxe/ramdisk/src/pack/mod.rs", &["cargo"]),
    ("pxe/ramdisk/tests/pack_program.rs", &[]),
    ("tests/src/bench/speed/mod.rs", &[]),
    ("tests/src/bench/speed/peers.rs", &[]),
    ("tests/src/bench/stock/ramdisk.rs", &[]),
    ("tests/src/bench/stock/stack.rs", &[]),
    ("tests/src/bench/wire/peers.rs", &["apt-get", "dpkg-deb"]),
    ("tests/src/lab/ctl.rs", &[]),
    ("tests/src/lab/up.rs", &[]),
    ("tests/src/openstack/config.rs", &[]),
    ("tests/src/openstack/database.rs", &[]),
    ("tests/src/openstack/interrupt.rs", &[]),
    ("tests/src/openstack/venv.rs", &[]),
    ("tests/tests/bmc_client.rs", &[]),
    ("tests/tests/bmc_console.rs", &[]),
    ("tests/tests/bmc_farm.rs", &[]),
    (
        "tests/tests/bmc_freeipmi.rs",
        &[
            "bmc-device",
            "bmc-info",
            "ipmi-chassis",
            "ipmi-config",
            "ipmi-dcmi",
            "ipmi-fru",
            "ipmi-sel",
            "ipmi-sensors",
            "ipmipower",
        ],
    ),
    ("tests/tests/bmc_pyghmi.rs", &[]),
    ("tests/tests/bmc_redfish_judges.rs", &[]),
    ("tests/tests/bmc_tool.rs", &[]),
    ("tests/tests/boot_static_qemu.rs", &[]),
    ("tests/tests/bmc_tool_redfish.rs", &[]),
    ("tests/tests/console.rs", &[]),
    ("tests/tests/contrail_answers.rs", &[]),
    ("tests/tests/contrail_client.rs", &[]),
    ("tests/tests/erase_certificate.rs", &[]),
    ("tests/tests/facade_console.rs", &[]),
    ("tests/tests/facade_judges.rs", &[]),
    ("tests/tests/facade_badfish.rs", &[]),
    ("tests/tests/facade_sushy.rs", &[]),
    ("tests/tests/ironic_verbs/mod.rs", &[]),
    ("tests/tests/failed_commands.rs", &[]),
    ("tests/tests/fresh_machine.rs", &["sh"]),
];

/// Programs that are named as an argument of another one (a shell, `ip netns exec`, a service): where, and which.
const AS_ARGUMENT: [(&str, &str); 4] = [
    ("tests/openstack/nova.conf", "genisoimage"),
    ("tests/src/bmc/ipmi_sim.rs", "ipmi_sim"),
    ("tests/src/browser.rs", "chromium"),
    ("tests/tests/pxe_clients.rs", "atftp"),
];

/// What stands before the name of a program.
const CALLS: [&str; 3] = ["Command::new(", ".command(", ".run("];

/// Where files of the system begin.
const SYSTEM: [&str; 6] = ["/usr/", "/etc/", "/bin/", "/sbin/", "/lib/", "/opt/"];

/// Paths that are not this machine's, and why.
const ELSEWHERE: [(&str, &str); 4] = [
    ("/lib/modules", "in the ramdisk"),
    ("/etc/bms", "a site's configuration"),
    ("/usr/share/bms-agent/", "a site's boot files"),
    ("/etc/bash_completion.d/", "in a help text"),
];

/// Sources that run in a server and not on this machine.
const IN_A_SERVER: [&str; 2] = ["pxe/ramdisk/src/", "tests/tenant-init/"];

/// Words that begin a command in a script and are the shell's own.
const SHELL: [&str; 34] = [
    "break", "case", "cd", "command", "continue", "do", "done", "echo", "elif", "else", "esac", "eval",
    "exec", "exit", "export", "fi", "for", "if", "in", "kill", "local", "printf", "pwd", "read", "return",
    "set", "shift", "then", "trap", "true", "umask", "until", "wait", "while",
];

/// Programs of coreutils, without which no Debian starts; they need not be listed.
const COREUTILS: [&str; 27] = [
    "basename",
    "cat",
    "chmod",
    "cksum",
    "cp",
    "cut",
    "date",
    "dd",
    "dirname",
    "env",
    "head",
    "id",
    "install",
    "ln",
    "mkdir",
    "mktemp",
    "mv",
    "readlink",
    "rm",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "timeout",
    "tr",
    "truncate",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn walk(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

/// Files with this extension below these directories, without whole-line comments, by their path in the checkout.
fn files(dirs: &[&str], extension: &str, comment: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for dir in dirs {
        walk(&root().join(dir), extension, &mut found);
    }
    found.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with(comment)).collect();
        (path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), code.join("\n"))
    };
    found.into_iter().map(read).collect()
}

/// The Rust sources of what runs on this machine. What packs the ramdisk does, although the ramdisk does not.
fn sources() -> Vec<(String, String)> {
    let of_a_server = |path: &str| {
        IN_A_SERVER.iter().any(|dir| path.starts_with(dir))
            && !["/pack/", "/bin/"].iter().any(|dir| path.contains(dir))
    };
    let mut sources = files(&["agent", "coordinator", "pxe", "tests"], "rs", "//");
    // This file's own strings are about calls, and are none.
    sources.retain(|(path, _)| !of_a_server(path) && !path.ends_with("tests/programs.rs"));
    sources
}

/// One of our lists: a line's first word, and its second.
fn list(name: &str) -> Vec<(String, Option<String>)> {
    let text = fs::read_to_string(root().join("tests").join(name)).unwrap();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.next()))
        })
        .collect()
}

/// What setup looks for, and what it need not look for.
fn listed() -> BTreeSet<String> {
    list("programs.txt").into_iter().map(|(name, _)| name).chain(COREUTILS.map(str::to_owned)).collect()
}

/// The programs that a source names where it starts them; `Err` for a call by variable.
fn started(text: &str) -> BTreeSet<Result<String, String>> {
    let mut found = BTreeSet::new();
    for call in CALLS {
        for rest in text.split(call).skip(1) {
            let argument = rest.trim_start();
            match argument.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                // `run` of a client of ours takes a whole command line, `run` in a namespace a list of arguments.
                Some((_, after)) if call == ".run(" && !after.starts_with(", &") => {}
                Some((line, _)) if line.contains(' ') => {}
                Some((name, _)) => drop(found.insert(Ok(name.to_owned()))),
                None if call == "Command::new(" => {
                    found.insert(Err(argument.lines().next().unwrap_or_default().to_owned()));
                }
                None => {}
            }
        }
    }
    found
}

/// Absolute paths of the system that a source names, alone or as the end of an option.
fn system_files(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in SYSTEM {
        for (at, _) in text.match_indices(prefix) {
            if !text[..at].ends_with(['"', '=', '!', '\'']) {
                continue;
            }
            let path: String = text[at..]
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(*letter))
                .collect();
            found.insert(path.trim_end_matches('/').to_owned());
        }
    }
    found
}

/// The names of the functions in a shell script.
fn script_functions(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| line.split_once("() {")).map(|(name, _)| name.trim().to_owned())
}

/// The first words of the commands in a shell script, without what is quoted.
fn script_commands(text: &str) -> BTreeSet<String> {
    let mut plain = String::new();
    let mut quote = None;
    let mut substituted = String::new();
    let mut text = text.replace("\\\n", " ");
    // Arithmetic has no commands.
    while let Some((start, length)) = text.find("$((").and_then(|at| Some((at, text[at..].find("))")?))) {
        text.replace_range(start..start + length + 2, "0");
    }
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (None, '#') if plain.ends_with([' ', '\n']) => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
            }
            (None, '$') if letters.peek() == Some(&'(') => plain.push('\n'),
            (None, letter) => plain.push(letter),
            (Some('"'), '$') if letters.peek() == Some(&'(') => {
                letters.next();
                let word: String =
                    std::iter::from_fn(|| letters.next_if(|it| *it != ' ' && *it != ')')).collect();
                substituted.push_str(&format!("\n{word}"));
            }
            (Some(open), letter) if letter == open => {
                quote = None;
                plain.push('Q');
            }
            (Some(_), _) => {}
        }
    }
    plain.push_str(&substituted);
    let word = |piece: &str| {
        let mut words = piece.split_whitespace().skip_while(|word| {
            ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "exec", "command"].contains(word)
                || word.contains('=')
        });
        let word = words.next()?;
        let named = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        (named && word.starts_with(|letter: char| letter.is_ascii_lowercase())).then(|| word.to_owned())
    };
    plain
        .split(['\n', ';', '|', '&', '(', ')'])
        .filter_map(word)
        .filter(|word| !SHELL.contains(&word.as_str()))
        .collect()
}

#[track_caller]
fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn every_program_that_is_started_is_listed() {
    let listed = listed();
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let row = BY_VARIABLE.iter().find(|(file, _)| *file == path);
        let started = started(&text);
        let unnamed = started.iter().filter_map(|call| call.as_ref().err()).next();
        match (row, unnamed) {
            (None, Some(call)) => {
                faults.push(format!("{path} starts `{call}`: say in BY_VARIABLE what that is"))
            }
            (Some(_), None) => faults.push(format!("{path} needs no row in BY_VARIABLE")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let by_variable = row.into_iter().flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned()));
        for name in started.into_iter().filter_map(Result::ok).chain(by_variable) {
            if !listed.contains(&name) {
                faults.push(format!("{path} starts {name}"));
            }
        }
    }
    for (path, name) in AS_ARGUMENT {
        if !fs::read_to_string(root().join(path)).unwrap().contains(name) {
            faults.push(format!("{path} does not name {name} any more"));
        }
        if !listed.contains(name) {
            faults.push(format!("{path} starts {name}"));
        }
    }
    assert_none("tests/programs.txt lacks programs", &faults);
}

#[test]
fn every_command_of_a_script_is_listed() {
    let listed = listed();
    let mut faults = Vec::new();
    let scripts = files(&["tests"], "sh", "#");
    assert!(!scripts.is_empty(), "no script was found: this test proves nothing");
    let functions: BTreeSet<String> = scripts.iter().flat_map(|(_, text)| script_functions(text)).collect();
    for (path, text) in scripts {
        let unlisted = script_commands(&text)
            .into_iter()
            .filter(|name| !listed.contains(name) && !functions.contains(name));
        faults.extend(unlisted.map(|name| format!("{path} starts {name}")));
    }
    assert_none("tests/programs.txt lacks programs", &faults);
}

#[test]
fn every_file_of_the_system_that_is_used_is_listed() {
    let listed = listed();
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for file in system_files(&text) {
            let elsewhere = ELSEWHERE.iter().any(|(prefix, _)| file.starts_with(prefix));
            let is_listed = listed.iter().any(|name| *name == file || name.starts_with(&format!("{file}/")));
            if !elsewhere && !is_listed {
                faults.push(format!("{path} uses {file}"));
            }
        }
    }
    assert_none("tests/programs.txt lacks files", &faults);
}

#[test]
fn what_is_listed_has_a_package_that_is_installed() {
    let packages: BTreeSet<String> = list("packages.txt").into_iter().map(|(name, _)| name).collect();
    let faults: Vec<String> = list("programs.txt")
        .into_iter()
        .filter(|(_, package)| {
            !package.as_ref().is_some_and(|it| packages.contains(it) || BESIDE.contains(&it.as_str()))
        })
        .map(|(name, package)| format!("{name}: {package:?}"))
        .collect();
    assert_none("programs whose package tests/packages.txt does not bring", &faults);
}

#[test]
fn calls_are_found_in_the_text() {
    #[track_caller]
    fn check(found: impl IntoIterator<Item = String>, expected: &[&str]) {
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }
    let named = |text: &str| started(text).into_iter().filter_map(Result::ok);
    check(named("Command::new(\"zstd\").arg(x)"), &["zstd"]);
    check(named("Command::new(\n    \"zstd\",\n)"), &["zstd"]);
    check(named("lab.admin.run(\"node list\").await; ns.run(\"nft\", &[rules])"), &["nft"]);
    check(
        system_files("f(\"file=/usr/share/a.fd\", \"/etc/x\", \"tftp://h/etc/y\")"),
        &["/etc/x", "/usr/share/a.fd"],
    );
    check(
        script_commands(
            "x=$(awk 1) # sed\nif ! curl \"$(cut -d)\"; then\n  tar | zstd && n=$((x + 1))\nfi\n",
        ),
        &["awk", "curl", "cut", "tar", "zstd"],
    );
}
