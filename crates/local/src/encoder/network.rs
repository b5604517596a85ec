//! The network of the Universal Sentence Encoder (multilingual, version 3): embeddings and n-gram features of orders 2,
//! 3 and 5 from two convolutions each, averaged over the sentence, then a residual network.

use super::npz::Npz;
use super::table::WIDTH;
use crate::error::LocalError;
use crate::kernels::{
    Matmul, PackedMatrix, Precision, QuantizedRows, add_in_place, layer_norm, matmul, relu,
};

/// Width of one order's features.
const ORDER_WIDTH: usize = 256;
/// Order and number of tokens seen to the left.
const ORDERS: [(usize, usize); 3] = [(2, 0), (3, 1), (5, 2)];
/// Width of all features of a token.
const FEATURES: usize = WIDTH + ORDERS.len() * ORDER_WIDTH;
/// Width of the residual network's inner layers.
const INNER: usize = 320;

/// Matrix and bias.
#[derive(Debug)]
struct Affine {
    matrix: PackedMatrix,
    bias: Vec<f32>,
}

/// The features of one order.
#[derive(Debug)]
struct Order {
    project: PackedMatrix,
    convolutions: [Affine; 2],
    length: usize,
    left: usize,
}

/// The weights; shared by all threads.
#[derive(Debug)]
pub(super) struct Network {
    orders: Vec<Order>,
    /// Bias, gain and shift of the projections of all orders, which are normalised together.
    projected: [Vec<f32>; 3],
    gain: Vec<f32>,
    shift: Vec<f32>,
    combine: Affine,
    /// `d0`, `d1`, `d2`, `d3`, `p1`, `p3` of the residual network.
    dense: [PackedMatrix; 4],
    skips: [PackedMatrix; 2],
    epsilon: f32,
}

/// Scratch memory of one thread.
#[derive(Debug)]
pub(super) struct Scratch {
    engine: Matmul,
    rows: QuantizedRows,
    features: Vec<f32>,
    order: Vec<f32>,
    window: Vec<f32>,
    out: Vec<f32>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            engine: Matmul::new(1),
            rows: QuantizedRows::new(Precision::Byte),
            features: Vec::new(),
            order: Vec::new(),
            window: Vec::new(),
            out: Vec::new(),
        }
    }
}

/// A matrix as NumPy keeps it (inputs in rows) in the kernels' layout.
fn matrix(npz: &mut Npz, name: &str, inputs: usize, outputs: usize) -> Result<PackedMatrix, LocalError> {
    let values = npz.f32s(name, inputs * outputs)?;
    let mut turned = vec![0.0; values.len()];
    for (input, row) in values.chunks_exact(outputs).enumerate() {
        for (output, value) in row.iter().enumerate() {
            turned[output * inputs + input] = *value;
        }
    }
    PackedMatrix::from_f32(&turned, outputs, inputs)
        .ok_or_else(|| LocalError::Format(format!("weights.npz: {name} does not fit the kernels")))
}

impl Affine {
    fn load(npz: &mut Npz, names: (&str, &str), inputs: usize, outputs: usize) -> Result<Self, LocalError> {
        Ok(Self { matrix: matrix(npz, names.0, inputs, outputs)?, bias: npz.f32s(names.1, outputs)? })
    }
}

impl Order {
    fn load(npz: &mut Npz, (length, left): (usize, usize)) -> Result<Self, LocalError> {
        let width = ORDER_WIDTH;
        let project = matrix(npz, &format!("proj{length}"), WIDTH, width)?;
        let mut convolution = |number: usize| {
            let (w, b) = (format!("w{number}_{length}"), format!("b{number}_{length}"));
            Affine::load(npz, (&w, &b), length * width, width)
        };
        let convolutions = [convolution(1)?, convolution(2)?];
        Ok(Self { project, convolutions, length, left })
    }
}

impl Network {
    /// Reads the weights.
    pub(super) fn load(npz: &mut Npz) -> Result<Self, LocalError> {
        let orders: Result<_, _> = ORDERS.into_iter().map(|order| Order::load(npz, order)).collect();
        let mut together = |name: &str| -> Result<Vec<f32>, LocalError> {
            let parts = ORDERS.map(|(length, _)| npz.f32s(&format!("{name}{length}"), ORDER_WIDTH));
            Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
        };
        let projected = [together("proj_b")?, together("ln_g")?, together("ln_b")?];
        Ok(Self {
            orders: orders?,
            projected,
            gain: npz.f32s("ln_g", FEATURES)?,
            shift: npz.f32s("ln_b", FEATURES)?,
            combine: Affine::load(npz, ("cnn_W", "cnn_b"), FEATURES, WIDTH)?,
            dense: [
                matrix(npz, "d0", WIDTH, INNER)?,
                matrix(npz, "d1", INNER, INNER)?,
                matrix(npz, "d2", INNER, WIDTH)?,
                matrix(npz, "d3", WIDTH, WIDTH)?,
            ],
            skips: [matrix(npz, "p1", WIDTH, INNER)?, matrix(npz, "p3", INNER, WIDTH)?],
            epsilon: npz.f64("eps")? as f32,
        })
    }

    /// Embeds sentences of the given token counts; `embeddings` holds the tokens of all, one after the other. Returns one
    /// unit vector of [`WIDTH`] a sentence.
    pub(super) fn run(&self, embeddings: &[f32], lengths: &[usize], s: &mut Scratch) -> Vec<f32> {
        let tokens = embeddings.len() / WIDTH;
        s.features.resize(tokens * FEATURES, 0.0);
        for (features, embedding) in s.features.chunks_exact_mut(FEATURES).zip(embeddings.chunks_exact(WIDTH))
        {
            features[..WIDTH].copy_from_slice(embedding);
        }
        // Quantised once for the three projections.
        s.rows.fill(s.engine.level, embeddings, WIDTH);
        let mut projected = Vec::new();
        let projections: Vec<&PackedMatrix> = self.orders.iter().map(|o| &o.project).collect();
        matmul(&mut s.engine, &projections, &s.rows, &mut projected);
        let [bias, gain, shift] = &self.projected;
        add_bias(&mut projected, bias);
        layer_norm(s.engine.level, &mut projected, gain, shift, self.epsilon);
        for (index, order) in self.orders.iter().enumerate() {
            self.order(order, index, &projected, lengths, s);
        }
        layer_norm(s.engine.level, &mut s.features, &self.gain, &self.shift, self.epsilon);
        let summed = self.sum(lengths, s);
        self.residual(&summed, s)
    }

    /// Writes the features of one order.
    fn order(&self, order: &Order, index: usize, projected: &[f32], lengths: &[usize], s: &mut Scratch) {
        let all = ORDERS.len() * ORDER_WIDTH;
        s.order.clear();
        for row in projected.chunks_exact(all) {
            s.order.extend_from_slice(&row[index * ORDER_WIDTH..][..ORDER_WIDTH]);
        }
        for convolution in &order.convolutions {
            windows(&s.order, lengths, order.length, order.left, &mut s.window);
            s.rows.fill(s.engine.level, &s.window, order.length * ORDER_WIDTH);
            matmul(&mut s.engine, &[&convolution.matrix], &s.rows, &mut s.out);
            add_bias(&mut s.out, &convolution.bias);
            relu(s.engine.level, &mut s.out);
            add_in_place(s.engine.level, &mut s.order, &s.out);
        }
        let start = WIDTH + index * ORDER_WIDTH;
        for (features, row) in s.features.chunks_exact_mut(FEATURES).zip(s.order.chunks_exact(ORDER_WIDTH)) {
            features[start..start + ORDER_WIDTH].copy_from_slice(row);
        }
    }

    /// The sentences: features summed, combined, divided by the root of the length.
    fn sum(&self, lengths: &[usize], s: &mut Scratch) -> Vec<f32> {
        let mut sums = vec![0.0; lengths.len() * FEATURES];
        let mut rows = s.features.chunks_exact(FEATURES);
        for (sum, length) in sums.chunks_exact_mut(FEATURES).zip(lengths) {
            for row in rows.by_ref().take(*length) {
                add_in_place(s.engine.level, sum, row);
            }
        }
        s.rows.fill(s.engine.level, &sums, FEATURES);
        let mut combined = Vec::new();
        matmul(&mut s.engine, &[&self.combine.matrix], &s.rows, &mut combined);
        for (row, length) in combined.chunks_exact_mut(WIDTH).zip(lengths) {
            let length = *length as f32;
            for (value, bias) in row.iter_mut().zip(&self.combine.bias) {
                *value = (*value + length * bias) / length.sqrt();
            }
        }
        combined
    }

    /// The residual network and the unit length.
    fn residual(&self, x: &[f32], s: &mut Scratch) -> Vec<f32> {
        let [d0, d1, d2, d3] = &self.dense;
        let [p1, p3] = &self.skips;
        let mut times = |x: &[f32], parts: &[&PackedMatrix]| {
            let mut out = Vec::new();
            s.rows.fill(s.engine.level, x, parts[0].cols());
            for part in parts {
                let mut product = Vec::new();
                matmul(&mut s.engine, &[part], &s.rows, &mut product);
                out.push(product);
            }
            out
        };
        let positive = |x: &[f32]| x.iter().map(|v| v.max(0.0)).collect::<Vec<_>>();
        let plus = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();
        let first = times(x, &[d0, p1]);
        let y1 = positive(&plus(&first[1], &times(&positive(&first[0]), &[d1])[0]));
        let second = times(&y1, &[d2, p3]);
        let mut z = plus(&second[1], &times(&positive(&second[0]), &[d3])[0]);
        for row in z.chunks_exact_mut(WIDTH) {
            for value in row.iter_mut() {
                *value = value.tanh();
            }
            let length = row.iter().map(|v| v * v).sum::<f32>().max(self.epsilon).sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        z
    }
}

fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}

/// For each token the rows of its neighbours, `left` before it and `length` in all; zero outside its sentence.
fn windows(rows: &[f32], lengths: &[usize], length: usize, left: usize, out: &mut Vec<f32>) {
    out.clear();
    let mut start = 0;
    for count in lengths {
        let sentence = &rows[start * ORDER_WIDTH..][..count * ORDER_WIDTH];
        for token in 0..*count {
            for slot in token..token + length {
                let neighbour = slot.checked_sub(left).filter(|n| n < count);
                match neighbour {
                    Some(n) => out.extend_from_slice(&sentence[n * ORDER_WIDTH..][..ORDER_WIDTH]),
                    None => out.resize(out.len() + ORDER_WIDTH, 0.0),
                }
            }
        }
        start += count;
    }
}
