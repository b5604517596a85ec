//! One process owns a home folder: a lock that the system takes back when the process dies, however it dies.

use nunchi_core::StorageError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Ownership of a home folder; given back when this is dropped.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl HomeLock {
    /// Takes ownership of `home`.
    ///
    /// # Errors
    /// [`StorageError::Locked`] with the owner's process id while another process owns it.
    pub fn acquire(home: &Path) -> Result<Self, StorageError> {
        let path = home.join("nunchi.lock");
        let failed = |error: std::io::Error| StorageError::Other(format!("{}: {error}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text).is_ok();
                return Err(StorageError::Locked(read.then(|| text.trim().parse().ok()).flatten()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(failed)?;
        write!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_owner() {
        let home = tempfile::tempdir().unwrap();
        let lock = HomeLock::acquire(home.path()).unwrap();
        assert_eq!(
            HomeLock::acquire(home.path()).unwrap_err(),
            StorageError::Locked(Some(std::process::id()))
        );
        drop(lock);
        HomeLock::acquire(home.path()).unwrap();
    }
}
