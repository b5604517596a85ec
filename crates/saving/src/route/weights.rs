//! The file of weights: a line of text before each matrix, its rows as 16-bit integers with one scale a row.

use super::learn::{FeatureScaler, LinearModel};
use std::collections::BTreeMap;
use std::fmt;

/// First line of the file; the number grows when its meaning changes.
const MAGIC: &str = "nunchi-route 1\n";
/// Most values a matrix may have: a broken header must not ask for gigabytes.
const MOST: usize = 4_000_000;

/// Why weights could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsError(pub String);

impl fmt::Display for WeightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the router's weights cannot be read: {}", self.0)
    }
}

impl std::error::Error for WeightsError {}

/// Named matrices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Matrices(BTreeMap<String, (usize, Vec<f32>)>);

impl Matrices {
    /// Adds a matrix of rows `width` long.
    pub(super) fn put(&mut self, name: &str, width: usize, values: &[f32]) {
        self.0.insert(name.to_owned(), (width.max(1), values.to_vec()));
    }

    /// Adds a linear map; its columns become rows, so that each output has its own scale.
    pub(super) fn put_linear(&mut self, name: &str, linear: &LinearModel) {
        let width = linear.dense + linear.buckets + 1;
        let mut turned = vec![0.0; linear.weights.len()];
        for (feature, row) in linear.weights.chunks_exact(linear.outputs).enumerate() {
            for (output, value) in row.iter().enumerate() {
                turned[output * width + feature] = *value;
            }
        }
        self.put(name, width, &turned);
    }

    /// Adds a scaler.
    pub(super) fn put_scaler(&mut self, name: &str, scaler: &FeatureScaler) {
        for (suffix, values) in [("means", &scaler.means), ("factors", &scaler.factors)] {
            self.put(&format!("{name}.{suffix}"), 1, values);
        }
    }

    /// The values of a matrix of this size.
    pub(super) fn get(&self, name: &str, size: usize) -> Result<&[f32], WeightsError> {
        match self.0.get(name) {
            Some((_, values)) if values.len() == size => Ok(values),
            Some((_, values)) => Err(WeightsError(format!("{name} has {} values, not {size}", values.len()))),
            None => Err(WeightsError(format!("{name} is missing"))),
        }
    }

    /// A linear map of this shape.
    pub(super) fn linear(
        &self,
        name: &str,
        dense: usize,
        buckets: usize,
        outputs: usize,
    ) -> Result<LinearModel, WeightsError> {
        let width = dense + buckets + 1;
        let turned = self.get(name, width * outputs)?;
        let mut linear = LinearModel::zeros(dense, buckets, outputs);
        for (output, row) in turned.chunks_exact(width).enumerate() {
            for (feature, value) in row.iter().enumerate() {
                linear.weights[feature * outputs + output] = *value;
            }
        }
        Ok(linear)
    }

    /// A scaler of this width.
    pub(super) fn scaler(&self, name: &str, width: usize) -> Result<FeatureScaler, WeightsError> {
        let part = |suffix: &str| Ok(self.get(&format!("{name}.{suffix}"), width)?.to_vec());
        Ok(FeatureScaler { means: part("means")?, factors: part("factors")? })
    }

    /// The file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.as_bytes().to_vec();
        for (name, (width, values)) in &self.0 {
            bytes.extend(format!("{name} {} {width}\n", values.len() / width).bytes());
            for row in values.chunks(*width) {
                let top = row.iter().fold(0.0_f32, |top, v| top.max(v.abs()));
                let scale = if top > 0.0 { top / f32::from(i16::MAX) } else { 1.0 };
                bytes.extend(scale.to_le_bytes());
                bytes.extend(row.iter().flat_map(|v| ((v / scale).round() as i16).to_le_bytes()));
            }
        }
        bytes
    }

    /// Reads the file.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let fail = |what: &str| WeightsError(what.to_owned());
        let mut rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or_else(|| fail("unknown version"))?;
        let mut matrices = BTreeMap::new();
        while !rest.is_empty() {
            let end = rest.iter().take(200).position(|b| *b == b'\n').ok_or_else(|| fail("no header"))?;
            let header = std::str::from_utf8(&rest[..end]).map_err(|_| fail("bad header"))?;
            let [name, rows, width] = header.split(' ').collect::<Vec<_>>()[..] else {
                return Err(fail("bad header"));
            };
            let number = |text: &str| text.parse::<usize>().map_err(|_| fail("bad size"));
            let (rows, width) = (number(rows)?, number(width)?);
            if width == 0 || rows.checked_mul(width).is_none_or(|size| size > MOST) {
                return Err(fail("bad size"));
            }
            let length = rows * (4 + 2 * width);
            let body = rest.get(end + 1..end + 1 + length).ok_or_else(|| fail("the file ends early"))?;
            matrices.insert(name.to_owned(), (width, values(body, width)));
            rest = &rest[end + 1 + length..];
        }
        if matrices.values().any(|(_, values)| values.iter().any(|v| !v.is_finite())) {
            return Err(fail("a weight is no number"));
        }
        Ok(Self(matrices))
    }
}

/// The rows of a matrix.
fn values(body: &[u8], width: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(body.len() / 2);
    for row in body.chunks_exact(4 + 2 * width) {
        let (scale, row) = row.split_at(4);
        let scale = scale.try_into().map_or(0.0, f32::from_le_bytes);
        values.extend(row.chunks_exact(2).map(|v| f32::from(i16::from_le_bytes([v[0], v[1]])) * scale));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matrices_come_back() {
        let linear =
            LinearModel { weights: (0..12).map(|i| i as f32 - 5.5).collect(), ..LinearModel::zeros(2, 1, 3) };
        let mut matrices = Matrices::default();
        matrices.put_linear("map", &linear);
        matrices.put_scaler("scale", &FeatureScaler { means: vec![1.0, 2.0], factors: vec![0.5, 0.0] });
        let read = Matrices::from_bytes(&matrices.to_bytes()).unwrap();
        let back = read.linear("map", 2, 1, 3).unwrap();
        for (a, b) in linear.weights.iter().zip(&back.weights) {
            assert!((a - b).abs() < 1e-3);
        }
        assert!(read.linear("map", 3, 1, 3).is_err() && read.linear("none", 2, 1, 3).is_err());
        assert!(read.scaler("scale", 2).unwrap().factors[1].abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn broken_files_are_errors(cut in 0_usize..200, flip in 0_usize..200, by in 1_u8..255) {
            let mut matrices = Matrices::default();
            matrices.put("m", 8, &[0.5; 64]);
            let mut bytes = matrices.to_bytes();
            let at = flip % bytes.len();
            bytes[at] ^= by;
            bytes.truncate(bytes.len().saturating_sub(cut % 40));
            let _ = Matrices::from_bytes(&bytes);
        }
    }
}
