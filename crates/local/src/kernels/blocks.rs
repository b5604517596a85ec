//! Decodes the block formats of GGUF files into quants, scale and offset.

use candle_core::quantized::GgmlDType;
use half::f16;

/// 32 weights as 4-bit quants: `weight = scale * quant + min`.
pub(crate) struct NibbleBlock {
    /// 0 to 15 each.
    pub(crate) quants: [u8; 32],
    /// Worth of one unit.
    pub(crate) scale: f32,
    /// Worth of quant 0.
    pub(crate) min: f32,
}

/// 32 weights as signed bytes: `weight = scale * quant`, with one scale for each half.
pub(crate) struct ByteBlock {
    /// The quants.
    pub(crate) quants: [i8; 32],
    /// Scales of the first and the last 16.
    pub(crate) scales: [f32; 2],
}

/// A GGUF block format with its own decoder; all others go through f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockFormat {
    /// 4 bits, scale.
    Q4_0,
    /// 4 bits, scale and minimum.
    Q4_1,
    /// 5 bits, scale.
    Q5_0,
    /// 8 bits, scale.
    Q8_0,
    /// 4 bits in blocks of 256 with 6-bit scales and minima.
    Q4K,
    /// 6 bits in blocks of 256 with 8-bit scales for each 16.
    Q6K,
}

impl BlockFormat {
    /// The format of a GGUF type, if it has a decoder here.
    pub(crate) fn of(dtype: GgmlDType) -> Option<Self> {
        Some(match dtype {
            GgmlDType::Q4_0 => Self::Q4_0,
            GgmlDType::Q4_1 => Self::Q4_1,
            GgmlDType::Q5_0 => Self::Q5_0,
            GgmlDType::Q8_0 => Self::Q8_0,
            GgmlDType::Q4K => Self::Q4K,
            GgmlDType::Q6K => Self::Q6K,
            _ => return None,
        })
    }

    /// Whether its weights fit four bits and a minimum.
    pub(crate) fn is_nibble(self) -> bool {
        matches!(self, Self::Q4_0 | Self::Q4_1 | Self::Q4K)
    }

    /// Weights in one block and bytes they take.
    pub(crate) fn size(self) -> (usize, usize) {
        match self {
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q6K => (256, 210),
        }
    }

    /// Decodes one block of a nibble format, 32 weights at a time.
    pub(crate) fn nibbles(self, block: &[u8], mut emit: impl FnMut(NibbleBlock)) {
        match self {
            Self::Q4_0 => {
                let scale = half_at(block, 0);
                emit(NibbleBlock { quants: split_nibbles(&block[2..18]), scale, min: -8.0 * scale });
            }
            Self::Q4_1 => emit(NibbleBlock {
                quants: split_nibbles(&block[4..20]),
                scale: half_at(block, 0),
                min: half_at(block, 2),
            }),
            Self::Q4K => decode_q4k(block, emit),
            Self::Q5_0 | Self::Q8_0 | Self::Q6K => {}
        }
    }

    /// Decodes one block of a byte format, 32 weights at a time.
    pub(crate) fn bytes(self, block: &[u8], mut emit: impl FnMut(ByteBlock)) {
        match self {
            Self::Q5_0 => emit(decode_q5_0(block)),
            Self::Q8_0 => {
                let mut quants = [0_i8; 32];
                for (quant, byte) in quants.iter_mut().zip(&block[2..34]) {
                    *quant = byte.cast_signed();
                }
                emit(ByteBlock { quants, scales: [half_at(block, 0); 2] });
            }
            Self::Q6K => decode_q6k(block, emit),
            Self::Q4_0 | Self::Q4_1 | Self::Q4K => {}
        }
    }

    /// Decodes whole blocks to f32.
    pub(crate) fn dequantize(self, data: &[u8], out: &mut Vec<f32>) {
        for block in data.chunks_exact(self.size().1) {
            self.nibbles(block, |b| out.extend(b.quants.map(|q| f32::from(q) * b.scale + b.min)));
            self.bytes(block, |b| {
                let (head, tail) = b.quants.split_at(16);
                out.extend(head.iter().map(|q| f32::from(*q) * b.scales[0]));
                out.extend(tail.iter().map(|q| f32::from(*q) * b.scales[1]));
            });
        }
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Sixteen bytes hold weights 0-15 in their low and 16-31 in their high halves.
fn split_nibbles(packed: &[u8]) -> [u8; 32] {
    let mut quants = [0; 32];
    for (i, byte) in packed.iter().enumerate() {
        quants[i] = byte & 15;
        quants[i + 16] = byte >> 4;
    }
    quants
}

fn decode_q5_0(block: &[u8]) -> ByteBlock {
    let high = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    let mut quants = [0_i8; 32];
    for (i, low) in split_nibbles(&block[6..22]).into_iter().enumerate() {
        let fifth = ((high >> i) & 1) as u8;
        quants[i] = (low | (fifth << 4)).cast_signed() - 16;
    }
    ByteBlock { quants, scales: [half_at(block, 0); 2] }
}

fn decode_q4k(block: &[u8], mut emit: impl FnMut(NibbleBlock)) {
    let (scale, min) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    for (pair, bytes) in block[16..144].chunks_exact(32).enumerate() {
        for high in 0..2 {
            let (s, m) = q4k_scale(packed, 2 * pair + high);
            let mut quants = [0; 32];
            for (quant, byte) in quants.iter_mut().zip(bytes) {
                *quant = if high == 0 { byte & 15 } else { byte >> 4 };
            }
            emit(NibbleBlock { quants, scale: scale * f32::from(s), min: -min * f32::from(m) });
        }
    }
}

/// The sixth-bit packed scale and minimum of sub-block `j`.
fn q4k_scale(packed: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        let low = packed[j + 4];
        ((low & 15) | ((packed[j - 4] >> 6) << 4), (low >> 4) | ((packed[j] >> 6) << 4))
    }
}

fn decode_q6k(block: &[u8], mut emit: impl FnMut(ByteBlock)) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let unit = half_at(block, 208);
    for part in 0..8 {
        // Each half of 128 weights has 64 bytes of low nibbles and 32 bytes of high bits, in four runs of 32.
        let (side, run) = (part / 4, part % 4);
        let mut quants = [0_i8; 32];
        for (l, quant) in quants.iter_mut().enumerate() {
            let byte = low[64 * side + l + 32 * (run % 2)];
            let nibble = if run < 2 { byte & 15 } else { byte >> 4 };
            let bits = (high[32 * side + l] >> (2 * run)) & 3;
            *quant = (nibble | (bits << 4)).cast_signed() - 32;
        }
        let scale = |half: usize| unit * f32::from(scales[8 * side + 2 * run + half].cast_signed());
        emit(ByteBlock { quants, scales: [scale(0), scale(1)] });
    }
}
