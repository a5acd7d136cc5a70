//! What two of our programs, or two places in one, would each do in their own way has one place. The test reads the sources as
//! text: it names whoever begins a second way, and says which is the first.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What shows that something is done by hand, where it is done for all, and files that may do it too, with why.
struct Way {
    shown_by: &'static [&'static str],
    place: &'static str,
    others: &'static [(&'static str, &'static str)],
}

const WAYS: [Way; 9] = [
    Way { shown_by: &["byte:02x}", "b:02x}\")", "from_digit("], place: "protocol/src/hex.rs", others: &[] },
    Way { shown_by: &["from_str_radix("], place: "protocol/src/hex.rs", others: &[] },
    Way {
        shown_by: &["error.source()", "cause.source()", "inner.source()", "Error::source("],
        place: "protocol/src/error_chain.rs",
        others: &[],
    },
    Way {
        shown_by: &["pause * 2", "pause *= 2", "pause_us * 2", "saturating_pow("],
        place: "protocol/src/backoff.rs",
        others: &[],
    },
    Way {
        shown_by: &["fs::rename("],
        place: "protocol/host/src/whole_file.rs",
        others: &[
            (
                "agent/src/image/cache.rs",
                "a download of gigabytes goes on in its part, and is judged by its hash",
            ),
            (
                "coordinator/core/src/firmware/files.rs",
                "an upload of many megabytes goes on in its part, and is judged by its hash",
            ),
            ("pxe/ramdisk/src/pack/mod.rs", "packing a ramdisk is repeated whole when it was cut short"),
            (
                "pxe/ramdisk/src/pack/kernel.rs",
                "a directory; packing is repeated whole when it was cut short",
            ),
            (
                "pxe/ramdisk/src/pack/rescue.rs",
                "a directory; packing is repeated whole when it was cut short",
            ),
        ],
    },
    Way { shown_by: &["RLIMIT_CORE", "set_dumpable("], place: "protocol/host/src/dumps.rs", others: &[] },
    Way { shown_by: &["RLIMIT_NOFILE"], place: "protocol/host/src/open_files.rs", others: &[] },
    Way { shown_by: &["tracing_subscriber::fmt"], place: "protocol/host/src/log.rs", others: &[] },
    Way { shown_by: &["0x5146_49fb", "0x00ff_ffff_ffff_fe00"], place: "protocol/src/qcow2.rs", others: &[] },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What our programs are made of, by its path from the top of the checkout; their tests in files of their own are left out.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ["agent", "coordinator", "protocol", "pxe"] {
        walk(&root().join(name), &mut found);
    }
    let named = found.into_iter().map(|path| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    named.filter(|(name, _)| name.contains("/src/")).collect()
}

#[test]
fn each_has_one_place() {
    let sources = sources();
    let mut faults = Vec::new();
    for way in &WAYS {
        let mut unused: Vec<&str> = way.others.iter().map(|(path, _)| *path).collect();
        assert!(root().join(way.place).exists(), "{} is where {:?} belong", way.place, way.shown_by);
        for (path, text) in sources.iter().filter(|(path, _)| path != way.place) {
            let Some(shown) = way.shown_by.iter().find(|shown| text.contains(**shown)) else { continue };
            match unused.iter().position(|other| other == path) {
                Some(known) => drop(unused.remove(known)),
                None => faults.push(format!("{path} has `{shown}`: use {}", way.place)),
            }
        }
        faults.extend(unused.iter().map(|path| format!("{path} needs no exception any more")));
    }
    assert!(faults.is_empty(), "what has one place is done elsewhere too:\n  {}", faults.join("\n  "));
}
