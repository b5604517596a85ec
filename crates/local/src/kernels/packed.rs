//! Weight matrices in the layout that the kernels stream through: eight rows side by side, 32 columns at a time.

use super::blocks::{BlockFormat, ByteBlock, NibbleBlock};
use half::f16;

/// Rows computed together, one to a vector lane.
pub(crate) const GROUP: usize = 8;
/// Bytes of quants of one block (8 rows x 32 columns) at four bits.
pub(crate) const NIBBLE_BYTES: usize = GROUP * 16;
/// Bytes of quants of one block at eight bits.
pub(crate) const BYTE_BYTES: usize = GROUP * 32;

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Four bits with scale and minimum for 32.
    Nibble,
    /// Eight bits (stored plus 128) with a scale for 32.
    Byte,
    /// Eight bits (stored plus 128) with a scale for 16.
    ByteHalves,
}

/// A matrix of `rows` x `cols` weights that is multiplied with activations from the right.
#[derive(Debug)]
pub(crate) struct PackedMatrix {
    pub(super) layout: Layout,
    rows: usize,
    cols: usize,
    /// By group of eight rows, then by block of 32 columns.
    pub(super) quants: Vec<u8>,
    /// f16 bits: eight (or twice eight) a block.
    pub(super) scales: Vec<u16>,
    /// f16 bits: eight a block; empty unless [`Layout::Nibble`].
    pub(super) mins: Vec<u16>,
}

/// The part of a matrix that makes eight outputs.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(super) layout: Layout,
    pub(super) quants: &'a [u8],
    pub(super) scales: &'a [u16],
    pub(super) mins: &'a [u16],
}

impl PackedMatrix {
    /// An all-zero matrix; `None` unless rows come in eights and columns in thirty-twos.
    fn zeroed(layout: Layout, rows: usize, cols: usize) -> Option<Self> {
        if rows == 0 || cols == 0 || !rows.is_multiple_of(GROUP) || !cols.is_multiple_of(32) {
            return None;
        }
        let blocks = (rows / GROUP) * (cols / 32);
        let (bytes, scales, mins) = match layout {
            Layout::Nibble => (NIBBLE_BYTES, GROUP, GROUP),
            Layout::Byte => (BYTE_BYTES, GROUP, 0),
            Layout::ByteHalves => (BYTE_BYTES, 2 * GROUP, 0),
        };
        Some(Self {
            layout,
            rows,
            cols,
            quants: vec![0; blocks * bytes],
            scales: vec![0; blocks * scales],
            mins: vec![0; blocks * mins],
        })
    }

    /// Packs a tensor of a GGUF file without loss (scales are rounded to f16). `None` if the shape does not fit.
    pub(crate) fn from_blocks(format: BlockFormat, data: &[u8], rows: usize, cols: usize) -> Option<Self> {
        let (weights, bytes) = format.size();
        if !cols.is_multiple_of(weights) || data.len() != rows * cols / weights * bytes {
            return None;
        }
        let layout = match format {
            _ if format.is_nibble() => Layout::Nibble,
            BlockFormat::Q6K => Layout::ByteHalves,
            _ => Layout::Byte,
        };
        let mut packed = Self::zeroed(layout, rows, cols)?;
        for (row, row_data) in data.chunks_exact(cols / weights * bytes).enumerate() {
            let mut column = 0;
            for block in row_data.chunks_exact(bytes) {
                if layout == Layout::Nibble {
                    format.nibbles(block, |b| {
                        packed.put_nibbles(row, column, &b);
                        column += 1;
                    });
                } else {
                    format.bytes(block, |b| {
                        packed.put_bytes(row, column, &b);
                        column += 1;
                    });
                }
            }
        }
        Some(packed)
    }

    /// Quantises f32 weights (rows of `cols`) to eight bits with a scale for each 32.
    pub(crate) fn from_f32(weights: &[f32], rows: usize, cols: usize) -> Option<Self> {
        if weights.len() != rows * cols {
            return None;
        }
        let mut packed = Self::zeroed(Layout::Byte, rows, cols)?;
        for (row, values) in weights.chunks_exact(cols).enumerate() {
            for (column, block) in values.as_chunks::<32>().0.iter().enumerate() {
                let peak = block.iter().fold(0.0_f32, |peak, v| peak.max(v.abs()));
                // Rounded first, so that the quants fit the scale that is stored.
                let scale = f16::from_f32(peak / 127.0).to_f32();
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                let quants = block.map(|v| (v * inverse).round().clamp(-127.0, 127.0) as i8);
                packed.put_bytes(row, column, &ByteBlock { quants, scales: [scale; 2] });
            }
        }
        Some(packed)
    }

    /// Number of outputs.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// Number of groups of eight rows.
    pub(crate) fn groups(&self) -> usize {
        self.rows / GROUP
    }

    /// One group of eight rows.
    pub(super) fn group(&self, index: usize) -> Group<'_> {
        fn part<T>(all: &[T], index: usize, groups: usize) -> &[T] {
            let size = all.len() / groups;
            &all[index * size..][..size]
        }
        let groups = self.groups();
        Group {
            layout: self.layout,
            quants: part(&self.quants, index, groups),
            scales: part(&self.scales, index, groups),
            mins: part(&self.mins, index, groups),
        }
    }

    /// One row as f32, for embedding tables that double as output matrices.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let (group, lane) = (self.group(row / GROUP), row % GROUP);
        for (block, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (column, value) in out.iter_mut().enumerate() {
                let half = |all: &[u16], at: usize| f16::from_bits(all[at]).to_f32();
                *value = match self.layout {
                    Layout::Nibble => {
                        let byte = group.quants[block * NIBBLE_BYTES + nibble_index(lane, column)];
                        let quant = if column < 16 { byte & 15 } else { byte >> 4 };
                        let at = block * GROUP + lane;
                        f32::from(quant) * half(group.scales, at) + half(group.mins, at)
                    }
                    Layout::Byte | Layout::ByteHalves => {
                        let byte = group.quants[block * BYTE_BYTES + byte_index(lane, column)];
                        let at = if self.layout == Layout::Byte {
                            block * GROUP + lane
                        } else {
                            (2 * block + column / 16) * GROUP + lane
                        };
                        (f32::from(byte) - 128.0) * half(group.scales, at)
                    }
                };
            }
        }
    }

    fn block_index(&self, row: usize, column: usize) -> usize {
        (row / GROUP) * (self.cols / 32) + column
    }

    fn put_nibbles(&mut self, row: usize, column: usize, block: &NibbleBlock) {
        let (at, lane) = (self.block_index(row, column), row % GROUP);
        let quants = &mut self.quants[at * NIBBLE_BYTES..][..NIBBLE_BYTES];
        for i in 0..16 {
            quants[nibble_index(lane, i)] = block.quants[i] | (block.quants[i + 16] << 4);
        }
        self.scales[at * GROUP + lane] = f16::from_f32(block.scale).to_bits();
        self.mins[at * GROUP + lane] = f16::from_f32(block.min).to_bits();
    }

    fn put_bytes(&mut self, row: usize, column: usize, block: &ByteBlock) {
        let (at, lane) = (self.block_index(row, column), row % GROUP);
        let quants = &mut self.quants[at * BYTE_BYTES..][..BYTE_BYTES];
        for (i, quant) in block.quants.iter().enumerate() {
            quants[byte_index(lane, i)] = quant.cast_unsigned() ^ 0x80;
        }
        let bits = block.scales.map(|s| f16::from_f32(s).to_bits());
        if self.layout == Layout::ByteHalves {
            self.scales[2 * at * GROUP + lane] = bits[0];
            self.scales[(2 * at + 1) * GROUP + lane] = bits[1];
        } else {
            self.scales[at * GROUP + lane] = bits[0];
        }
    }
}

/// Four columns of a row lie together, the eight rows follow one another: one 32-byte vector for each four columns.
/// Low halves of the bytes hold columns 0-15, high halves 16-31.
pub(super) fn nibble_index(lane: usize, column: usize) -> usize {
    let column = column % 16;
    (column / 4) * 32 + lane * 4 + column % 4
}

/// The same with whole bytes for all 32 columns.
pub(super) fn byte_index(lane: usize, column: usize) -> usize {
    (column / 4) * 32 + lane * 4 + column % 4
}
