//! Quantised matrix products and the small vector operations of the models, dispatched on the CPU at run time.
//!
//! A plain release build must run at full speed on any x86-64, so every hot loop exists as portable code and as
//! code for newer CPUs, chosen by [`Level`] when it runs.

mod blocks;
mod level;
mod matmul;
mod packed;
mod portable;
mod rows;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use blocks::BlockFormat;
#[cfg(test)]
pub(crate) use level::Level;
pub(crate) use matmul::{Matmul, matmul};
pub(crate) use packed::PackedMatrix;
pub(crate) use rows::{Precision, QuantizedRows};
pub(crate) use vector::{
    AttentionHead, add_in_place, attend, layer_norm, narrow, relu, rms_norm, silu_product,
};

#[cfg(test)]
mod tests {
    use super::{BlockFormat, Level, Matmul, PackedMatrix, Precision, QuantizedRows, matmul};
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    /// Numbers that look like weights, the same in every run.
    fn numbers(count: usize, mut state: u64) -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next() + next() + next()).collect()
    }

    /// A quantised matrix by candle: its bytes and what they stand for.
    fn quantized(dtype: GgmlDType, rows: usize, cols: usize) -> (Vec<u8>, Vec<f32>) {
        let tensor = Tensor::from_vec(numbers(rows * cols, 1), (rows, cols), &Device::Cpu).expect("tensor");
        let packed = QTensor::quantize(&tensor, dtype).expect("quantises");
        let exact = packed.dequantize(&Device::Cpu).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
        (packed.data().expect("data").into_owned(), exact.expect("dequantises"))
    }

    const FORMATS: [GgmlDType; 6] =
        [GgmlDType::Q4_0, GgmlDType::Q4_1, GgmlDType::Q5_0, GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K];

    fn largest(values: impl IntoIterator<Item = f32>) -> f32 {
        values.into_iter().fold(0.0, |peak, v| peak.max(v.abs()))
    }

    #[test]
    fn packing_keeps_the_weights_of_every_format() {
        let (rows, cols) = (24, 512);
        for dtype in FORMATS {
            let (data, exact) = quantized(dtype, rows, cols);
            let format = BlockFormat::of(dtype).expect("known");
            let mut direct = Vec::new();
            format.dequantize(&data, &mut direct);
            let error = largest(direct.iter().zip(&exact).map(|(a, b)| a - b));
            assert!(error < 1e-6, "{dtype:?}: decoded off by {error}");
            let packed = PackedMatrix::from_blocks(format, &data, rows, cols).expect("fits");
            let mut row = vec![0.0; cols];
            for (index, exact) in exact.chunks_exact(cols).enumerate() {
                packed.row(index, &mut row);
                let error = largest(row.iter().zip(exact).map(|(a, b)| a - b));
                assert!(error < 2e-3, "{dtype:?} row {index}: off by {error}");
            }
        }
    }

    #[test]
    fn products_match_f32_at_every_level_precision_and_size() {
        let (rows, cols) = (24, 512);
        for dtype in FORMATS {
            let (data, exact) = quantized(dtype, rows, cols);
            let format = BlockFormat::of(dtype).expect("known");
            let packed = PackedMatrix::from_blocks(format, &data, rows, cols).expect("fits");
            for level in [Level::Portable, Level::Avx2, Level::Vnni] {
                if level > Level::detect() {
                    continue;
                }
                for (precision, bound) in [(Precision::Byte, 0.012), (Precision::Word, 0.001)] {
                    for count in [1, 2, 3, 5, 7] {
                        let x = numbers(count * cols, 2);
                        let mut quantized = QuantizedRows::new(precision);
                        quantized.fill(level, &x, cols);
                        let (mut engine, mut out) = (Matmul::new(1), Vec::new());
                        engine.level = level;
                        matmul(&mut engine, &[&packed, &packed], &quantized, &mut out);
                        check(
                            &x,
                            &exact,
                            cols,
                            &out,
                            bound,
                            &format!("{dtype:?} {level:?} {precision:?} {count}"),
                        );
                    }
                }
            }
        }
    }

    /// Compares with the product in f64: two copies of `rows` outputs a row of `x`.
    fn check(x: &[f32], weights: &[f32], cols: usize, out: &[f32], bound: f64, name: &str) {
        let rows = weights.len() / cols;
        for (row, (x, out)) in x.chunks_exact(cols).zip(out.chunks_exact(2 * rows)).enumerate() {
            assert_eq!(out[..rows], out[rows..], "{name}");
            for (index, weights) in weights.chunks_exact(cols).enumerate() {
                let terms = x.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t * t));
                let error = (f64::from(out[index]) - sum).abs();
                assert!(
                    error <= bound * f64::sqrt(size) * 2.0,
                    "{name} row {row} output {index}: {error} of {size}"
                );
            }
        }
    }

    #[test]
    fn extreme_values_do_not_overflow() {
        let cols = 64;
        for sign in [1.0, -1.0] {
            let weights = vec![sign; 8 * cols];
            let packed = PackedMatrix::from_f32(&weights, 8, cols).expect("fits");
            let mut x = QuantizedRows::new(Precision::Word);
            x.fill(Level::detect(), &vec![-3.0; cols], cols);
            for level in [Level::Portable, Level::Avx2, Level::Vnni] {
                if level > Level::detect() {
                    continue;
                }
                let (mut engine, mut out) = (Matmul::new(1), Vec::new());
                engine.level = level;
                matmul(&mut engine, &[&packed], &x, &mut out);
                assert!(out.iter().all(|v| (v + sign * 192.0).abs() < 0.2), "{level:?} {out:?}");
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let (rows, cols) = (2_048, 256);
        let packed = PackedMatrix::from_f32(&numbers(rows * cols, 3), rows, cols).expect("fits");
        let small = PackedMatrix::from_f32(&numbers(16 * cols, 4), 16, cols).expect("fits");
        let mut x = QuantizedRows::new(Precision::Word);
        x.fill(Level::detect(), &numbers(5 * cols, 5), cols);
        let run = |threads: usize| {
            let mut out = Vec::new();
            matmul(&mut Matmul::new(threads), &[&small, &packed, &small], &x, &mut out);
            out
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn attention_matches_the_definition() {
        let (positions, stride) = (37, 128);
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        super::narrow(&numbers(positions * stride, 6), &mut keys);
        super::narrow(&numbers(positions * stride, 7), &mut values);
        let wide =
            |bits: &[u16], p: usize, i: usize| f64::from(half::f16::from_bits(bits[p * stride + i]).to_f32());
        for width in [16, 64] {
            let (query, offset) = (numbers(width, 8), 32);
            let score = |p: usize| {
                (0..width).map(|i| f64::from(query[i]) * wide(&keys, p, offset + i)).sum::<f64>().exp()
            };
            let total: f64 = (0..positions).map(score).sum();
            for level in [Level::Portable, Level::Avx2] {
                if level > Level::detect() {
                    continue;
                }
                let head =
                    super::AttentionHead { query: &query, keys: &keys, values: &values, stride, offset };
                let mut out = vec![0.0; width];
                super::attend(level, &head, &mut Vec::new(), &mut out);
                for (i, out) in out.iter().enumerate() {
                    let sum: f64 = (0..positions).map(|p| score(p) * wide(&values, p, offset + i)).sum();
                    assert!((f64::from(*out) - sum / total).abs() < 1e-5, "{level:?} {width} {i}");
                }
            }
        }
    }

    #[test]
    fn odd_shapes_are_refused() {
        assert!(PackedMatrix::from_f32(&[0.0; 32 * 9], 9, 32).is_none());
        assert!(PackedMatrix::from_f32(&[0.0; 33 * 8], 8, 33).is_none());
        assert!(PackedMatrix::from_f32(&[0.0; 31], 8, 32).is_none());
        assert!(PackedMatrix::from_blocks(BlockFormat::Q8_0, &[0; 10], 8, 32).is_none());
    }
}
