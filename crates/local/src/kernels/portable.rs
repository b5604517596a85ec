//! The matrix kernels without any assumption about the CPU; also the reference for the others in tests.

use super::packed::{BYTE_BYTES, GROUP, Group, Layout, NIBBLE_BYTES, byte_index, nibble_index};
use super::rows::ActivationBlock;
use half::f16;

/// Multiplies eight rows of weights with `T` rows of activations.
pub(super) fn multiply<const T: usize>(
    group: Group<'_>,
    rows: &[&[ActivationBlock]; T],
    out: &mut [[f32; GROUP]; T],
) {
    for (row, out) in rows.iter().zip(out) {
        *out = [0.0; GROUP];
        for (index, x) in row.iter().enumerate() {
            match group.layout {
                Layout::Nibble => nibble_block(group, index, x, out),
                Layout::Byte | Layout::ByteHalves => byte_block(group, index, x, out),
            }
        }
    }
}

fn nibble_block(group: Group<'_>, index: usize, x: &ActivationBlock, out: &mut [f32; GROUP]) {
    let quants = &group.quants[index * NIBBLE_BYTES..][..NIBBLE_BYTES];
    let bytes = x.bytes();
    for (lane, out) in out.iter_mut().enumerate() {
        let mut sum = 0_i32;
        for column in 0..16 {
            let byte = quants[nibble_index(lane, column)];
            sum += i32::from(byte & 15) * i32::from(bytes[column]);
            sum += i32::from(byte >> 4) * i32::from(bytes[column + 16]);
        }
        let at = index * GROUP + lane;
        *out += sum as f32 * x.scale * half(group.scales[at]) + half(group.mins[at]) * x.scaled_sum;
    }
}

fn byte_block(group: Group<'_>, index: usize, x: &ActivationBlock, out: &mut [f32; GROUP]) {
    let quants = &group.quants[index * BYTE_BYTES..][..BYTE_BYTES];
    let bytes = x.bytes();
    for (lane, out) in out.iter_mut().enumerate() {
        let mut sums = [0_i32; 2];
        for (column, byte) in bytes.iter().enumerate() {
            sums[column / 16] += (i32::from(quants[byte_index(lane, column)]) - 128) * i32::from(*byte);
        }
        let scales = match group.layout {
            Layout::ByteHalves => [2 * index, 2 * index + 1],
            Layout::Nibble | Layout::Byte => [index; 2],
        };
        for (sum, block) in sums.into_iter().zip(scales) {
            *out += sum as f32 * x.scale * half(group.scales[block * GROUP + lane]);
        }
    }
}

fn half(bits: u16) -> f32 {
    f16::from_bits(bits).to_f32()
}
