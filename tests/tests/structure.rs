//! The rules of structure that no compiler checks: rings, dependency arrows, names that must not appear, the map in
//! docs/architecture.md. The tests read the sources as text and name every file that breaks a rule.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Directories of our crates, from the top of the checkout.
const CRATES: [&str; 5] = ["agent", "coordinator", "protocol", "pxe", "tests"];

/// What a file of values or decisions must not contain.
const IMPURE: [&str; 5] = ["async fn", ".await", "tokio::", "SystemTime::now", "Instant::now"];

/// Files of a pure ring that may contain something of [`IMPURE`] all the same, and why.
const IMPURE_ALLOWED: [(&str, &str, &str); 1] =
    [("tests/src/bmc/chassis.rs", "async fn", "a trait only: the machine behind a virtual BMC")];

/// The folder of the rim: traits, each with `async fn`, and the values that they speak in. Nothing else there waits.
const RIM: &str = "coordinator/domain/src/rim/";

/// Names of clouds and their parts, which `protocol` and `pxe` must not know.
const CLOUDS: [&str; 9] =
    ["openstack", "ironic", "contrail", "tungsten", "opensdn", "nova", "glance", "keystone", "neutron"];

/// Which of our crates each may use; dependencies of its tests in the second list.
const ARROWS: [(&str, &[&str], &[&str]); 19] = [
    ("protocol", &[], &[]),
    ("protocol/host", &["protocol"], &[]),
    ("pxe", &["host", "protocol"], &[]),
    ("pxe/ramdisk", &["protocol"], &[]),
    ("agent", &["host", "protocol", "pxe"], &["ramdisk"]),
    (
        "coordinator",
        &[
            "contrail",
            "coordinator-core",
            "domain",
            "faces",
            "host",
            "listen",
            "openstack",
            "protocol",
            "store",
        ],
        &[],
    ),
    (
        "coordinator/faces",
        &["api-types", "coordinator-core", "counters", "domain", "listen", "protocol", "store"],
        &["fakes"],
    ),
    ("coordinator/core", &["counters", "domain", "listen", "protocol", "store"], &["fakes"]),
    ("coordinator/listen", &["protocol"], &[]),
    ("coordinator/fakes", &["domain", "protocol"], &[]),
    ("coordinator/bmsctl", &["api-types", "domain", "host", "openstack", "protocol"], &[]),
    ("coordinator/api-types", &["domain", "protocol"], &[]),
    ("coordinator/clouds/contrail", &["counters", "domain", "protocol", "store"], &[]),
    ("coordinator/clouds/openstack", &["counters", "domain", "protocol"], &[]),
    ("coordinator/store", &["counters", "domain", "host", "protocol"], &[]),
    ("coordinator/counters", &["domain"], &[]),
    ("coordinator/domain", &["protocol"], &[]),
    (
        "tests",
        &[
            "agent",
            "api-types",
            "contrail",
            "coordinator",
            "coordinator-core",
            "domain",
            "faces",
            "fakes",
            "host",
            "listen",
            "openstack",
            "protocol",
            "pxe",
            "ramdisk",
            "store",
        ],
        &[],
    ),
    ("tests/tenant-init", &["ramdisk"], &[]),
];

/// What a crate's manifest must not have, so that the compiler keeps its walls: whoever has no runtime cannot wait.
const WALLS: [(&str, &[&str]); 7] = [
    ("agent", &["reqwest"]),
    ("coordinator/api-types", &WAITS_OR_TELLS_THE_TIME),
    ("coordinator/domain", &WAITS_OR_TELLS_THE_TIME),
    ("coordinator/core", &["askama", "hyper", "reqwest", "sqlx", "tower", "utoipa"]),
    ("coordinator/faces", &["reqwest", "sqlx", "tonic"]),
    ("coordinator/store", &["axum", "hyper", "reqwest", "tonic"]),
    ("coordinator/bmsctl", &["axum", "hyper", "sqlx", "tonic"]),
];
const WAITS_OR_TELLS_THE_TIME: [&str; 13] = [
    "async-io",
    "axum",
    "futures",
    "hyper",
    "jiff",
    "nix",
    "rand",
    "reqwest",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-util",
    "tonic",
];

/// What must be at the top of the checkout.
const TOP: [&str; 12] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "agent",
    "coordinator",
    "protocol",
    "pxe",
    "tests",
    "vagrant",
];
/// What may be there beside it: `target` is made by cargo, the rest is configuration of tools, or wanted only if useful.
const TOP_OPTIONAL: [&str; 6] = ["benches", "clippy.toml", "deny.toml", "docs", "rustfmt.toml", "target"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
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

/// Every Rust file of our crates with its text, by its path from the top of the checkout.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in CRATES {
        walk(&root().join(name), &mut found);
    }
    let mut sources: Vec<_> = found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (name, text)
        })
        .collect();
    sources.sort();
    sources
}

/// A crate's root, a build script, integration tests and unit tests in a file of their own belong to no ring.
fn has_no_ring(path: &str) -> bool {
    let Some((_, inside)) = path.split_once('/') else { return true };
    path.ends_with("/src/lib.rs")
        || path.ends_with("/build.rs")
        || inside.starts_with("tests/")
        || path.ends_with("/tests.rs")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ring {
    Values,
    Decisions,
    Edges,
    /// A `mod.rs` that only gathers files of several rings.
    Gathering,
}

fn ring(path: &str, text: &str) -> Option<Ring> {
    let first = text.lines().next()?.strip_prefix("//! ")?;
    match first.split_once(": ")?.0 {
        "Values" => Some(Ring::Values),
        "Decisions" => Some(Ring::Decisions),
        "Edges" => Some(Ring::Edges),
        "Decisions and edges" if path.ends_with("/mod.rs") && !text.contains("fn ") => Some(Ring::Gathering),
        _ => None,
    }
}

/// The text without comments and without what is compiled for tests only.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            for skipped in lines.by_ref() {
                if skipped == end || (skipped.ends_with(';') && !skipped.starts_with("  ")) {
                    break;
                }
            }
        } else if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

#[track_caller]
fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn every_file_says_what_it_is() {
    let faults: Vec<_> = sources()
        .into_iter()
        .filter(
            |(path, text)| {
                if has_no_ring(path) { !text.starts_with("//! ") } else { ring(path, text).is_none() }
            },
        )
        .map(|(path, text)| format!("{path} begins with: {}", text.lines().next().unwrap_or("(nothing)")))
        .collect();
    assert_none(
        "the first line of a file must be `//! Values: `, `//! Decisions: ` or `//! Edges: ` and a sentence",
        &faults,
    );
}

#[test]
fn values_and_decisions_neither_wait_nor_read_a_clock() {
    let mut faults = Vec::new();
    let mut unused: Vec<_> = IMPURE_ALLOWED.to_vec();
    for (path, text) in sources() {
        let pure = match ring(&path, &text) {
            Some(Ring::Values | Ring::Decisions) => !has_no_ring(&path),
            Some(Ring::Edges | Ring::Gathering) | None => false,
        };
        if !pure {
            continue;
        }
        let code = code(&text);
        for word in IMPURE.into_iter().filter(|word| code.contains(word)) {
            if path.starts_with(RIM) && word == "async fn" {
                continue;
            }
            let before = unused.len();
            unused.retain(|(file, allowed, _)| (*file, *allowed) != (path.as_str(), word));
            if unused.len() == before {
                faults.push(format!("{path} contains `{word}`"));
            }
        }
    }
    faults.extend(
        unused.iter().map(|(file, word, _)| format!("{file} needs no exception for `{word}` any more")),
    );
    assert_none("files of values and decisions are given the time and do no I/O", &faults);
}

/// Files of a pure ring that import something of an edge all the same, and why.
const EDGE_ALLOWED: [(&str, &str, &str); 0] = [];

/// The paths in a tree of imports (`a::{b, c::{d, e}}`), each as its segments; what an import is renamed to does not matter.
fn imported(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        return vec![path.split("::").map(str::to_owned).collect()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in inner.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if letter != ',' || depth > 0 => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    let head: Vec<_> = head.trim_end_matches("::").split("::").filter(|name| !name.is_empty()).collect();
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    let of = |path: Vec<String>| head.iter().map(|name| (*name).to_owned()).chain(path).collect();
    parts.flat_map(|part| imported(part)).map(of).collect()
}

/// The modules that a file is in, from its crate's `src`: `a/b.rs` and `a/b/mod.rs` are `a::b`.
fn modules(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|name| !["lib", "main"].contains(name)).map(str::to_owned).collect()
}

#[test]
fn values_and_decisions_import_nothing_of_edges() {
    let sources = sources();
    let mut faults = Vec::new();
    let mut unused = EDGE_ALLOWED.to_vec();
    for (member, ..) in ARROWS {
        let src = format!("{member}/src/");
        let inside: Vec<_> =
            sources.iter().filter_map(|(path, text)| Some((path.strip_prefix(&src)?, text))).collect();
        let edges: BTreeSet<Vec<String>> = inside
            .iter()
            .filter(|(file, text)| ring(&format!("{src}{file}"), text) == Some(Ring::Edges))
            .map(|(file, _)| modules(file))
            .collect();
        for (file, text) in &inside {
            let path = format!("{src}{file}");
            if has_no_ring(&path) || !matches!(ring(&path, text), Some(Ring::Values | Ring::Decisions)) {
                continue;
            }
            let code = code(text);
            for statement in code.split("use ").skip(1).filter_map(|rest| rest.split_once(';')) {
                for import in imported(statement.0) {
                    let ups = import.iter().take_while(|name| *name == "super").count();
                    let mut from = modules(file);
                    from.truncate(from.len().saturating_sub(ups));
                    let target: Vec<String> = match import.first().map(String::as_str) {
                        Some("crate") => import[1..].to_vec(),
                        Some("super") => from.into_iter().chain(import[ups..].iter().cloned()).collect(),
                        _ => continue,
                    };
                    // The longest part of the path that is a file of this crate.
                    let known =
                        |length: &usize| inside.iter().any(|(other, _)| modules(other) == target[..*length]);
                    let Some(length) = (1..=target.len()).rev().find(known) else { continue };
                    if edges.contains(&target[..length]) {
                        let of = target[..length].join("::");
                        let before = unused.len();
                        unused.retain(|(by, edge, _)| (*by, *edge) != (path.as_str(), of.as_str()));
                        if unused.len() == before {
                            faults.push(format!(
                                "{path} imports {} of the edge {of}",
                                target[length..].join("::")
                            ));
                        }
                    }
                }
            }
        }
    }
    faults.extend(unused.iter().map(|(by, edge, _)| format!("{by} needs no exception for {edge} any more")));
    assert_none("values and decisions stand on values and decisions only", &faults);
}

/// A crate's files with what each imports of the others, through what a `mod.rs` hands on.
struct Imports {
    files: Vec<(String, String)>,
}

impl Imports {
    fn of(member: &str) -> Self {
        let src = format!("{member}/src/");
        let inside =
            |(path, text): (String, String)| Some((path.strip_prefix(&src)?.to_owned(), code(&text)));
        Self {
            files: sources().into_iter().filter(|(path, _)| !has_no_ring(path)).filter_map(inside).collect(),
        }
    }

    /// The file that a path leads to, and what of it is meant.
    fn find(&self, path: &[String]) -> Option<(usize, Vec<String>)> {
        (1..=path.len()).rev().find_map(|length| {
            let found = self.files.iter().position(|(file, _)| modules(file) == path[..length])?;
            Some((found, path[length..].to_vec()))
        })
    }

    /// The imports in one file, as paths from the crate's root; those of its own children as well.
    fn paths(&self, file: usize) -> Vec<Vec<String>> {
        let (name, text) = &self.files[file];
        let here = modules(name);
        let statements = text.split("use ").skip(1).filter_map(|rest| rest.split_once(';'));
        let from_root = |import: Vec<String>| {
            let ups = import.iter().take_while(|name| *name == "super").count();
            if import.first().is_some_and(|first| first == "crate") {
                return import[1..].to_vec();
            }
            here[..here.len().saturating_sub(ups)].iter().chain(&import[ups..]).cloned().collect()
        };
        statements.flat_map(|(tree, _)| imported(tree)).map(from_root).collect()
    }

    /// Follows what is handed on to where it is made.
    fn made_in(&self, path: &[String], hops: usize) -> Option<usize> {
        let (file, rest) = self.find(path)?;
        let Some(name) = rest.first().filter(|_| hops > 0) else { return Some(file) };
        let handed_on = self.paths(file).into_iter().find(|path| {
            path.last() == Some(name) && self.find(path).is_some_and(|(other, _)| other != file)
        });
        handed_on.and_then(|path| self.made_in(&path, hops - 1)).or(Some(file))
    }

    /// Which files each file imports.
    fn graph(&self) -> Vec<BTreeSet<usize>> {
        let of = |file: usize| {
            let targets = self.paths(file).into_iter().filter_map(|path| self.made_in(&path, 4));
            // A `mod.rs` that hands its children on stands on none of them for that.
            targets.filter(|target| *target != file && !self.is_child(*target, file)).collect()
        };
        (0..self.files.len()).map(of).collect()
    }

    fn is_child(&self, file: usize, parent: usize) -> bool {
        modules(&self.files[file].0).starts_with(&modules(&self.files[parent].0))
    }
}

fn reached(graph: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(graph[file].iter().filter(|other| seen.insert(**other)));
    }
    seen
}

#[test]
fn no_circle_of_files_crosses_modules() {
    let mut faults = Vec::new();
    for (member, ..) in ARROWS {
        let imports = Imports::of(member);
        let graph = imports.graph();
        let reaches: Vec<_> = (0..graph.len()).map(|file| reached(&graph, file)).collect();
        for (one, reached) in reaches.iter().enumerate() {
            for other in reached.range(one + 1..).filter(|other| reaches[**other].contains(&one)) {
                let (one, other) = (&imports.files[one].0, &imports.files[*other].0);
                if modules(one).first() != modules(other).first() {
                    faults.push(format!("{member}: {one} and {other}"));
                }
            }
        }
    }
    assert_none("files of different modules that stand on each other", &faults);
}

#[test]
fn imports_are_read_as_they_are_written() {
    let check = |tree: &str, expected: &[&str]| {
        let found: Vec<_> = imported(tree).iter().map(|path| path.join("::")).collect();
        assert_eq!(found, expected);
    };
    check("super::wake::Wake", &["super::wake::Wake"]);
    check(
        "crate::{a::B as C, d::{self, e::F}, g::*}",
        &["crate::a::B", "crate::d::self", "crate::d::e::F", "crate::g::*"],
    );
}

#[test]
fn protocol_and_pxe_know_no_cloud() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if path.starts_with("protocol/") || path.starts_with("pxe/") {
            let code = code(&text).to_lowercase();
            faults.extend(
                CLOUDS.iter().filter(|name| code.contains(**name)).map(|name| format!("{path}: {name}")),
            );
        }
    }
    let proto = "protocol/proto/bms/agent/v1/agent.proto";
    for line in read(proto).lines().filter(|line| !line.trim_start().starts_with("//")) {
        let line = line.to_lowercase();
        faults.extend(
            CLOUDS.iter().filter(|name| line.contains(**name)).map(|name| format!("{proto}: {name}")),
        );
    }
    assert_none("protocol and pxe must not name a cloud or a part of one", &faults);
}

/// Names of our crates among the dependencies in one table of a manifest.
fn ours(manifest: &toml::Table, table: &str, crates: &BTreeSet<String>) -> BTreeSet<String> {
    let table = manifest.get(table).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys()).filter(|name| crates.contains(*name)).cloned().collect()
}

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let workspace: toml::Table = read("Cargo.toml").parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: Vec<_> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let manifest = |member: &str| -> toml::Table { read(&format!("{member}/Cargo.toml")).parse().unwrap() };
    let name = |member: &&str| manifest(member)["package"]["name"].as_str().unwrap().to_owned();
    let crates: BTreeSet<String> = members.iter().map(name).collect();
    let mut faults = Vec::new();
    for member in members {
        let Some((_, uses, tests_use)) = ARROWS.iter().find(|(of, ..)| *of == member) else {
            faults.push(format!("{member} is not in the picture: add it to DESIGN and to ARROWS"));
            continue;
        };
        let manifest = manifest(member);
        let mut check = |table: &str, allowed: &[&[&str]]| {
            for other in ours(&manifest, table, &crates) {
                if !allowed.iter().any(|list| list.contains(&other.as_str())) {
                    faults.push(format!("{member}: {table} has {other}"));
                }
            }
        };
        check("dependencies", &[uses]);
        check("build-dependencies", &[uses]);
        check("dev-dependencies", &[uses, tests_use]);
    }
    assert_none("dependencies between our crates that nobody has drawn", &faults);
}

#[test]
fn walls_are_in_the_manifests() {
    let mut faults = Vec::new();
    for (member, kept_out) in WALLS {
        let manifest: toml::Table = read(&format!("{member}/Cargo.toml")).parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        faults.extend(
            kept_out
                .iter()
                .filter(|name| dependencies.contains_key(**name))
                .map(|name| format!("{member} has {name}")),
        );
    }
    assert_none("dependencies that a crate must do without", &faults);
}

#[test]
fn the_top_level_is_as_agreed() {
    let entries: BTreeSet<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    let mut faults: Vec<_> = TOP
        .iter()
        .filter(|name| !entries.contains(**name))
        .map(|name| format!("{name} is missing"))
        .collect();
    let agreed = |name: &String| TOP.contains(&name.as_str()) || TOP_OPTIONAL.contains(&name.as_str());
    faults.extend(entries.iter().filter(|name| !agreed(name)).map(|name| format!("{name} is too much")));
    assert_none("the top level has a fixed list of entries", &faults);
}

/// Names in backquotes at the beginning of table rows, in the section of docs/architecture.md with this heading.
fn mapped(map: &str, heading: &str) -> BTreeSet<String> {
    map.lines()
        .skip_while(|line| *line != format!("### {heading}"))
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_map_matches_the_tree() {
    let map = read("docs/architecture.md");
    let mut faults = Vec::new();
    for (member, ..) in ARROWS {
        let mapped = mapped(&map, member);
        let src = root().join(member).join("src");
        let tree: BTreeSet<String> = fs::read_dir(&src)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                if entry.path().is_dir() { format!("{name}/") } else { name }
            })
            // The rest of a module whose own file stands beside it.
            .filter(|name| !name.strip_suffix('/').is_some_and(|dir| src.join(format!("{dir}.rs")).exists()))
            .collect();
        faults.extend(tree.difference(&mapped).map(|name| format!("{member}/src/{name} is not on the map")));
        faults.extend(mapped.difference(&tree).map(|name| format!("{member}/src/{name} is on the map only")));
    }
    assert_none("docs/architecture.md must name what is in the tree", &faults);
}

/// Documents name a test as `path/to/file.rs#name_of_the_test`.
#[test]
fn tests_that_documents_name_exist() {
    let mut faults = Vec::new();
    let mut named = 0;
    for document in ["README.md", "docs/architecture.md", "docs/operations.md"] {
        for word in read(document).split('`') {
            let Some((file, test)) = word.split_once(".rs#") else { continue };
            named += 1;
            let text = fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
            if !text.contains(&format!("fn {test}(")) {
                faults.push(format!("{document}: {word}"));
            }
        }
    }
    assert_none("tests that are named and do not exist", &faults);
    assert!(named > 0, "no document names a test: this test proves nothing");
}

/// Relative links only: what is elsewhere is not ours to check.
#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = vec!["README.md".to_owned(), "vagrant/README.md".to_owned()];
    let mut dirs = vec!["docs".to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root().join(&dir)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{dir}/{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() { dirs.push(name) } else { documents.push(name) }
        }
    }
    let mut faults = Vec::new();
    for document in documents.iter().filter(|name| name.ends_with(".md")) {
        let dir = root().join(document).parent().unwrap().to_owned();
        for link in read(document).split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !dir.join(target).exists() {
                faults.push(format!("{document}: {target}"));
            }
        }
    }
    assert_none("links that lead nowhere", &faults);
}
