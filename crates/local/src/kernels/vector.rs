//! Normalisation, activation functions and attention on plain vectors.
//!
//! Each operation is written once as ordinary Rust and compiled twice: as it is, and for AVX2, where the compiler makes
//! vector code of it.
#![expect(unsafe_code, reason = "code compiled for AVX2 is called after checking the CPU")]

use super::level::Level;
use super::rows::{ActivationBlock, BLOCK, Precision};
use half::f16;

/// Lanes that sums are spread over, so that the compiler may use vectors.
const LANES: usize = 16;

/// Defines a function that runs the same body compiled for the CPU's level.
macro_rules! dispatched {
    ($(#[$doc:meta])* $name:ident, $body:ident, ($($arg:ident: $type:ty),*)) => {
        $(#[$doc])*
        pub(crate) fn $name(level: Level, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            if level >= Level::Avx2 {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn fast($($arg: $type),*) {
                    $body($($arg),*);
                }
                // SAFETY: the level says that the CPU has these features.
                unsafe { fast($($arg),*) };
                return;
            }
            let _ = level;
            $body($($arg),*);
        }
    };
}

dispatched!(
    /// Divides each row of `width` by its root mean square and multiplies with `weight`.
    rms_norm, rms_norm_body, (x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32])
);
dispatched!(
    /// Shifts and scales each row to mean 0 and variance 1, then applies `gain` and `bias`, in place.
    layer_norm, layer_norm_body, (x: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32)
);
dispatched!(
    /// `gate * sigmoid(gate) * up` for rows that hold `gate` and `up` one after the other, each `width` long.
    silu_product, silu_product_body, (both: &[f32], width: usize, out: &mut [f32])
);
dispatched!(
    /// Quantises rows of `width`, as closely as `precision` says.
    quantize_rows, quantize_body,
    (values: &[f32], width: usize, precision: Precision, out: &mut Vec<ActivationBlock>)
);
dispatched!(
    /// Adds `other` to `x`.
    add_in_place, add_body, (x: &mut [f32], other: &[f32])
);
dispatched!(
    /// Replaces negative values with zero.
    relu, relu_body, (x: &mut [f32])
);
dispatched!(
    attend_any, attend_body, (head: &AttentionHead<'_>, scores: &mut Vec<f32>, out: &mut [f32])
);

/// Attention of one query over all positions of one head; `scores` is scratch memory.
pub(crate) fn attend(level: Level, head: &AttentionHead<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::x86::attend(level, head, scores, out) {
        return;
    }
    attend_any(level, head, scores, out);
}

/// One query and the keys and values it attends to.
pub(crate) struct AttentionHead<'a> {
    /// The query, already scaled.
    pub(crate) query: &'a [f32],
    /// Keys as f16 bits; the head's part of each position starts `offset` into a stretch of `stride`.
    pub(crate) keys: &'a [u16],
    /// Values, laid out like the keys.
    pub(crate) values: &'a [u16],
    /// Distance between positions.
    pub(crate) stride: usize,
    /// Where the head starts within a position.
    pub(crate) offset: usize,
}

#[inline(always)]
fn sum_of(x: &[f32], map: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += map(*value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|v| map(*v)).sum::<f32>()
}

#[inline(always)]
fn quantize_body(values: &[f32], width: usize, precision: Precision, out: &mut Vec<ActivationBlock>) {
    out.clear();
    for row in values.chunks_exact(width) {
        let blocks = row.as_chunks::<BLOCK>().0;
        let start = out.len();
        out.extend(blocks.iter().map(ActivationBlock::quantize));
        if precision == Precision::Word {
            for (index, block) in blocks.iter().enumerate() {
                let fine = out[start + index].rest(block);
                out.push(fine);
            }
        }
    }
}

#[inline(always)]
fn rms_norm_body(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let width = weight.len();
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let scale = (sum_of(x, |v| v * v) / width as f32 + epsilon).sqrt().recip();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * weight;
        }
    }
}

#[inline(always)]
fn layer_norm_body(x: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
    let width = gain.len();
    for x in x.chunks_exact_mut(width) {
        let mean = sum_of(x, |v| v) / width as f32;
        let scale = (sum_of(x, |v| (v - mean) * (v - mean)) / width as f32 + epsilon).sqrt().recip();
        for ((x, gain), bias) in x.iter_mut().zip(gain).zip(bias) {
            *x = (*x - mean) * scale * gain + bias;
        }
    }
}

#[inline(always)]
fn silu_product_body(both: &[f32], width: usize, out: &mut [f32]) {
    for (both, out) in both.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = both.split_at(width);
        for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
            *out = gate * up / (1.0 + exponential(-gate));
        }
    }
}

#[inline(always)]
fn add_body(x: &mut [f32], other: &[f32]) {
    for (x, other) in x.iter_mut().zip(other) {
        *x += other;
    }
}

#[inline(always)]
fn relu_body(x: &mut [f32]) {
    for x in x {
        *x = x.max(0.0);
    }
}

/// e^x within 2e-7 relative for |x| <= 87, without a call to the maths library, so that it becomes vector code.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    let x = x.clamp(-87.0, 87.0);
    // 1.5 * 2^23: adding and taking it away rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let whole = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, for precision.
    let rest = (x - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    let mut power = 1.987_569_1e-4_f32;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        power = power * rest + factor;
    }
    let mantissa = power * rest * rest + rest + 1.0;
    mantissa * f32::from_bits(((whole as i32 + 127) << 23).cast_unsigned())
}

/// Turns scores into what softmax has above the fraction line, and returns what it has below.
#[inline(always)]
pub(super) fn softmax_numerators(scores: &mut [f32]) -> f32 {
    let peak = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exponential(*score - peak);
    }
    sum_of(scores, |v| v)
}

#[inline(always)]
fn attend_body(head: &AttentionHead<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    let width = head.query.len();
    scores.clear();
    for key in head.keys.chunks_exact(head.stride) {
        let key = &key[head.offset..][..width];
        let mut lanes = [0.0_f32; LANES];
        for (query, key) in head.query.as_chunks::<LANES>().0.iter().zip(key.as_chunks::<LANES>().0) {
            let key = widen(key);
            for lane in 0..LANES {
                lanes[lane] += query[lane] * key[lane];
            }
        }
        scores.push(lanes.iter().sum());
    }
    let total = softmax_numerators(scores);
    out.fill(0.0);
    for (value, score) in head.values.chunks_exact(head.stride).zip(scores.iter()) {
        let value = &value[head.offset..][..width];
        for (out, value) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(value.as_chunks::<LANES>().0) {
            let value = widen(value);
            for lane in 0..LANES {
                out[lane] += score * value[lane];
            }
        }
    }
    let scale = total.recip();
    for out in out {
        *out *= scale;
    }
}

/// f16 to f32 by bits; exact but for NaN, and the compiler makes vector code of it.
#[inline(always)]
fn widen(bits: &[u16; LANES]) -> [f32; LANES] {
    std::array::from_fn(|i| {
        let bits = u32::from(bits[i]);
        // Exponent and mantissa move up; the multiplication corrects the exponent's bias, also for subnormals.
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
        f32::from_bits(magnitude.to_bits() | ((bits & 0x8000) << 16))
    })
}

/// f32 to f16 bits.
pub(crate) fn narrow(values: &[f32], out: &mut Vec<u16>) {
    out.extend(values.iter().map(|v| f16::from_f32(*v).to_bits()));
}
