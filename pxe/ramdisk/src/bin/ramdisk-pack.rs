//! Edges: `ramdisk-pack` makes kernels, ramdisks and boot loaders in DIR/boot; DIR is `.lab/cache` by default.
#![allow(clippy::print_stdout)] // A command line: it prints.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use ramdisk::pack::{self, BootFiles, PackError, Sources};

const USAGE: &str = "\
usage: ramdisk-pack [--out DIR] [--only virtual|physical] [--init FILE] [--kernel-package FILE.deb] [--firmware PATH]...

Makes in DIR/boot what virtual servers boot (Debian's cloud kernel), and in DIR/boot/generic what any server does.
  --init FILE             the static program `init`, built elsewhere; without it cargo builds it from the sources
  --kernel-package FILE   a linux-image package for any server; without it Debian's newest is fetched by apt-get
  --firmware PATH         a firmware package or a directory of firmware; firmware.txt says what was packed under which
                          licence, and what drivers may want that is missing";

struct Arguments {
    out: PathBuf,
    is_wanted: [bool; 2],
    sources: Sources,
}

fn main() -> ExitCode {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(arguments) = parse(workspace.join(".lab/cache"), std::env::args().skip(1)) else {
        println!("{USAGE}");
        return ExitCode::from(2);
    };
    match make(&workspace, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ramdisk-pack: {error}");
            ExitCode::FAILURE
        }
    }
}

/// None: it is not understood.
fn parse(out: PathBuf, mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { out, is_wanted: [true, true], sources: Sources::default() };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match (word.as_str(), value.as_str()) {
            ("--out", _) => arguments.out = value.into(),
            ("--only", "virtual") => arguments.is_wanted = [true, false],
            ("--only", "physical") => arguments.is_wanted = [false, true],
            ("--init", _) => arguments.sources.init = Some(value.into()),
            ("--kernel-package", _) => arguments.sources.kernel_package = Some(value.into()),
            ("--firmware", _) => arguments.sources.firmware.push(value.into()),
            _ => return None,
        }
    }
    Some(arguments)
}

fn make(workspace: &Path, arguments: &Arguments) -> Result<(), PackError> {
    let Arguments { out, is_wanted: [virtual_servers, any_server], sources } = arguments;
    if *virtual_servers {
        print(&pack::pack_virtual(workspace, out, sources)?);
    }
    if *any_server {
        print(&pack::pack_physical(workspace, out, sources)?);
    }
    Ok(())
}

fn print(files: &BootFiles) {
    for path in [&files.kernel, &files.initrd, &files.rescue] {
        println!("{} {}", path.display(), std::fs::metadata(path).map_or(0, |meta| meta.len()));
    }
}
