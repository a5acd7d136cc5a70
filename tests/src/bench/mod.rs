//! Edges: the benches of `make bench`: our speeds and sizes, beside a peer's where that can be run here.
//!
//! A peer's figure is always measured in the same run on the same machine; where the peer is not run, there is none. The
//! stock stack is run after us, so that neither disturbs the other.

mod cycle;
pub mod figure;
pub mod speed;
pub mod stock;
pub mod wire;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail};
use figure::{Bench, Figure, Measured, median};
use speed::Told;

/// Cycles of the life cycle's benches, of which the median counts.
const REPEATS: usize = 3;

const STOCK: &str = stock::NAME;
/// Stands for every bench that the stock stack has, too.
const ONLY_STOCK: &str = "stock";
const NO_PEER: &str = "no peer";

const fn bench(name: &'static str, unit: &'static str, peer_name: &'static str, goal: Option<f64>) -> Bench {
    Bench { name, unit, peer_name, goal }
}

/// The benches of initrd and life cycle, in the order of the table; behind them come [`speed::BENCHES`] and
/// [`wire::BENCHES`].
pub const BENCHES: [Bench; 9] = [
    bench("initrd", "bytes", STOCK, Some(1_000_000.0)),
    bench("inspect", "s", STOCK, Some(15.0)),
    bench("provide", "s", STOCK, Some(20.0)),
    bench("deploy", "s", STOCK, Some(35.0)),
    bench("delete", "s", STOCK, Some(25.0)),
    bench("power-on-to-ramdisk", "s", STOCK, Some(10.0)),
    bench("off-to-isolated", "s", NO_PEER, Some(5.0)),
    bench("memory-agent", "MiB", NO_PEER, None),
    bench("memory-coordinator", "MiB", NO_PEER, None),
];

/// Which benches are run, and how thoroughly.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this one; `stock`: those that the stock stack has, too.
    pub only: Option<String>,
    /// One cycle instead of several, fewer polls, and the stock stack only if that is what was asked for.
    pub quick: bool,
}

/// Somebody wants the bench to end.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Runs the benches. A bench that fails is a figure with the reason; an error is a name that nobody knows.
pub async fn run(root: &Path, cache: &Path, options: &Options) -> anyhow::Result<Vec<Figure>> {
    let wanted = chosen(options.only.as_deref())?;
    let wants = |part: &[&str]| wanted.iter().any(|bench| part.contains(&bench.name));
    let mut measured: BTreeMap<&str, Result<Measured, String>> = BTreeMap::new();
    if wants(&["initrd"]) {
        measured.insert("initrd", initrd(root, cache).await.map_err(words));
    }
    let cycles = if options.quick { 1 } else { REPEATS };
    let is_speed = |bench: &Bench| speed::BENCHES.contains(bench) || wire::BENCHES.contains(bench);
    let left: Vec<_> =
        wanted.iter().filter(|bench| !measured.contains_key(bench.name) && !is_speed(bench)).collect();
    let mut interrupted = false;
    if !left.is_empty() {
        let (samples, result) = cycle::run(root, cycles).await;
        interrupted = result.as_ref().is_err_and(|error| error.is::<Interrupted>());
        let why = result.map_err(words).err();
        for bench in left {
            let samples = samples.get(bench.name).map_or(&[][..], Vec::as_slice);
            // The memory is read once, after the last cycle.
            let enough = if bench.unit == "MiB" { 1 } else { cycles };
            let ours = median(samples).filter(|_| samples.len() >= enough);
            let reason = || why.clone().unwrap_or_else(|| format!("{} figures of {enough}", samples.len()));
            measured.insert(bench.name, ours.map(|ours| Measured { ours, peer: None }).ok_or_else(reason));
        }
    }
    let figure = |bench: &Bench| {
        let result = measured.remove(bench.name).unwrap_or_else(|| Err("it was not run".to_owned()));
        Figure::new(bench, result)
    };
    let mut figures: Vec<_> = wanted.iter().filter(|bench| !is_speed(bench)).map(figure).collect();
    let of = |all: &[Bench]| wanted.iter().filter(|bench| all.contains(bench)).copied().collect::<Vec<_>>();
    figures.extend(speeds(root, of(&speed::BENCHES).iter(), options.quick).await);
    let on_wire = of(&wire::BENCHES);
    if !on_wire.is_empty() {
        figures.extend(wire::run(root, &on_wire, options.quick).await);
    }
    if options.quick && options.only.as_deref() != Some(ONLY_STOCK) {
        return Ok(figures);
    }
    Ok(beside_stock(root, figures, interrupted).await)
}

/// What the program `speeds` measures; it is built as a release is, and this one is not.
async fn speeds(root: &Path, wanted: impl Iterator<Item = &Bench>, quick: bool) -> Vec<Figure> {
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let names = wanted.iter().map(|bench| bench.name.to_owned()).collect();
    let told = speed::by_program(root, names, quick).await.map_err(words);
    let figure = |bench: &&Bench| match &told {
        Err(why) => Figure::new(bench, Err(why.clone())),
        Ok(told) => match told.iter().find(|told| told.name == bench.name) {
            Some(told) => Told::clone(told).figure(bench),
            None => Figure::new(bench, Err("it was not measured".to_owned())),
        },
    };
    wanted.iter().map(figure).collect()
}

/// Gives those figures their peer that the stock stack has, too. What it cannot measure takes nothing from our figures.
async fn beside_stock(root: &Path, figures: Vec<Figure>, interrupted: bool) -> Vec<Figure> {
    let has = |figure: &Figure| figure.peer_name == STOCK;
    let names: Vec<_> = figures.iter().filter(|figure| has(figure)).map(|figure| figure.name).collect();
    if names.is_empty() {
        return figures;
    }
    let (samples, result) = match interrupted {
        true => (BTreeMap::new(), Err(Interrupted.into())),
        false => stock::run(root, &names).await,
    };
    let why = result.map_err(words).err();
    let beside = |figure: Figure| {
        if !has(&figure) {
            return figure;
        }
        let peer = samples.get(figure.name).and_then(|samples| median(samples));
        figure.beside(peer.ok_or_else(|| why.clone().unwrap_or_else(|| "it was not measured".to_owned())))
    };
    figures.into_iter().map(beside).collect()
}

fn every() -> impl Iterator<Item = Bench> {
    BENCHES.into_iter().chain(speed::BENCHES).chain(wire::BENCHES)
}

/// The benches that were asked for: one by its name, or those whose names begin with it.
fn chosen(only: Option<&str>) -> anyhow::Result<Vec<Bench>> {
    let is_one = only.is_some_and(|name| every().any(|bench| bench.name == name));
    let begins =
        |bench: &Bench, name: &str| bench.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let fits = |bench: &Bench, name: &str| match name {
        ONLY_STOCK => bench.peer_name == STOCK,
        name => bench.name == name || !is_one && begins(bench, name),
    };
    let chosen: Vec<_> = every().filter(|bench| only.is_none_or(|name| fits(bench, name))).collect();
    if chosen.is_empty() {
        let names: Vec<_> = every().map(|bench| bench.name).chain([ONLY_STOCK]).collect();
        bail!("there is no bench {}; there are: {}", only.unwrap_or_default(), names.join(", "));
    }
    Ok(chosen)
}

/// Size of the ramdisk's initrd.
async fn initrd(root: &Path, cache: &Path) -> anyhow::Result<Measured> {
    let (root, cache) = (root.to_owned(), cache.to_owned());
    let files = tokio::task::spawn_blocking(move || ramdisk::pack::pack(&root, &cache)).await??;
    let bytes = std::fs::metadata(&files.initrd).context("looking at the initrd")?.len();
    Ok(Measured { ours: bytes as f64, peer: None })
}

fn words(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bench_or_all_and_nothing_unknown() {
        let check = |only: Option<&str>, expected: usize| {
            assert_eq!(chosen(only).map_or(0, |chosen| chosen.len()), expected, "{only:?}");
        };
        check(None, BENCHES.len() + speed::BENCHES.len() + wire::BENCHES.len());
        check(Some("tftp"), 3);
        check(Some("redfish-kept"), 1);
        check(Some("deploy"), 1);
        check(Some("stock"), 6);
        check(Some("off-seen"), 4);
        check(Some("off"), 5);
        check(Some("depoly"), 0);
        let words = chosen(Some("depoly")).unwrap_err().to_string();
        assert!(words.contains("depoly") && words.contains("off-to-isolated"), "{words}");
    }
}
