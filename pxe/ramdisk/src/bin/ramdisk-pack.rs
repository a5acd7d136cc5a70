//! Edges: `ramdisk-pack` makes kernels, ramdisks and boot loaders in DIR/boot; DIR is `.lab/cache` by default.
#![allow(clippy::print_stdout)] // A command line: it prints.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use ramdisk::pack::{self, BootFiles, PackError, SignedLoaders, Sources};

const USAGE: &str = "\
usage: ramdisk-pack [--out DIR] [--only virtual|physical|loaders|manifest] [--init FILE] [--kernel-package FILE.deb] [--firmware PATH]... [--sign KEY]

Makes in DIR/boot what virtual servers boot (Debian's cloud kernel), in DIR/boot/generic what any server does, and in
DIR/boot/{shimx64.efi,grubx64.efi} the signed loaders with which servers with Secure Boot start either. DIR/boot/manifest.txt
lists the SHA-256 of whatever lies there then.
  --init FILE             the static program `init`, built elsewhere; without it cargo builds it from the sources
  --kernel-package FILE   a linux-image package for any server; without it Debian's newest is fetched by apt-get
  --firmware PATH         a firmware package or a directory of firmware; firmware.txt says what was packed under which
                          licence, and what drivers may want that is missing
  --sign KEY              signs the list (manifest.txt.sig) with an Ed25519 private key in PEM: `openssl genpkey -algorithm ed25519`";

struct Arguments {
    out: PathBuf,
    is_wanted: [bool; 3],
    sources: Sources,
    key: Option<PathBuf>,
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
    let mut arguments = Arguments { out, is_wanted: [true; 3], sources: Sources::default(), key: None };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match (word.as_str(), value.as_str()) {
            ("--out", _) => arguments.out = value.into(),
            ("--only", "virtual") => arguments.is_wanted = [true, false, false],
            ("--only", "physical") => arguments.is_wanted = [false, true, false],
            ("--only", "loaders") => arguments.is_wanted = [false, false, true],
            ("--only", "manifest") => arguments.is_wanted = [false; 3],
            ("--sign", _) => arguments.key = Some(value.into()),
            ("--init", _) => arguments.sources.init = Some(value.into()),
            ("--kernel-package", _) => arguments.sources.kernel_package = Some(value.into()),
            ("--firmware", _) => arguments.sources.firmware.push(value.into()),
            _ => return None,
        }
    }
    Some(arguments)
}

fn make(workspace: &Path, arguments: &Arguments) -> Result<(), PackError> {
    let Arguments { out, is_wanted: [virtual_servers, any_server, loaders], sources, key } = arguments;
    if *virtual_servers {
        print(&files(&pack::pack_virtual(workspace, out, sources)?));
    }
    if *any_server {
        print(&files(&pack::pack_physical(workspace, out, sources)?));
    }
    if *loaders {
        let SignedLoaders { shim, grub } = pack::pack_signed_loaders(out)?;
        print(&[&shim, &grub]);
    }
    print(&[&pack::write_manifest(out, key.as_deref())?]);
    Ok(())
}

fn files(files: &BootFiles) -> [&PathBuf; 3] {
    [&files.kernel, &files.initrd, &files.rescue]
}

fn print(paths: &[&PathBuf]) {
    for path in paths {
        println!("{} {}", path.display(), std::fs::metadata(path).map_or(0, |meta| meta.len()));
    }
}
