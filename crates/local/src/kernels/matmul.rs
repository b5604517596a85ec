//! The matrix product over all rows of weights and activations, on one or several threads.

use super::level::Level;
use super::packed::{GROUP, Group, PackedMatrix};
use super::portable;
use super::rows::{ActivationBlock, Precision, QuantizedRows};
#[cfg(target_arch = "x86_64")]
use super::x86;
use rayon::prelude::*;

/// Blocks of 8 x 32 weights below which a second thread costs more than it brings.
const PARALLEL_BLOCKS: usize = 1024;

/// Where a product is computed, with its scratch memory.
#[derive(Debug)]
pub(crate) struct Matmul {
    /// The kernels used.
    pub(crate) level: Level,
    /// Threads of the surrounding rayon pool that take part.
    pub(crate) threads: usize,
    scratch: Vec<f32>,
}

impl Matmul {
    /// Uses the best kernels of this CPU.
    pub(crate) fn new(threads: usize) -> Self {
        Self { level: Level::detect(), threads: threads.max(1), scratch: Vec::new() }
    }
}

/// Multiplies each row of `x` with every matrix of `parts` (all of the same width); outputs of a row stand one after
/// the other in `out`.
pub(crate) fn matmul(engine: &mut Matmul, parts: &[&PackedMatrix], x: &QuantizedRows, out: &mut Vec<f32>) {
    let outputs: usize = parts.iter().map(|part| part.rows()).sum();
    let count = x.count();
    debug_assert!(parts.iter().all(|part| part.cols() == x.blocks_per_row() * 32));
    out.resize(outputs * count, 0.0);
    if count == 1 {
        fill(engine.level, engine.threads, parts, x, out);
        return;
    }
    // Threads write by group of eight outputs; the rows are put together afterwards.
    engine.scratch.resize(outputs * count, 0.0);
    fill(engine.level, engine.threads, parts, x, &mut engine.scratch);
    for (group, values) in engine.scratch.chunks_exact(GROUP * count).enumerate() {
        for (row, eight) in values.as_chunks::<GROUP>().0.iter().enumerate() {
            out[row * outputs + group * GROUP..][..GROUP].copy_from_slice(eight);
        }
    }
}

/// Computes all groups; the eight outputs of each row of `x` stand together.
fn fill(level: Level, threads: usize, parts: &[&PackedMatrix], x: &QuantizedRows, out: &mut [f32]) {
    let size = GROUP * x.count();
    let groups = out.len() / size;
    if threads <= 1 || groups * x.blocks_per_row() * x.count() < PARALLEL_BLOCKS {
        for (index, out) in out.chunks_exact_mut(size).enumerate() {
            one_group(level, find(parts, index), x, out);
        }
        return;
    }
    // Several pieces a thread, so that a thread that is held up by the system does not hold up all.
    let piece = groups.div_ceil(threads * 4).max(1);
    out.par_chunks_mut(size * piece).enumerate().for_each(|(at, out)| {
        for (index, out) in out.chunks_exact_mut(size).enumerate() {
            one_group(level, find(parts, at * piece + index), x, out);
        }
    });
}

fn find<'a>(parts: &[&'a PackedMatrix], mut group: usize) -> Group<'a> {
    let mut chosen = parts[0];
    for part in parts {
        chosen = part;
        if group < part.groups() {
            break;
        }
        group -= part.groups();
    }
    chosen.group(group)
}

fn one_group(level: Level, group: Group<'_>, x: &QuantizedRows, out: &mut [f32]) {
    let out = out.as_chunks_mut::<GROUP>().0;
    match x.precision() {
        Precision::Byte => {
            let mut row = 0;
            while row < out.len() {
                row += match out.len() - row {
                    4.. => write::<4>(level, group, x, row, &mut out[row..]),
                    2.. => write::<2>(level, group, x, row, &mut out[row..]),
                    _ => write::<1>(level, group, x, row, &mut out[row..]),
                };
            }
        }
        Precision::Word => {
            let mut row = 0;
            while row < out.len() {
                row += match out.len() - row {
                    2.. => write_sums::<4>(level, group, x, row, &mut out[row..]),
                    _ => write_sums::<2>(level, group, x, row, &mut out[row..]),
                };
            }
        }
    }
}

/// Writes `T` rows from `row` on; returns how many.
fn write<const T: usize>(
    level: Level,
    group: Group<'_>,
    x: &QuantizedRows,
    row: usize,
    out: &mut [[f32; GROUP]],
) -> usize {
    if let Some(out) = out.first_chunk_mut::<T>() {
        *out = tile(level, group, x, row);
    }
    T
}

/// Writes rows from `row` on, each the sum of its coarse and its fine part, `T / 2` of them; returns how many.
fn write_sums<const T: usize>(
    level: Level,
    group: Group<'_>,
    x: &QuantizedRows,
    row: usize,
    out: &mut [[f32; GROUP]],
) -> usize {
    let parts: [[f32; GROUP]; T] = tile(level, group, x, 2 * row);
    for (out, [coarse, fine]) in out.iter_mut().zip(parts.as_chunks::<2>().0) {
        *out = std::array::from_fn(|lane| coarse[lane] + fine[lane]);
    }
    T / 2
}

fn tile<const T: usize>(
    level: Level,
    group: Group<'_>,
    x: &QuantizedRows,
    first: usize,
) -> [[f32; GROUP]; T] {
    let rows: [&[ActivationBlock]; T] = std::array::from_fn(|t| x.row(first + t));
    let mut out = [[0.0; GROUP]; T];
    #[cfg(target_arch = "x86_64")]
    if x86::multiply(level, group, &rows, &mut out) {
        return out;
    }
    let _ = level;
    portable::multiply(group, &rows, &mut out);
    out
}
