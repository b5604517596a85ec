//! Reads at a position without moving a shared file cursor.

use std::fs::File;
use std::io;

/// Fills `out` from `at` bytes into the file.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, out: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

/// Fills `out` from `at` bytes into the file.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
    while !out.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, out, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out = &mut out[count..];
        at += count as u64;
    }
    Ok(())
}
