//! What is in a file: its bytes and identity, and the text that they are.

use super::place::{FilePath, Place, failed, kind, linked};
use encoding_rs::{EUC_KR, UTF_16BE, UTF_16LE};
use nunchi_core::{ContentHash, ToolError};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;

/// The mark that some editors put before UTF-8.
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Bytes that are looked at to tell text from the rest.
const LOOKED_AT: usize = 8 * 1024;

/// Which file it is, not by its name: a file made anew under the same name is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// When its bytes last changed, as the system says, in nanoseconds.
    pub(super) changed_ns: i128,
}

/// What stands, stood or shall stand under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Was {
    Absent,
    File { hash: ContentHash, mode: u32, id: FileId },
}

/// A file that was read.
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    pub(super) was: Was,
    pub(super) owner: Owner,
}

/// To whom a file belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl FileId {
    #[expect(clippy::unnecessary_cast, reason = "the fields' types differ from system to system")]
    pub(super) fn of(stat: &Stat) -> Self {
        let changed_ns = i128::from(stat.st_mtime) * 1_000_000_000 + stat.st_mtime_nsec as i128;
        Self { device: stat.st_dev as u64, inode: stat.st_ino as u64, changed_ns }
    }

    /// Whether it is the same file, changed since or not.
    pub(super) fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl Was {
    pub(super) fn hash(&self) -> Option<ContentHash> {
        match self {
            Self::Absent => None,
            Self::File { hash, .. } => Some(*hash),
        }
    }

    pub(super) fn id(&self) -> Option<FileId> {
        match self {
            Self::Absent => None,
            Self::File { id, .. } => Some(*id),
        }
    }

    pub(super) fn mode(&self) -> Option<u32> {
        match self {
            Self::Absent => None,
            Self::File { mode, .. } => Some(*mode),
        }
    }

    /// The version that reads tell and writes expect.
    pub(super) fn version(&self) -> Option<String> {
        self.hash().map(|hash| hash.to_string())
    }
}

/// Opens a plain file for reading; `None` when nothing is there.
pub(super) fn open(place: &Place, path: &FilePath) -> Result<Option<(File, Stat)>, ToolError> {
    // Without NONBLOCK the opening of a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(&place.folder, &place.name, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => {
            return Err(match kind(&place.folder, &place.name) {
                Some(FileType::Symlink) => linked(path, &place.name),
                _ => failed(path, &error),
            });
        }
    };
    let stat = rustix::fs::fstat(&opened).map_err(|error| failed(path, &error))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some((File::from(opened), stat))),
        FileType::Directory => {
            let message = format!("`{}` is a folder.", path.spelling);
            Err(ToolError::new("file.kind", message).hint("See what is in it with list_files."))
        }
        _ => Err(ToolError::new("file.kind", format!("`{}` is no plain file.", path.spelling))),
    }
}

/// Reads a whole file of at most `most` bytes; `None` when nothing is there.
pub(super) fn read(place: &Place, path: &FilePath, most: u64) -> Result<Option<Found>, ToolError> {
    let Some((file, _)) = open(place, path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = (&file).take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| ToolError::new("file.failed", format!("`{}`: {error}.", path.spelling)))?;
    if bytes.len() as u64 > most {
        let message = format!("`{}` is over {most} bytes.", path.spelling);
        return Err(ToolError::new("file.too_big", message).hint("Leave it, or ask the owner."));
    }
    // After reading: a change in between shows as another time.
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(path, &error))?;
    let mode = Mode::from_raw_mode(stat.st_mode).as_raw_mode() & 0o7777;
    #[expect(clippy::useless_conversion, reason = "the type differs from system to system")]
    let mode = u32::from(mode);
    let was = Was::File { hash: ContentHash::of(&bytes), mode, id: FileId::of(&stat) };
    Ok(Some(Found { bytes, was, owner: Owner { user: stat.st_uid, group: stat.st_gid } }))
}

/// How a text is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8 {
        bom: bool,
    },
    /// Read only: writing it again would change what was not touched.
    Other(&'static str),
}

/// The text in these bytes; `None` when they are no text.
pub(super) fn text_of(bytes: &[u8]) -> Option<(String, Encoding)> {
    let head = &bytes[..bytes.len().min(LOOKED_AT)];
    for (mark, encoding) in [(&b"\xFF\xFE"[..], UTF_16LE), (&b"\xFE\xFF"[..], UTF_16BE)] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            let (text, broken) = encoding.decode_without_bom_handling(rest);
            return (!broken).then(|| (text.into_owned(), Encoding::Other(encoding.name())));
        }
    }
    if head.contains(&0) {
        return None;
    }
    let (rest, bom) = bytes.strip_prefix(BOM).map_or((bytes, false), |rest| (rest, true));
    if let Ok(text) = std::str::from_utf8(rest) {
        return Some((text.to_owned(), Encoding::Utf8 { bom }));
    }
    let (text, broken) = EUC_KR.decode_without_bom_handling(bytes);
    (!broken).then(|| (text.into_owned(), Encoding::Other(EUC_KR.name())))
}

/// The text of a file that is to be edited.
pub(super) fn editable(path: &FilePath, bytes: &[u8]) -> Result<(String, bool), ToolError> {
    match text_of(bytes) {
        Some((text, Encoding::Utf8 { bom })) => Ok((text, bom)),
        Some((_, Encoding::Other(name))) => {
            let message = format!("`{}` is written in {name}, which is read only.", path.spelling);
            Err(ToolError::new("file.encoding", message)
                .hint("Write the whole text to a new file, which will be UTF-8."))
        }
        None => Err(binary(path)),
    }
}

/// It is no text.
pub(super) fn binary(path: &FilePath) -> ToolError {
    ToolError::new("file.binary", format!("`{}` is no text.", path.spelling))
}

/// Bytes of a UTF-8 text.
pub(super) fn bytes_of(text: &str, bom: bool) -> Vec<u8> {
    let mark = if bom { BOM } else { &[] };
    [mark, text.as_bytes()].concat()
}

/// Whether every line of the text ends as on Windows.
pub(super) fn is_crlf(text: &str) -> bool {
    let ends = text.matches('\n').count();
    ends > 0 && text.matches("\r\n").count() == ends
}

/// The text with lines that end as on Windows.
pub(super) fn to_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_what_is_none() {
        let (euc, ..) = EUC_KR.encode("한국어 보고서");
        for (bytes, text) in [
            (&b"plain"[..], Some(("plain", Encoding::Utf8 { bom: false }))),
            (b"", Some(("", Encoding::Utf8 { bom: false }))),
            (b"\xEF\xBB\xBFmarked", Some(("marked", Encoding::Utf8 { bom: true }))),
            (&euc, Some(("한국어 보고서", Encoding::Other("EUC-KR")))),
            (b"\xFF\xFEh\0i\0", Some(("hi", Encoding::Other("UTF-16LE")))),
            (b"\x7fELF\0\0", None),
            (b"\xFF\xD8\xFF\xE0", None),
        ] {
            let found = text_of(bytes);
            assert_eq!(found.as_ref().map(|(text, encoding)| (text.as_str(), *encoding)), text);
        }
    }

    #[test]
    fn line_ends() {
        assert!(is_crlf("a\r\nb\r\n") && !is_crlf("a\r\nb\n") && !is_crlf("a"));
        assert_eq!(to_crlf("a\nb\r\n"), "a\r\nb\r\n");
    }
}
