//! Measures the router on records it was not trained on, with the floors beside it.
//!
//! `cargo run --release -p nunchi-saving --example eval_route -- --data DIR [--cache DIR]`

mod route_support;

use anyhow::Result;
use nunchi_saving::RouteModel;
use route_support::{Encoder, Options, figures, prompts, questions};

fn main() -> Result<()> {
    let options = Options::read()?;
    let encoder = Encoder::load(&options)?;
    let (prompts, questions) = (prompts(&encoder)?, questions(&options, &encoder)?);
    println!("{}", figures(&encoder, &prompts, &questions, RouteModel::shipped()?)?);
    Ok(())
}
