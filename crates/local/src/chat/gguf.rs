//! Reads a GGUF file: settings of the network, weights and vocabulary.

use crate::error::LocalError;
use crate::kernels::{BlockFormat, PackedMatrix};
use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// An open GGUF file.
pub(super) struct Gguf {
    content: Content,
    reader: BufReader<File>,
}

fn unreadable(error: impl std::fmt::Display) -> LocalError {
    LocalError::Format(error.to_string())
}

impl Gguf {
    /// Opens a file and reads its head.
    pub(super) fn open(path: &Path) -> Result<Self, LocalError> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(unreadable)?);
        let content = Content::read(&mut reader).map_err(unreadable)?;
        Ok(Self { content, reader })
    }

    /// A metadata value.
    pub(super) fn value(&self, key: &str) -> Result<&Value, LocalError> {
        self.content.metadata.get(key).ok_or_else(|| LocalError::Format(format!("the file lacks `{key}`")))
    }

    /// A metadata number.
    pub(super) fn number(&self, key: &str) -> Result<usize, LocalError> {
        let value = self.value(key)?;
        let number = value.to_u64().or_else(|_| value.to_u32().map(u64::from)).map_err(unreadable)?;
        usize::try_from(number).map_err(unreadable)
    }

    /// A metadata text.
    pub(super) fn text(&self, key: &str) -> Result<&str, LocalError> {
        self.value(key)?.to_string().map(String::as_str).map_err(unreadable)
    }

    /// A metadata fraction.
    pub(super) fn float(&self, key: &str) -> Result<f32, LocalError> {
        self.value(key)?.to_f32().map_err(unreadable)
    }

    /// A metadata list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, LocalError> {
        let values = self.value(key)?.to_vec().map_err(unreadable)?;
        values.iter().map(|v| v.to_string().cloned().map_err(unreadable)).collect()
    }

    /// Whether there is such a tensor.
    pub(super) fn has(&self, tensor: &str) -> bool {
        self.content.tensor_infos.contains_key(tensor)
    }

    /// A small tensor as f32.
    pub(super) fn vector(&mut self, tensor: &str) -> Result<Vec<f32>, LocalError> {
        let tensor = self.content.tensor(&mut self.reader, tensor, &Device::Cpu).map_err(unreadable)?;
        let values = tensor.dequantize(&Device::Cpu).map_err(unreadable)?;
        values.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(unreadable)
    }

    /// Rows and columns of a matrix.
    fn shape(&self, tensor: &str) -> Result<(usize, usize), LocalError> {
        let info = self.content.tensor_infos.get(tensor);
        let info = info.ok_or_else(|| LocalError::Format(format!("the file lacks `{tensor}`")))?;
        info.shape.dims2().map_err(unreadable)
    }

    /// A matrix in the kernels' layout.
    pub(super) fn matrix(&mut self, tensor: &str) -> Result<PackedMatrix, LocalError> {
        let (rows, cols) = self.shape(tensor)?;
        let packed = match self.format(tensor) {
            Some(format) => {
                let (weights, bytes) = format.size();
                let mut data = vec![0; rows * cols / weights * bytes];
                let offset = self.offset(tensor);
                self.reader.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
                self.reader.read_exact(&mut data).map_err(unreadable)?;
                PackedMatrix::from_blocks(format, &data, rows, cols)
            }
            None => PackedMatrix::from_f32(&self.vector(tensor)?, rows, cols),
        };
        packed.ok_or_else(|| {
            LocalError::Format(format!("`{tensor}` is {rows} x {cols}; rows must come in 8s, columns in 32s"))
        })
    }

    /// The embedding table, left in the file: only the rows of the prompt are ever read.
    pub(super) fn rows_in_file(&mut self, tensor: &str) -> Result<FileRows, LocalError> {
        let (rows, cols) = self.shape(tensor)?;
        let format = self.format(tensor);
        let format = format.ok_or_else(|| LocalError::Format(format!("the type of `{tensor}`")))?;
        let (weights, bytes) = format.size();
        let file = self.reader.get_ref().try_clone().map_err(unreadable)?;
        let (offset, row_bytes) = (self.offset(tensor), cols / weights * bytes);
        Ok(FileRows { file, offset, rows, row_bytes, format })
    }

    fn format(&self, tensor: &str) -> Option<BlockFormat> {
        BlockFormat::of(self.content.tensor_infos.get(tensor)?.ggml_dtype)
    }

    fn offset(&self, tensor: &str) -> u64 {
        let within = self.content.tensor_infos.get(tensor).map_or(0, |info| info.offset);
        self.content.tensor_data_offset + within
    }
}

/// Rows of a matrix that stays in its file.
#[derive(Debug)]
pub(super) struct FileRows {
    file: File,
    offset: u64,
    rows: usize,
    row_bytes: usize,
    format: BlockFormat,
}

impl FileRows {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends one row.
    pub(super) fn read(&self, row: usize, out: &mut Vec<f32>) -> Result<(), LocalError> {
        let mut data = vec![0; self.row_bytes];
        let at = self.offset + (row.min(self.rows.saturating_sub(1)) * self.row_bytes) as u64;
        crate::files::read_at(&self.file, &mut data, at).map_err(|e| LocalError::System(e.to_string()))?;
        self.format.dequantize(&data, out);
        Ok(())
    }
}
