//! An empty machine becomes one that can build: `tests/setup.sh` among stand-ins for apt and dpkg, and then in two clean
//! Debian systems (`tests/fresh.sh --setup`), which needs root, as the lab does. `make fresh` goes on to the running lab.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What a stand-in is asked for it finds in the environment. `apt-get -s` tells the plan, everything else is written down.
const STAND_INS: [(&str, &str); 6] = [
    ("id", "echo \"$USER_ID\""),
    ("cargo", "echo \"cargo $CARGO_IS (0000000 2026-01-01)\""),
    ("python3", ":"),
    ("apt-cache", ":"),
    ("apt-get", "case \" $* \" in *' -s '*) printf \"$PLAN\";; *) echo \"apt-get $*\" >>\"$DONE\";; esac"),
    (
        "dpkg-query",
        "shift 2; form=$1; shift\n\
         for name; do case \" $THERE \" in *\" $name \"*)\n\
         case $form in *Status*) echo \"installed $name\";; *) echo 10;; esac;; esac; done",
    ),
];

struct Machine {
    there: &'static str,
    plan: &'static str,
    programs: &'static str,
    user: &'static str,
    cargo: &'static str,
    may_replace: &'static str,
}

/// A machine on which one of the two wanted packages is missing, and apt sees no difficulty.
const MACHINE: Machine = Machine {
    there: "qemu-utils",
    plan: "Inst qemu-system-x86 (7)\\n",
    programs: "sh dash\n/bin/s? dash\n",
    user: "0",
    cargo: "1.999.0",
    may_replace: "",
};
/// What apt says when it would make room.
const REMOVES: &str = "Remv qemu-utils [10]\\nInst qemu-system-x86 (7)\\n";

/// Runs setup there. Gives whether it succeeded, what it said, and what apt was told to do.
fn setup(machine: &Machine) -> (bool, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let (tests, bin, done) = (dir.path().join("tests"), dir.path().join("bin"), dir.path().join("done"));
    fs::create_dir(&tests).unwrap();
    fs::create_dir(&bin).unwrap();
    for script in ["setup.sh", "setup_apt.sh"] {
        fs::copy(root().join("tests").join(script), tests.join(script)).unwrap();
    }
    fs::copy(root().join("Cargo.toml"), dir.path().join("Cargo.toml")).unwrap();
    fs::write(tests.join("packages.txt"), "qemu-system-x86  # one\nqemu-utils  # two\n").unwrap();
    fs::write(tests.join("programs.txt"), machine.programs).unwrap();
    for (name, body) in STAND_INS {
        fs::write(bin.join(name), format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("sh");
    command.arg(tests.join("setup.sh")).stdin(Stdio::null()).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("DONE", &done);
    command.env("THERE", machine.there).env("PLAN", machine.plan).env("USER_ID", machine.user);
    command.env("CARGO_IS", machine.cargo).env("SETUP_MAY_REPLACE", machine.may_replace);
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said, fs::read_to_string(done).unwrap_or_default())
}

#[test]
fn setup_loses_nothing_and_says_what_is_in_its_way() {
    /// `installs`: apt was told to install. `said`: words that the person must read.
    #[track_caller]
    fn check(machine: Machine, succeeds: bool, installs: bool, words: &[&str]) {
        let (success, said, done) = setup(&machine);
        assert_eq!(
            (success, done.contains(" install ")),
            (succeeds, installs),
            "said:\n{said}\ndone:\n{done}"
        );
        for word in words {
            assert!(said.contains(word), "{word:?} is not among:\n{said}");
        }
    }
    check(Machine { there: "qemu-utils qemu-system-x86", ..MACHINE }, true, false, &[]);
    check(MACHINE, true, true, &["installing qemu-system-x86"]);
    check(
        Machine { plan: REMOVES, ..MACHINE },
        false,
        false,
        &[
            "apt would remove qemu-utils 10",
            "SETUP_MAY_REPLACE=\"qemu-utils\"",
            "--allow-downgrades",
            "Nothing was changed",
        ],
    );
    check(Machine { plan: REMOVES, may_replace: "qemu-utils", ..MACHINE }, true, true, &[]);
    check(
        Machine { plan: REMOVES, may_replace: "qemu", ..MACHINE },
        false,
        false,
        &["would remove qemu-utils"],
    );
    check(Machine { user: "1000", ..MACHINE }, false, false, &["only root", "qemu-system-x86"]);
    check(Machine { cargo: "1.80.0", ..MACHINE }, false, false, &["cargo is 1.80.0", "rustup update"]);
    check(Machine { cargo: "", ..MACHINE }, false, false, &["rustup"]);
    let programs = "sh dash\nno-such-program qemu-utils\n/no/such/f* ovmf\n";
    check(
        Machine { there: "qemu-utils qemu-system-x86", programs, ..MACHINE },
        false,
        false,
        &[
            "no-such-program is missing, of package qemu-utils",
            "/no/such/f* is missing, of package ovmf",
            "apt-get install --reinstall ovmf qemu-utils",
        ],
    );
}

#[test]
fn apt_is_given_the_whole_list_at_once_and_may_remove_nothing() {
    let (_, said, done) = setup(&MACHINE);
    let installs: Vec<_> = done.lines().filter(|line| line.contains(" install ")).collect();
    assert_eq!(installs.len(), 1, "{said}\n{done}");
    assert!(
        installs[0].contains(" qemu-system-x86 qemu-utils") && installs[0].contains("--no-remove"),
        "{done}"
    );
}

/// In a clean Debian 12: everything is installed, every program is there, and a second time needs no network.
#[track_caller]
fn becomes_able_to_build(kind: &str) {
    let mut command = Command::new(root().join("tests/fresh.sh"));
    let output = command.args(["--setup", kind]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/fresh.sh --setup {kind}:\n{said}");
}

#[test]
fn a_debian_as_it_is_shipped_becomes_able_to_build() {
    becomes_able_to_build("debian");
}

#[test]
fn a_debian_with_a_newer_qemu_utils_becomes_able_to_build() {
    becomes_able_to_build("backports");
}

/// The clean systems get what README.md names, and nothing else.
#[test]
fn the_readme_says_what_a_person_installs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert_eq!(readme.matches("`apt install ").count(), 1, "tests/fresh.sh reads that line");
    for command in ["\nmake lab ", "\nmake test "] {
        assert!(readme.contains(command), "README.md does not show {command:?}");
    }
}
