//! Reads arrays out of NumPy's `.npz` files.

use crate::error::LocalError;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// An open `.npz` file.
pub(super) struct Npz {
    archive: ZipArchive<File>,
}

fn broken(error: impl std::fmt::Display) -> LocalError {
    LocalError::Format(format!("weights.npz: {error}"))
}

impl Npz {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, LocalError> {
        let archive = ZipArchive::new(File::open(path).map_err(broken)?).map_err(broken)?;
        Ok(Self { archive })
    }

    /// The bytes of an array of `count` elements of type `kind` (NumPy's name, such as `<f4`).
    fn bytes(&mut self, name: &str, kind: &str, count: usize) -> Result<Vec<u8>, LocalError> {
        let mut entry = self.archive.by_name(&format!("{name}.npy")).map_err(broken)?;
        let mut head = [0; 10];
        entry.read_exact(&mut head).map_err(broken)?;
        if &head[..7] != b"\x93NUMPY\x01" {
            return Err(broken(format!("{name} is no version-1 array")));
        }
        let mut description = vec![0; usize::from(u16::from_le_bytes([head[8], head[9]]))];
        entry.read_exact(&mut description).map_err(broken)?;
        let description = String::from_utf8_lossy(&description);
        if !description.contains(&format!("'{kind}'")) || !description.contains("'fortran_order': False") {
            return Err(broken(format!("{name} is {description}")));
        }
        let element = match kind {
            "|u1" => 1,
            "<f4" => 4,
            _ => 8,
        };
        let size = element * count;
        let mut data = Vec::with_capacity(size);
        entry.take(size as u64 + 1).read_to_end(&mut data).map_err(broken)?;
        if data.len() == size { Ok(data) } else { Err(broken(format!("{name} has another size"))) }
    }

    /// An array of bytes.
    pub(super) fn u8s(&mut self, name: &str, count: usize) -> Result<Vec<u8>, LocalError> {
        self.bytes(name, "|u1", count)
    }

    /// An array of f32.
    pub(super) fn f32s(&mut self, name: &str, count: usize) -> Result<Vec<f32>, LocalError> {
        let bytes = self.bytes(name, "<f4", count)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
    }

    /// A single f64.
    pub(super) fn f64(&mut self, name: &str) -> Result<f64, LocalError> {
        let bytes = self.bytes(name, "<f8", 1)?;
        Ok(f64::from_le_bytes(*bytes.first_chunk().ok_or_else(|| broken(name))?))
    }
}
