//! The sentence encoder: text in, unit vectors out.

use super::network::{Network, Scratch};
use super::npz::Npz;
use super::pieces::Pieces;
use super::table::{Table, WIDTH};
use crate::error::LocalError;
use crate::weights::WeightStore;

/// Tokens run at once: enough to reuse the weights, few enough to stay in the cache.
const BATCH_TOKENS: usize = 256;
/// Most tokens of one text that are looked at; a sentence encoder averages, so the tail of a long text says little.
const MOST_TOKENS: usize = 4_096;

/// Length of the vectors.
pub const EMBEDDING_DIMENSIONS: usize = WIDTH;

/// The sentence encoder, loaded. Shared by threads; each call uses scratch memory of its own.
#[derive(Debug)]
pub struct SentenceEncoder {
    pieces: Pieces,
    table: Table,
    network: Network,
}

/// Vectors and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One vector of length 1 for each text, in order, [`EMBEDDING_DIMENSIONS`] long.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read.
    pub tokens: usize,
}

impl SentenceEncoder {
    /// Loads weights after checking their hashes. Blocks; the first time on a machine it also unpacks 65 MB next to them.
    pub fn load(store: &WeightStore, id: &str) -> Result<Self, LocalError> {
        let files = store.verified_files(id)?;
        let [weights, model] = files.as_slice() else {
            return Err(LocalError::Format(format!("`{id}` is no sentence encoder")));
        };
        let model = std::fs::read(model).map_err(|e| LocalError::System(e.to_string()))?;
        let pieces = Pieces::read(&model)?;
        if pieces.count() > Table::pieces() {
            return Err(LocalError::Format("sp.model has more pieces than weights.npz".to_owned()));
        }
        let mut npz = Npz::open(weights)?;
        Ok(Self { pieces, table: Table::open(weights, &mut npz)?, network: Network::load(&mut npz)? })
    }

    /// Embeds texts. Blocks the thread: about half a millisecond for a sentence.
    pub fn embed<T: AsRef<str>>(&self, texts: &[T]) -> Result<Embeddings, LocalError> {
        let mut result = Embeddings { vectors: Vec::with_capacity(texts.len()), tokens: 0 };
        let mut scratch = Scratch::new();
        let (mut rows, mut lengths) = (Vec::new(), Vec::new());
        for (index, text) in texts.iter().enumerate() {
            let mut ids = self.pieces.encode(text.as_ref());
            ids.truncate(MOST_TOKENS);
            for id in &ids {
                self.table.read(*id as usize, &mut rows)?;
            }
            lengths.push(ids.len());
            result.tokens += ids.len();
            if rows.len() >= BATCH_TOKENS * WIDTH || index + 1 == texts.len() {
                let vectors = self.network.run(&rows, &lengths, &mut scratch);
                result.vectors.extend(vectors.chunks_exact(WIDTH).map(<[f32]>::to_vec));
                rows.clear();
                lengths.clear();
            }
        }
        Ok(result)
    }

    /// Tokens of a text as the encoder counts them.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.pieces.encode(text).len()
    }
}

#[cfg(test)]
mod tests {
    use super::SentenceEncoder;
    use crate::testing::store_with;
    use crate::weights::DEFAULT_ENCODER_WEIGHTS;

    /// Text, its pieces, and every 32nd value of its vector, from the package's own NumPy code.
    const GOLDEN: [(&str, &[u32], [f32; 16]); 4] = [
        (
            "오늘 서울 날씨 어때?",
            &[1, 6, 102_102, 24_085, 30_735, 14_460, 16_669, 42_124, 21, 2],
            [
                -0.05831, -0.06627, -0.05217, -0.06345, -0.03568, 0.00047, -0.03928, -0.03022, -0.07374,
                -0.04623, 0.00101, 0.04575, 0.03194, -0.00857, 0.00777, 0.00768,
            ],
        ),
        (
            "The capital of France is Paris, which it has been since 987 – mostly.",
            &[1, 76, 4178, 19, 1899, 32, 3158, 7, 316, 41, 180, 372, 1039, 6, 45_830, 6, 127_993, 7622, 8, 2],
            [
                -0.04981, 0.0543, 0.04658, 0.04311, -0.00893, -0.08409, 0.00336, -0.05938, 0.04995, 0.03869,
                -0.01448, 0.06145, 0.01851, 0.00365, -0.051, -0.04846,
            ],
        ),
        (
            "회의  전에   ＡＢＣ 보고서를\t검토해 줘 ½",
            &[1, 6, 36_210, 80_347, 13_514, 6, 125_239, 882, 34_562, 7797, 3742, 6, 0, 32_259, 2],
            [
                0.03188, 0.05975, 0.05115, -0.02788, -0.02815, 0.04395, -0.0297, 0.02406, 0.00315, -0.04043,
                -0.01527, 0.00694, -0.05811, -0.02567, -0.03434, 0.05674,
            ],
        ),
        (
            "",
            &[1, 0, 2],
            [
                0.15206, -0.00805, -0.03338, -0.03825, -0.00984, 0.00039, -0.01635, 0.13134, -0.04123,
                0.04583, 0.00533, -0.03569, 0.01553, 0.03557, -0.03931, 0.00102,
            ],
        ),
    ];

    #[test]
    fn pieces_and_vectors_match_the_reference() {
        let store = store_with(DEFAULT_ENCODER_WEIGHTS);
        let encoder = SentenceEncoder::load(&store, DEFAULT_ENCODER_WEIGHTS).expect("loads");
        let texts = GOLDEN.map(|(text, ..)| text);
        let together = encoder.embed(&texts).expect("embeds");
        for ((text, ids, golden), vector) in GOLDEN.into_iter().zip(&together.vectors) {
            assert_eq!(encoder.pieces.encode(text), ids, "{text}");
            let length = vector.iter().map(|v| v * v).sum::<f32>();
            assert!((length - 1.0).abs() < 1e-4, "{text}: {length}");
            let error = vector.iter().step_by(32).zip(golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 0.004, "{text}: off by {error}");
            // A sentence's neighbours in a batch change nothing.
            let alone = encoder.embed(&[text]).expect("embeds");
            let dot: f32 = alone.vectors[0].iter().zip(vector).map(|(a, b)| a * b).sum();
            assert!((dot - 1.0).abs() < 1e-5, "{text}: {dot}");
        }
        assert_eq!(together.tokens, GOLDEN.iter().map(|(_, ids, _)| ids.len()).sum::<usize>());
    }

    #[test]
    fn odd_texts_are_embedded() {
        let store = store_with(DEFAULT_ENCODER_WEIGHTS);
        let encoder = SentenceEncoder::load(&store, DEFAULT_ENCODER_WEIGHTS).expect("loads");
        let long = "말 ".repeat(20_000);
        let texts = [" ", "\u{0}", "👩‍👩‍👧 한글 𝒳 zz", "\u{2581}\u{2581}", "\u{fffd}", long.as_str()];
        let embeddings = encoder.embed(&texts).expect("embeds");
        assert_eq!(embeddings.vectors.len(), texts.len());
        assert!(embeddings.vectors.iter().flatten().all(|v| v.is_finite()));
        assert_eq!(encoder.pieces.encode(texts[2]), [1, 6, 0, 0, 0, 0, 0, 124_470, 829, 6, 3593, 2]);
        assert!(encoder.embed::<&str>(&[]).expect("embeds nothing").vectors.is_empty());
    }
}
