//! The tools that the owner accepted, pinned by hash in a file of the home folder (`mcp.lock.json`).

use super::error::McpError;
use nunchi_core::ContentHash;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A tool as its server declares it, and as it was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PinnedTool {
    /// Its name on the server.
    pub name: String,
    /// What it says of itself, in visible characters.
    pub description: String,
    /// JSON Schema of its arguments, its texts cut to what people can see.
    pub parameters: Value,
    /// Whether it says that it changes nothing.
    #[serde(default)]
    pub read_only: bool,
    /// Whether it says that it may destroy something; servers that say nothing mean yes.
    #[serde(default = "yes")]
    pub destructive: bool,
    /// Hash of the whole declaration as it came, invisible characters and all.
    pub hash: ContentHash,
}

fn yes() -> bool {
    true
}

/// The accepted tools of one server, by name.
pub(crate) type Pins = BTreeMap<String, PinnedTool>;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(default)]
    servers: BTreeMap<String, Pins>,
}

/// When the file was written, and its length: what shows that somebody else has written it.
type Mark = Option<(SystemTime, u64)>;

#[derive(Clone, Default)]
struct Held {
    servers: Arc<BTreeMap<String, Pins>>,
    mark: Mark,
}

/// The file, and what it holds. What another process accepts is noticed at the next look.
pub(crate) struct PinFile {
    path: PathBuf,
    held: RwLock<Held>,
}

impl PinFile {
    /// Reads the file; one that is not there holds nothing.
    pub(crate) fn open(path: &Path) -> Result<Self, McpError> {
        let held = read(path).map_err(|error| McpError::Store(format!("{}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), held: RwLock::new(held) })
    }

    /// All that was accepted.
    pub(crate) fn all(&self) -> Arc<BTreeMap<String, Pins>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if mark(&self.path) == held.mark {
            return held.servers;
        }
        match read(&self.path) {
            Ok(anew) => {
                let servers = Arc::clone(&anew.servers);
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = anew;
                servers
            }
            Err(error) => {
                tracing::warn!(error = %error, "the accepted MCP tools cannot be read anew");
                held.servers
            }
        }
    }

    /// What was accepted of a server.
    pub(crate) fn of(&self, server: &str) -> Pins {
        self.all().get(server).cloned().unwrap_or_default()
    }

    /// Accepts these tools of a server, and no others; `None` forgets the server.
    pub(crate) fn put(&self, server: &str, pins: Option<Pins>) -> Result<(), McpError> {
        let mut servers = (*self.all()).clone();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match pins {
            Some(pins) => servers.insert(server.to_owned(), pins),
            None => servers.remove(server),
        };
        let document = Document { version: 1, servers };
        self.write(&document).map_err(|error| McpError::Store(error.to_string()))?;
        *held = Held { servers: Arc::new(document.servers), mark: mark(&self.path) };
        Ok(())
    }

    /// Whole or not at all.
    fn write(&self, document: &Document) -> std::io::Result<()> {
        let draft = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(document)?)?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.path)
    }
}

fn mark(path: &Path) -> Mark {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn read(path: &Path) -> std::io::Result<Held> {
    let mark = mark(path);
    if mark.is_some_and(|(_, length)| length > MAX_FILE) {
        return Err(std::io::Error::other("it is too large"));
    }
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Held::default()),
        other => other?,
    };
    let document: Document = serde_json::from_str(&text)?;
    Ok(Held { servers: Arc::new(document.servers), mark })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kept_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.lock.json");
        let tool = PinnedTool {
            name: "a".into(),
            description: "d".into(),
            parameters: json!({"type": "object"}),
            read_only: true,
            destructive: false,
            hash: ContentHash::of("a"),
        };
        let pins = Pins::from([("a".to_owned(), tool)]);
        let file = PinFile::open(&path).unwrap();
        assert!(file.of("s").is_empty());
        let other = PinFile::open(&path).unwrap();
        file.put("s", Some(pins.clone())).unwrap();
        assert_eq!(other.of("s"), pins, "another process accepted it");
        assert_eq!(PinFile::open(&path).unwrap().of("s"), pins);
        file.put("s", None).unwrap();
        assert!(PinFile::open(&path).unwrap().all().is_empty());
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(PinFile::open(&path), Err(McpError::Store(_))));
    }
}
