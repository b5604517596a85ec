//! Activations as 8-bit blocks, the right-hand side of every matrix product.

use super::level::Level;
use super::vector::quantize_rows;

/// Values in one block.
pub(crate) const BLOCK: usize = 32;

/// 32 activations that share a scale.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActivationBlock {
    /// The 32 signed bytes, four to a word in memory order, so that a kernel broadcasts one word to all lanes.
    pub(crate) words: [i32; BLOCK / 4],
    /// What one unit is worth.
    pub(crate) scale: f32,
    /// `scale` times the sum of the bytes.
    pub(crate) scaled_sum: f32,
    /// Sums of the first and the last 16 bytes.
    pub(crate) half_sums: [i32; 2],
}

/// How closely activations are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Eight bits: an error of up to 0.4 % of the largest of 32.
    #[default]
    Byte,
    /// Eight bits and eight bits of what is left, in a row of its own: an error of 0.002 %, for twice the work.
    ///
    /// Small chat models need it: with plain bytes SmolLM2-135M no longer knows the capital of France.
    Word,
}

impl Precision {
    /// Rows of blocks for one row of activations.
    pub(crate) fn rows(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
        }
    }
}

impl ActivationBlock {
    #[inline(always)]
    pub(super) fn quantize(values: &[f32; BLOCK]) -> Self {
        let peak = values.iter().fold(0.0_f32, |peak, v| peak.max(v.abs()));
        let scale = peak / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // Adding 1.5 * 2^23 rounds to even and leaves the whole number in the low bits; unlike `round` and `as` it
        // compiles to vector code.
        let bytes = values.map(|value| (value * inverse + 12_582_912.0).to_bits() as u8 as i8);
        let mut words = [0_i32; BLOCK / 4];
        for (word, four) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = i32::from_ne_bytes(four.map(i8::cast_unsigned));
        }
        let (head, tail) = bytes.split_at(BLOCK / 2);
        let sum = |half: &[i8]| half.iter().map(|b| i32::from(*b)).sum::<i32>();
        let half_sums = [sum(head), sum(tail)];
        Self { words, scale, scaled_sum: scale * (half_sums[0] + half_sums[1]) as f32, half_sums }
    }

    /// What this block misses of `values`.
    #[inline(always)]
    pub(super) fn rest(&self, values: &[f32; BLOCK]) -> Self {
        let mut rest = *values;
        for (value, byte) in rest.iter_mut().zip(self.bytes()) {
            *value -= f32::from(byte) * self.scale;
        }
        Self::quantize(&rest)
    }

    /// The bytes in order.
    pub(crate) fn bytes(&self) -> [i8; BLOCK] {
        let mut bytes = [0_i8; BLOCK];
        for (four, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(self.words) {
            *four = word.to_ne_bytes().map(u8::cast_signed);
        }
        bytes
    }
}

/// Rows of activations, quantised. The buffer is kept between calls.
#[derive(Debug, Default)]
pub(crate) struct QuantizedRows {
    precision: Precision,
    blocks: Vec<ActivationBlock>,
    blocks_per_row: usize,
}

impl QuantizedRows {
    /// Rows kept as closely as `precision` says.
    pub(crate) fn new(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    /// Replaces the content with `values`, rows of `width` each; `width` is a multiple of 32.
    pub(crate) fn fill(&mut self, level: Level, values: &[f32], width: usize) {
        debug_assert!(width.is_multiple_of(BLOCK) && values.len().is_multiple_of(width));
        self.blocks_per_row = width / BLOCK;
        quantize_rows(level, values, width, self.precision, &mut self.blocks);
    }

    /// Number of rows of activations.
    pub(crate) fn count(&self) -> usize {
        self.blocks.len().checked_div(self.blocks_per_row * self.precision.rows()).unwrap_or(0)
    }

    /// How closely they are kept.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// Blocks in a row.
    pub(crate) fn blocks_per_row(&self) -> usize {
        self.blocks_per_row
    }

    /// One row of blocks; there are [`Precision::rows`] of them for each row of activations.
    pub(crate) fn row(&self, index: usize) -> &[ActivationBlock] {
        &self.blocks[index * self.blocks_per_row..][..self.blocks_per_row]
    }
}
