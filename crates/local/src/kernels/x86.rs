//! The kernels for x86-64 with AVX2, FMA and F16C, and with 8-bit dot products.
#![expect(
    unsafe_code,
    reason = "vector loads take pointers, and vector code is called after checking the CPU"
)]

use super::level::Level;
use super::packed::{BYTE_BYTES, GROUP, Group, Layout, NIBBLE_BYTES};
use super::rows::ActivationBlock;
use super::vector::{AttentionHead, softmax_numerators};
use std::arch::x86_64::*;

/// Multiplies eight rows of weights with `T` rows of activations. `false` if the CPU level has no kernel here.
pub(super) fn multiply<const T: usize>(
    level: Level,
    group: Group<'_>,
    rows: &[&[ActivationBlock]; T],
    out: &mut [[f32; GROUP]; T],
) -> bool {
    // SAFETY: `Level::detect` checked that the CPU has the features of the chosen function.
    unsafe {
        match (level, group.layout) {
            (Level::Portable, _) => return false,
            (Level::Avx2, Layout::Nibble) => nibble_avx2(group, rows, out),
            (Level::Avx2, Layout::Byte) => byte_avx2::<T, false>(group, rows, out),
            (Level::Avx2, Layout::ByteHalves) => byte_avx2::<T, true>(group, rows, out),
            (Level::Vnni, Layout::Nibble) => nibble_vnni(group, rows, out),
            (Level::Vnni, Layout::Byte) => byte_vnni::<T, false>(group, rows, out),
            (Level::Vnni, Layout::ByteHalves) => byte_vnni::<T, true>(group, rows, out),
        }
    }
    true
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn load_halves(bits: &[u16; GROUP]) -> __m256 {
    // SAFETY: the array has the 16 bytes that are read; the load needs no alignment.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(bits.as_ptr().cast())) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_bytes(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(values: &[f32; GROUP]) -> __m256 {
    // SAFETY: the array has the 32 bytes that are read; the load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(values: __m256, out: &mut [f32; GROUP]) {
    // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
}

/// Adds, in each lane, the products of four unsigned weights (below 128) and four signed activations.
#[target_feature(enable = "avx2")]
#[inline]
fn dot_avx2(sum: __m256i, weights: __m256i, word: i32) -> __m256i {
    let pairs = _mm256_maddubs_epi16(weights, _mm256_set1_epi32(word));
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// The same in one instruction, for any unsigned weights.
#[target_feature(enable = "avx2,avx512vnni,avx512vl")]
#[inline]
fn dot_vnni(sum: __m256i, weights: __m256i, word: i32) -> __m256i {
    _mm256_dpbusd_epi32(sum, weights, _mm256_set1_epi32(word))
}

macro_rules! nibble_kernel {
    ($name:ident, $features:literal, $dot:ident) => {
        #[target_feature(enable = $features)]
        fn $name<const T: usize>(
            group: Group<'_>,
            rows: &[&[ActivationBlock]; T],
            out: &mut [[f32; GROUP]; T],
        ) {
            let mask = _mm256_set1_epi8(15);
            let mut totals = [_mm256_setzero_ps(); T];
            let quants = group.quants.as_chunks::<NIBBLE_BYTES>().0;
            let scales = group.scales.as_chunks::<GROUP>().0;
            let mins = group.mins.as_chunks::<GROUP>().0;
            for (index, ((quants, scales), mins)) in quants.iter().zip(scales).zip(mins).enumerate() {
                let blocks: [&ActivationBlock; T] = std::array::from_fn(|t| &rows[t][index]);
                let mut sums = [_mm256_setzero_si256(); T];
                for (part, bytes) in quants.as_chunks::<32>().0.iter().enumerate() {
                    let packed = load_bytes(bytes);
                    let low = _mm256_and_si256(packed, mask);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), mask);
                    for t in 0..T {
                        let words = &blocks[t].words;
                        sums[t] = $dot(sums[t], low, words[part]);
                        sums[t] = $dot(sums[t], high, words[part + 4]);
                    }
                }
                let (scale, min) = (load_halves(scales), load_halves(mins));
                for t in 0..T {
                    let x = blocks[t];
                    let unit = _mm256_mul_ps(scale, _mm256_set1_ps(x.scale));
                    totals[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[t]), unit, totals[t]);
                    totals[t] = _mm256_fmadd_ps(min, _mm256_set1_ps(x.scaled_sum), totals[t]);
                }
            }
            for t in 0..T {
                store(totals[t], &mut out[t]);
            }
        }
    };
}

nibble_kernel!(nibble_avx2, "avx2,fma,f16c", dot_avx2);
nibble_kernel!(nibble_vnni, "avx2,fma,f16c,avx512vnni,avx512vl", dot_vnni);

/// Eight-bit weights where the multiplier takes any unsigned byte: the stored 128 too many is taken off through the sum
/// of the activations.
#[target_feature(enable = "avx2,fma,f16c,avx512vnni,avx512vl")]
fn byte_vnni<const T: usize, const HALVES: bool>(
    group: Group<'_>,
    rows: &[&[ActivationBlock]; T],
    out: &mut [[f32; GROUP]; T],
) {
    let mut totals = [_mm256_setzero_ps(); T];
    let scales = group.scales.as_chunks::<GROUP>().0;
    let steps = if HALVES { 2 } else { 1 };
    for (index, quants) in group.quants.as_chunks::<BYTE_BYTES>().0.iter().enumerate() {
        let vectors = quants.as_chunks::<32>().0;
        let blocks: [&ActivationBlock; T] = std::array::from_fn(|t| &rows[t][index]);
        for step in 0..steps {
            let mut sums = [_mm256_setzero_si256(); T];
            for t in 0..T {
                let halves = blocks[t].half_sums;
                let sum = if HALVES { halves[step] } else { halves[0] + halves[1] };
                sums[t] = _mm256_set1_epi32(-128 * sum);
            }
            let parts = if HALVES { 4 * step..4 * step + 4 } else { 0..8 };
            for part in parts {
                let weights = load_bytes(&vectors[part]);
                for t in 0..T {
                    sums[t] = dot_vnni(sums[t], weights, blocks[t].words[part]);
                }
            }
            let scale = load_halves(&scales[steps * index + step]);
            for t in 0..T {
                let unit = _mm256_mul_ps(scale, _mm256_set1_ps(blocks[t].scale));
                totals[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[t]), unit, totals[t]);
            }
        }
    }
    for t in 0..T {
        store(totals[t], &mut out[t]);
    }
}

/// Eight-bit weights where the multiplier saturates: the sign is moved from the weight to the activation first.
#[target_feature(enable = "avx2,fma,f16c")]
fn byte_avx2<const T: usize, const HALVES: bool>(
    group: Group<'_>,
    rows: &[&[ActivationBlock]; T],
    out: &mut [[f32; GROUP]; T],
) {
    let mut totals = [_mm256_setzero_ps(); T];
    let scales = group.scales.as_chunks::<GROUP>().0;
    let steps = if HALVES { 2 } else { 1 };
    let (top, ones) = (_mm256_set1_epi8(-128), _mm256_set1_epi16(1));
    for (index, quants) in group.quants.as_chunks::<BYTE_BYTES>().0.iter().enumerate() {
        let vectors = quants.as_chunks::<32>().0;
        let blocks: [&ActivationBlock; T] = std::array::from_fn(|t| &rows[t][index]);
        for step in 0..steps {
            let mut sums = [_mm256_setzero_si256(); T];
            let parts = if HALVES { 4 * step..4 * step + 4 } else { 0..8 };
            for part in parts {
                let weights = _mm256_xor_si256(load_bytes(&vectors[part]), top);
                let size = _mm256_abs_epi8(weights);
                for t in 0..T {
                    let x = _mm256_set1_epi32(blocks[t].words[part]);
                    let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, weights));
                    sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(pairs, ones));
                }
            }
            let scale = load_halves(&scales[steps * index + step]);
            for t in 0..T {
                let unit = _mm256_mul_ps(scale, _mm256_set1_ps(blocks[t].scale));
                totals[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[t]), unit, totals[t]);
            }
        }
    }
    for t in 0..T {
        store(totals[t], &mut out[t]);
    }
}

/// Width of the heads that [`attend`] is written for.
const HEAD: usize = 64;
/// Vectors of such a head.
const HEAD_VECTORS: usize = HEAD / GROUP;

/// Attention over heads of 64 values. `false` if the CPU or the head is another.
pub(super) fn attend(level: Level, head: &AttentionHead<'_>, scores: &mut Vec<f32>, out: &mut [f32]) -> bool {
    let (Some(query), Some(out)) = (head.query.as_array::<HEAD>(), out.as_mut_array::<HEAD>()) else {
        return false;
    };
    if level < Level::Avx2 {
        return false;
    }
    // SAFETY: the level says that the CPU has these features.
    unsafe { attend_avx2(head, query, scores, out) };
    true
}

#[target_feature(enable = "avx2,fma,f16c")]
fn attend_avx2(head: &AttentionHead<'_>, query: &[f32; HEAD], scores: &mut Vec<f32>, out: &mut [f32; HEAD]) {
    let mut vectors = [_mm256_setzero_ps(); HEAD_VECTORS];
    for (vector, values) in vectors.iter_mut().zip(query.as_chunks::<GROUP>().0) {
        *vector = load(values);
    }
    scores.clear();
    for key in head.keys.chunks_exact(head.stride) {
        let key = key[head.offset..][..HEAD].as_chunks::<GROUP>().0;
        let mut sums = [_mm256_setzero_ps(); 2];
        for at in 0..HEAD_VECTORS {
            sums[at % 2] = _mm256_fmadd_ps(vectors[at], load_halves(&key[at]), sums[at % 2]);
        }
        let mut lanes = [0.0; GROUP];
        store(_mm256_add_ps(sums[0], sums[1]), &mut lanes);
        let [a, b, c, d, e, f, g, h] = lanes;
        scores.push(((a + b) + (c + d)) + ((e + f) + (g + h)));
    }
    let total = softmax_numerators(scores);
    let mut sums = [_mm256_setzero_ps(); HEAD_VECTORS];
    for (value, score) in head.values.chunks_exact(head.stride).zip(scores.iter()) {
        let value = value[head.offset..][..HEAD].as_chunks::<GROUP>().0;
        let score = _mm256_set1_ps(*score);
        for at in 0..HEAD_VECTORS {
            sums[at] = _mm256_fmadd_ps(score, load_halves(&value[at]), sums[at]);
        }
    }
    let scale = _mm256_set1_ps(total.recip());
    for (sum, out) in sums.into_iter().zip(out.as_chunks_mut::<GROUP>().0) {
        store(_mm256_mul_ps(sum, scale), out);
    }
}
