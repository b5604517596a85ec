//! Writes the o200k vocabulary as one compressed list of bytes: a token's length, then the token, in the order of their ranks.

use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let bpe = &bpe_openai::o200k_base().bpe;
    let path = PathBuf::from(std::env::var("OUT_DIR")?).join("o200k.tokens");
    let mut file = zstd::Encoder::new(std::io::BufWriter::new(std::fs::File::create(path)?), 19)?;
    for rank in 0..u32::try_from(bpe.num_tokens())? {
        let token = bpe.token_bytes(rank);
        file.write_all(&[u8::try_from(token.len())?])?;
        file.write_all(token)?;
    }
    Ok(file.finish()?.flush()?)
}
