//! The benches: Nunchi beside nginx in front of the same upstream, in one run on one machine.

mod latency;
mod load;
mod page;
mod savings;
mod servers;
mod streams;
mod throughput;
mod vitals;

use anyhow::{Result, bail};
use page::Section;
use servers::Bench;
use std::path::Path;

/// One measured line of a bench.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) nunchi: String,
    pub(crate) peer: String,
    pub(crate) ratio: String,
    pub(crate) goal: String,
}

impl Row {
    fn new(what: &str, nunchi: String, peer: String, ratio: String, goal: &str) -> Self {
        Self { what: what.to_owned(), nunchi, peer, ratio, goal: goal.to_owned() }
    }
}

type Measure = fn(&Bench) -> Result<Vec<Row>>;

/// All benches by name.
const BENCHES: [(&str, Measure); 7] = [
    ("throughput", throughput::run),
    ("latency", latency::run),
    ("first-chunk", streams::first_chunk),
    ("big-body", latency::big_body),
    ("streams", streams::many),
    ("memory", vitals::memory),
    ("start", vitals::start),
];

/// Runs one bench or all; with `write` the results become docs/benchmarks.md.
pub(crate) fn run(root: &Path, only: Option<&str>, write: bool) -> Result<()> {
    let chosen: Vec<_> = BENCHES.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = BENCHES.iter().map(|(name, _)| *name).collect();
        bail!("there is no such bench; the benches are {}", names.join(", "));
    }
    let bench = Bench::build(root)?;
    let mut sections = Vec::new();
    for (name, measure) in chosen {
        eprintln!("measuring {name} …");
        let rows = measure(&bench)?;
        let text = page::table(name, &rows);
        print!("## {name}\n\n{text}");
        sections.push(Section { name: (*name).to_owned(), text });
    }
    if write {
        page::write(root, &sections)?;
    }
    Ok(())
}

/// Runs the suite of what is saved; with `write` its section goes to docs/benchmarks.md.
pub(crate) fn savings(root: &Path, data: &str, write: bool) -> Result<()> {
    let section = savings::run(root, data)?;
    if write { page::write(root, &[section]) } else { Ok(()) }
}
