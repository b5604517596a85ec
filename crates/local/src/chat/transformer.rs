//! The forward pass of the Llama and Qwen2 families over packed weights, with a key-value cache that can be cut back to
//! any length.

use super::gguf::{FileRows, Gguf};
use crate::error::LocalError;
use crate::kernels::{
    AttentionHead, Matmul, PackedMatrix, Precision, QuantizedRows, add_in_place, attend, matmul, narrow,
    rms_norm, silu_product,
};
use rayon::prelude::*;

/// Positions below which attention of one token is not worth a second thread.
const PARALLEL_POSITIONS: usize = 512;

/// Which pairs of a head's values are turned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rotation {
    /// Neighbours (Llama as converted to GGUF).
    Neighbours,
    /// First and second half (Qwen2).
    Halves,
}

/// The sizes of a network.
#[derive(Clone, Debug)]
struct Shape {
    width: usize,
    heads: usize,
    kv_heads: usize,
    head_width: usize,
    feed_forward: usize,
    epsilon: f32,
    rotation: Rotation,
}

/// Where token embeddings come from.
#[derive(Debug)]
enum Embedding {
    /// The output matrix doubles as the table.
    Tied,
    /// A table of its own, left in the file.
    File(FileRows),
}

#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    qkv: [PackedMatrix; 3],
    /// Empty where the family has none.
    qkv_bias: Vec<f32>,
    attention_out: PackedMatrix,
    feed_forward_norm: Vec<f32>,
    gate_up: [PackedMatrix; 2],
    down: PackedMatrix,
}

/// A loaded network.
#[derive(Debug)]
pub(super) struct Transformer {
    shape: Shape,
    context: usize,
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    output: PackedMatrix,
    /// Cosine and sine of each position and pair.
    turns: Vec<(f32, f32)>,
}

/// Keys and values of one conversation, by layer; f16 bits.
#[derive(Debug, Default)]
pub(super) struct KvCache {
    keys: Vec<Vec<u16>>,
    values: Vec<Vec<u16>>,
    position: usize,
}

impl KvCache {
    /// Positions held.
    pub(super) fn len(&self) -> usize {
        self.position
    }
}

/// Buffers of the forward pass, kept between calls.
#[derive(Debug)]
pub(super) struct Scratch {
    engine: Matmul,
    rows: QuantizedRows,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    gate_up: Vec<f32>,
    product: Vec<f32>,
    out: Vec<f32>,
}

impl Scratch {
    /// Runs other kernels than the CPU's best.
    #[cfg(test)]
    pub(super) fn set_level(&mut self, level: crate::kernels::Level) {
        self.engine.level = level;
    }

    /// Buffers for a pass on `threads` threads of the surrounding rayon pool.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            engine: Matmul::new(threads),
            rows: QuantizedRows::new(Precision::Word),
            normed: Vec::new(),
            qkv: Vec::new(),
            attended: Vec::new(),
            gate_up: Vec::new(),
            product: Vec::new(),
            out: Vec::new(),
        }
    }
}

impl Transformer {
    /// Reads all weights. `context` caps the positions.
    pub(super) fn load(gguf: &mut Gguf, context: usize) -> Result<Self, LocalError> {
        let family = gguf.text("general.architecture")?.to_owned();
        let rotation = match family.as_str() {
            "llama" => Rotation::Neighbours,
            "qwen2" => Rotation::Halves,
            other => return Err(LocalError::Format(format!("architecture `{other}`"))),
        };
        let number = |key: &str| gguf.number(&format!("{family}.{key}"));
        let (width, heads) = (number("embedding_length")?, number("attention.head_count")?);
        let shape = Shape {
            width,
            heads,
            kv_heads: number("attention.head_count_kv")?,
            head_width: width / heads.max(1),
            feed_forward: number("feed_forward_length")?,
            epsilon: gguf.float(&format!("{family}.attention.layer_norm_rms_epsilon"))?,
            rotation,
        };
        shape.check()?;
        let context = context.min(number("context_length")?);
        let layer_count = number("block_count")?;
        let base = gguf.float(&format!("{family}.rope.freq_base")).unwrap_or(10_000.0);
        let layers: Result<_, _> = (0..layer_count).map(|index| Layer::load(gguf, index)).collect();
        let (output, embedding) = if gguf.has("output.weight") {
            (gguf.matrix("output.weight")?, Embedding::File(gguf.rows_in_file("token_embd.weight")?))
        } else {
            (gguf.matrix("token_embd.weight")?, Embedding::Tied)
        };
        let turns = turns(shape.head_width, context, base);
        let norm = gguf.vector("output_norm.weight")?;
        Ok(Self { shape, context, embedding, layers: layers?, norm, output, turns })
    }

    /// Positions of prompt and answer together.
    pub(super) fn context(&self) -> usize {
        self.context
    }

    /// Cuts the cache back to `length` positions.
    pub(super) fn truncate(&self, cache: &mut KvCache, length: usize) {
        let size = length * self.shape.kv_width();
        for stretch in cache.keys.iter_mut().chain(&mut cache.values) {
            stretch.truncate(size);
        }
        cache.position = cache.position.min(length);
    }

    /// Runs `tokens` after what the cache holds and adds them to it. With `logits`, fills them for the last token.
    pub(super) fn forward(
        &self,
        tokens: &[u32],
        cache: &mut KvCache,
        scratch: &mut Scratch,
        logits: Option<&mut Vec<f32>>,
    ) -> Result<(), LocalError> {
        cache.keys.resize_with(self.layers.len(), Vec::new);
        cache.values.resize_with(self.layers.len(), Vec::new);
        let mut x = Vec::with_capacity(tokens.len() * self.shape.width);
        self.embed(tokens, &mut x)?;
        for (index, layer) in self.layers.iter().enumerate() {
            self.attention(layer, index, &mut x, cache, scratch);
            self.feed_forward(layer, &mut x, scratch);
        }
        cache.position += tokens.len();
        if let Some(logits) = logits {
            let last = &x[x.len() - self.shape.width..];
            let s = scratch;
            s.normed.resize(last.len(), 0.0);
            rms_norm(s.engine.level, last, &self.norm, self.shape.epsilon, &mut s.normed);
            s.rows.fill(s.engine.level, &s.normed, self.shape.width);
            matmul(&mut s.engine, &[&self.output], &s.rows, logits);
        }
        Ok(())
    }

    fn embed(&self, tokens: &[u32], x: &mut Vec<f32>) -> Result<(), LocalError> {
        for token in tokens {
            match &self.embedding {
                Embedding::Tied => {
                    let start = x.len();
                    x.resize(start + self.shape.width, 0.0);
                    self.output.row((*token as usize).min(self.output.rows() - 1), &mut x[start..]);
                }
                Embedding::File(rows) => rows.read((*token as usize).min(rows.rows() - 1), x)?,
            }
        }
        Ok(())
    }

    fn attention(&self, layer: &Layer, index: usize, x: &mut [f32], cache: &mut KvCache, s: &mut Scratch) {
        let shape = &self.shape;
        s.normed.resize(x.len(), 0.0);
        rms_norm(s.engine.level, x, &layer.attention_norm, shape.epsilon, &mut s.normed);
        s.rows.fill(s.engine.level, &s.normed, shape.width);
        let [q, k, v] = &layer.qkv;
        matmul(&mut s.engine, &[q, k, v], &s.rows, &mut s.qkv);
        let stride = shape.width + 2 * shape.kv_width();
        let (keys, values) = (&mut cache.keys[index], &mut cache.values[index]);
        for (at, row) in s.qkv.chunks_exact_mut(stride).enumerate() {
            if !layer.qkv_bias.is_empty() {
                add_in_place(s.engine.level, row, &layer.qkv_bias);
            }
            let (turned, value) = row.split_at_mut(shape.width + shape.kv_width());
            let pairs = shape.head_width / 2;
            let turns = &self.turns[(cache.position + at) * pairs..][..pairs];
            for head in turned.chunks_exact_mut(shape.head_width) {
                rotate(head, turns, shape.rotation);
            }
            let (query, key) = turned.split_at_mut(shape.width);
            let scale = (shape.head_width as f32).sqrt().recip();
            query.iter_mut().for_each(|q| *q *= scale);
            narrow(key, keys);
            narrow(value, values);
        }
        self.attend_all(cache.position, keys, values, s);
        s.rows.fill(s.engine.level, &s.attended, shape.width);
        matmul(&mut s.engine, &[&layer.attention_out], &s.rows, &mut s.out);
        add_in_place(s.engine.level, x, &s.out);
    }

    fn attend_all(&self, position: usize, keys: &[u16], values: &[u16], s: &mut Scratch) {
        let shape = &self.shape;
        let stride = shape.width + 2 * shape.kv_width();
        let count = s.qkv.len() / stride;
        s.attended.resize(count * shape.width, 0.0);
        let (level, qkv) = (s.engine.level, &s.qkv);
        let one = |scores: &mut Vec<f32>, unit: usize, out: &mut [f32]| {
            let (row, head) = (unit / shape.heads, unit % shape.heads);
            let seen = (position + row + 1) * shape.kv_width();
            let head_of = AttentionHead {
                query: &qkv[row * stride + head * shape.head_width..][..shape.head_width],
                keys: &keys[..seen],
                values: &values[..seen],
                stride: shape.kv_width(),
                offset: head / (shape.heads / shape.kv_heads) * shape.head_width,
            };
            attend(level, &head_of, scores, out);
        };
        if s.engine.threads <= 1 || position + count * count < PARALLEL_POSITIONS {
            let mut scores = Vec::new();
            for (unit, out) in s.attended.chunks_exact_mut(shape.head_width).enumerate() {
                one(&mut scores, unit, out);
            }
        } else {
            let units = s.attended.par_chunks_exact_mut(shape.head_width).enumerate();
            units.for_each_init(Vec::new, |scores, (unit, out)| one(scores, unit, out));
        }
    }

    fn feed_forward(&self, layer: &Layer, x: &mut [f32], s: &mut Scratch) {
        let shape = &self.shape;
        s.normed.resize(x.len(), 0.0);
        rms_norm(s.engine.level, x, &layer.feed_forward_norm, shape.epsilon, &mut s.normed);
        s.rows.fill(s.engine.level, &s.normed, shape.width);
        let [gate, up] = &layer.gate_up;
        matmul(&mut s.engine, &[gate, up], &s.rows, &mut s.gate_up);
        s.product.resize(s.gate_up.len() / 2, 0.0);
        silu_product(s.engine.level, &s.gate_up, shape.feed_forward, &mut s.product);
        s.rows.fill(s.engine.level, &s.product, shape.feed_forward);
        matmul(&mut s.engine, &[&layer.down], &s.rows, &mut s.out);
        add_in_place(s.engine.level, x, &s.out);
    }
}

impl Shape {
    fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Everything the forward pass divides by or slices with.
    fn check(&self) -> Result<(), LocalError> {
        let whole = self.kv_heads > 0
            && self.heads.is_multiple_of(self.kv_heads)
            && self.heads * self.head_width == self.width
            && self.head_width.is_multiple_of(16);
        if whole { Ok(()) } else { Err(LocalError::Format(format!("the sizes do not fit: {self:?}"))) }
    }
}

impl Layer {
    fn load(gguf: &mut Gguf, index: usize) -> Result<Self, LocalError> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let mut qkv_bias = Vec::new();
        if gguf.has(&name("attn_q.bias")) {
            for part in ["attn_q.bias", "attn_k.bias", "attn_v.bias"] {
                qkv_bias.extend(gguf.vector(&name(part))?);
            }
        }
        let mut matrix = |part: &str| gguf.matrix(&name(part));
        let qkv = [matrix("attn_q.weight")?, matrix("attn_k.weight")?, matrix("attn_v.weight")?];
        let gate_up = [matrix("ffn_gate.weight")?, matrix("ffn_up.weight")?];
        let (attention_out, down) = (matrix("attn_output.weight")?, matrix("ffn_down.weight")?);
        Ok(Self {
            attention_norm: gguf.vector(&name("attn_norm.weight"))?,
            qkv,
            qkv_bias,
            attention_out,
            feed_forward_norm: gguf.vector(&name("ffn_norm.weight"))?,
            gate_up,
            down,
        })
    }
}

fn turns(head_width: usize, context: usize, base: f32) -> Vec<(f32, f32)> {
    let pairs = head_width / 2;
    let speeds: Vec<f32> =
        (0..pairs).map(|pair| base.powf(-(2.0 * pair as f32) / head_width as f32)).collect();
    (0..context)
        .flat_map(|position| speeds.iter().map(move |speed| (position as f32 * speed).sin_cos()))
        .map(|(sin, cos)| (cos, sin))
        .collect()
}

fn rotate(head: &mut [f32], turns: &[(f32, f32)], rotation: Rotation) {
    match rotation {
        Rotation::Neighbours => {
            for ([a, b], (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
        Rotation::Halves => {
            let (first, second) = head.split_at_mut(turns.len());
            for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(turns) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
}
