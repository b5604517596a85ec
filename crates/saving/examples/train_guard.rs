//! Trains the verifier of the guard and writes its weights and its training report.
//!
//! `cargo run --release -p nunchi-saving --example train_guard -- --data DIR`

mod guard_data;

use anyhow::{Context, Result};
use guard_data::boost::{self, Options};
use guard_data::protocol::{self, Best};
use guard_data::{Corpora, pairs_of, report};
use nunchi_saving::{FEATURE_NAMES, Forest};
use std::path::Path;

fn main() -> Result<()> {
    let corpora = Corpora::load()?;
    let options = Options::default();
    let mut table = Vec::new();
    let (mut points, mut found) = (Vec::new(), Vec::new());
    for held in [true, false] {
        let mut forest = boost::train(&pairs_of(&corpora, Some(!held)), options);
        forest.same_reading = report::same_reading_rate(&corpora, Some(!held));
        let own = report::points(&forest, &corpora, held);
        table.extend(report::table(&forest, &corpora, held));
        // The floors are scores after calibration; the calibration is fitted on both halves together.
        forest.calibration = boost::calibrate(&own);
        points.extend(own);
        for corpus in [&corpora.korean, &corpora.both] {
            let (hits, misses) =
                report::mixed(corpus, Some(held), &|a, b, c| report::guarded(&forest, a, b, c));
            found.extend(hits.into_iter().chain(misses));
        }
    }
    let pairs = pairs_of(&corpora, None);
    let mut forest = boost::train(&pairs, options);
    forest.calibration = boost::calibrate(&points);
    forest.same_reading = report::same_reading_rate(&corpora, None);
    forest.floors = floors(&found);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(here.join("weights/guard.json"), serde_json::to_string(&forest)? + "\n")?;
    let text = write_up(&forest, &corpora, pairs.len(), options, &table);
    println!("{text}");
    let docs = here.join("../../docs/learned");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("guard.md"), text).context("docs/learned/guard.md")
}

/// The score from which an entry without experience serves, for several promises of wrong answers per look-up.
fn floors(found: &[Best]) -> Vec<(f32, f32)> {
    [0.005, 0.01, 0.02, 0.05]
        .into_iter()
        .map(|delta| {
            (delta, protocol::at_limit(found, delta, |rates| rates.wrong_of_queries).threshold.min(2.0))
        })
        .collect()
}

fn write_up(forest: &Forest, corpora: &Corpora, pairs: usize, options: Options, table: &[String]) -> String {
    let mut uses = vec![0_usize; FEATURE_NAMES.len()];
    for node in forest.trees.iter().flatten() {
        if let Some(count) = usize::try_from(node.0).ok().and_then(|feature| uses.get_mut(feature)) {
            *count += 1;
        }
    }
    let mut order: Vec<usize> = (0..uses.len()).collect();
    order.sort_by_key(|feature| std::cmp::Reverse(uses[*feature]));
    let features: Vec<String> =
        order.iter().map(|feature| format!("{} {}", FEATURE_NAMES[*feature], uses[*feature])).collect();
    format!(
        "# The guard of the semantic cache: training report\n\n\
         Written by `cargo run --release -p nunchi-saving --example train_guard -- --data DIR`.\n\n\
         {} trees of depth {} over {} features, {pairs} pairs: paraphrase groups of the development data and of \
         `crates/saving/data/guard_questions.txt`, near misses made by editing one slot, nearest and farther neighbours \
         of other groups. Half of the pairs and features for each tree; directions that are common sense (a higher \
         cosine, fewer missing words) are fixed. The weights that ship are trained on all groups.\n\n\
         ## Held out\n\n\
         Groups are split in two halves by a hash; each half is scored by trees trained on the other. Hits are percent of \
         the queries that have a stored paraphrase, at the threshold (in brackets) where the false hits reach 1 %. \
         `cosine` is the floor. The ten nearest by cosine are weighed. Which words the lists hold and how the trees are \
         grown was chosen while looking at both halves, so other records will do somewhat worse. Some groups of the \
         development data ask the same (301 and 399, 29 and 36, 592 and 593, 774 and 974): a verifier that is right on \
         them is counted wrong.\n\n{}\n{}\n\n\
         ## Decision\n\n\
         Calibration on look-ups with near misses mixed in one to one: slope {:.3}, offset {:.3}. An entry without \
         experience serves from these scores (promised wrong answers per look-up: score): {}.\n\n\
         Questions that come to the same words and slots shared an answer in {:.1} % of the pairs, and are scored no \
         lower.\n\n\
         ## Slots that conflict\n\n{}\n\n\
         ## Splits by feature\n\n{}\n",
        forest.trees.len(),
        options.depth,
        FEATURE_NAMES.len(),
        report::HEAD,
        table.join("\n"),
        forest.calibration[0],
        forest.calibration[1],
        forest.floors.iter().map(|(d, s)| format!("{d}: {s:.3}")).collect::<Vec<_>>().join(", "),
        100.0 * forest.same_reading,
        report::slots(corpora).join("\n"),
        features.join(", "),
    )
}
