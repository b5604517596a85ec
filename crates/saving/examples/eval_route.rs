//! Measures the router on records it was not trained on, with the floors beside it.
//!
//! `cargo run --release -p nunchi-saving --example eval_route -- --data DIR [--cache DIR]`

mod route_support;

use anyhow::Result;
use route_support::{Encoder, Options, figures, prompts, questions};

fn main() -> Result<()> {
    let options = Options::read()?;
    let encoder = Encoder::load(&options)?;
    println!("{}", figures(&encoder, &prompts(&encoder)?, &questions(&options, &encoder)?)?);
    Ok(())
}
