//! The table of piece embeddings, as a file that is read row by row.
//!
//! Unpacked it has 65 MB, of which a sentence needs some twenty rows of 512 bytes. It stays in a file next to the
//! weights it was made from, where the system's page cache holds what is in use, and costs the process no memory.

use super::npz::Npz;
use crate::error::LocalError;
use crate::files::read_at;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Values of one piece.
pub(super) const WIDTH: usize = 512;
/// Chunks of the table; pieces are dealt out to them in turn.
const CHUNKS: usize = 17;
/// Pieces in a chunk.
const CHUNK_ROWS: usize = 7_530;

/// The open table.
#[derive(Debug)]
pub(super) struct Table {
    file: File,
    /// Scale and lowest value of each chunk.
    units: Vec<(f32, f32)>,
}

fn refused(error: impl std::fmt::Display) -> LocalError {
    LocalError::System(format!("embedding table: {error}"))
}

impl Table {
    /// Opens the table, unpacking it first if this was never done.
    pub(super) fn open(weights: &Path, npz: &mut Npz) -> Result<Self, LocalError> {
        let scales = npz.f32s("scale", CHUNKS)?;
        let units = scales.into_iter().zip(npz.f32s("lo", CHUNKS)?).collect();
        let path = unpacked_path(weights);
        let size = (CHUNKS * CHUNK_ROWS * WIDTH) as u64;
        if !std::fs::metadata(&path).is_ok_and(|m| m.len() == size) {
            unpack(&path, npz)?;
        }
        Ok(Self { file: File::open(&path).map_err(refused)?, units })
    }

    /// Number of pieces.
    pub(super) const fn pieces() -> usize {
        CHUNKS * CHUNK_ROWS
    }

    /// Appends the embedding of one piece.
    pub(super) fn read(&self, piece: usize, out: &mut Vec<f32>) -> Result<(), LocalError> {
        let mut row = [0; WIDTH];
        read_at(&self.file, &mut row, (piece * WIDTH) as u64).map_err(refused)?;
        let (scale, low) = self.units[piece % CHUNKS];
        out.extend(row.map(|q| f32::from(q) * scale + low));
        Ok(())
    }
}

fn unpacked_path(weights: &Path) -> PathBuf {
    weights.with_extension("table")
}

/// Writes the table to a temporary file and renames it, so that a table is whole or absent.
fn unpack(path: &Path, npz: &mut Npz) -> Result<(), LocalError> {
    let folder = path.parent().ok_or_else(|| refused("no folder"))?;
    let temporary = tempfile::Builder::new().prefix("table-").tempfile_in(folder).map_err(refused)?;
    let mut rows = vec![0_u8; CHUNKS * CHUNK_ROWS * WIDTH];
    for chunk in 0..CHUNKS {
        let data = npz.u8s(&format!("q{}", chunk + 1), CHUNK_ROWS * WIDTH)?;
        let targets = rows.chunks_exact_mut(WIDTH).skip(chunk).step_by(CHUNKS);
        for (target, source) in targets.zip(data.chunks_exact(WIDTH)) {
            target.copy_from_slice(source);
        }
    }
    let mut out = BufWriter::new(temporary);
    out.write_all(&rows).map_err(refused)?;
    let temporary = out.into_inner().map_err(refused)?;
    temporary.as_file().sync_all().map_err(refused)?;
    temporary.persist(path).map_err(refused)?;
    Ok(())
}
