//! Edges: `ramdisk-pack [--out DIR]` makes kernel, initrd and boot loaders in DIR/boot; DIR is `.lab/cache` by default.
#![allow(clippy::print_stdout)] // A command line: it prints.

use std::{path::PathBuf, process::ExitCode};

use ramdisk::pack;

fn main() -> ExitCode {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut arguments = std::env::args().skip(1);
    let out = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => workspace.join(".lab/cache"),
        (Some("--out"), Some(dir)) => dir.into(),
        (Some(_), _) => {
            println!("usage: ramdisk-pack [--out DIR]");
            return ExitCode::from(2);
        }
    };
    match pack::pack(&workspace, &out) {
        Ok(files) => {
            for path in [&files.kernel, &files.initrd, &files.rescue] {
                println!("{} {}", path.display(), std::fs::metadata(path).map_or(0, |meta| meta.len()));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ramdisk-pack: {error}");
            ExitCode::FAILURE
        }
    }
}
