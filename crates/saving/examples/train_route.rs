//! Fits the router's model on all the development data there is, writes its weights and the report of how it was measured.
//!
//! `cargo run --release -p nunchi-saving --example train_route -- --data DIR [--cache DIR]`

mod route_support;

use anyhow::Result;
use nunchi_saving::{OutcomeExample, RouteModel, TierExample};
use route_support::{Encoder, Options, Prompt, Question, figures, prompts, questions};
use std::path::Path;

fn main() -> Result<()> {
    let options = Options::read()?;
    let encoder = Encoder::load(&options)?;
    let (prompts, questions) = (prompts(&encoder)?, questions(&options, &encoder)?);
    let tiers: Vec<TierExample<'_>> = prompts.iter().map(Prompt::example).collect();
    let outcomes: Vec<OutcomeExample<'_>> = questions.iter().map(Question::example).collect();
    let bytes = RouteModel::train(&tiers, &outcomes).to_bytes();
    let model = RouteModel::from_bytes(&bytes)?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(here.join("weights/route.bin"), &bytes)?;
    let told = figures(&encoder, &prompts, &questions, &model)?;
    let head = include_str!("route_support/report.md")
        .replace("{prompts}", &tiers.len().to_string())
        .replace("{questions}", &outcomes.len().to_string())
        .replace("{bytes}", &bytes.len().to_string());
    std::fs::write(here.join("../../docs/learned/route.md"), format!("{head}{told}"))?;
    println!(
        "{} prompts, {} questions learned; {} bytes of weights\n{told}",
        tiers.len(),
        outcomes.len(),
        bytes.len()
    );
    Ok(())
}
