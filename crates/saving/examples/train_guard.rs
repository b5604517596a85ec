//! Trains the verifier of the guard and writes its weights and its training report.
//!
//! `cargo run --release -p nunchi-saving --example train_guard -- --data DIR`

mod guard_data;

use anyhow::Result;
use guard_data::boost::{self, Options};
use guard_data::{Corpora, Fold};

fn main() -> Result<()> {
    let corpora = Corpora::load()?;
    let v: Vec<f64> =
        std::env::args().skip_while(|a| a != "-o").skip(1).map(|a| a.parse().unwrap()).collect();
    let mut o = Options::default();
    if v.len() == 5 {
        o = Options { rounds: v[0] as usize, depth: v[1] as usize, rate: v[2], l2: v[3], least: v[4] };
    }
    if std::env::args().any(|a| a == "-s") {
        guard_data::report::slots(&corpora);
    }
    let mut points = Vec::new();
    for held in [true, false] {
        let fold = Fold::new(&corpora, held);
        let forest = boost::train(&fold.pairs, o);
        points.extend(guard_data::report::points(&forest, &corpora, held));
        println!("held {held}: {} pairs", fold.pairs.len());
        guard_data::report::print(&forest, &corpora, held);
        if std::env::args().any(|a| a == "-w") {
            guard_data::report::worst(&forest, &corpora.korean, held, 70);
            guard_data::report::worst(&forest, &corpora.both, held, 40);
        }
    }
    let calibration = boost::calibrate(&points);
    println!("{calibration:?} of {} points", points.len());
    let everything = guard_data::all_pairs(&corpora);
    let mut forest = boost::train(&everything, o);
    forest.calibration = calibration;
    std::fs::write("crates/saving/weights/guard.json", serde_json::to_string(&forest)?)?;
    Ok(())
}
