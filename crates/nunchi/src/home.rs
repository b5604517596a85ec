//! The home folder: where it is, who owns it, how a running server is found.

use crate::failure::Failure;
use crate::tls::pinned_client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The home folder.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

/// Where a running server is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerNote {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// Its certificate (DER, base64), if it speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl ServerNote {
    /// `http://` or `https://` with the address.
    pub(crate) fn base(&self) -> String {
        format!("{}://{}", if self.certificate.is_some() { "https" } else { "http" }, self.address)
    }

    /// What a client must use to trust the server; `None` when it speaks without TLS.
    pub(crate) fn tls(&self) -> Result<Option<rustls::ClientConfig>, Failure> {
        let decoded = self.certificate.as_ref().map(|text| BASE64.decode(text)).transpose();
        let certificate = decoded.map_err(|error| Failure::system("server.json", error))?;
        certificate.map(pinned_client).transpose()
    }
}

impl Home {
    /// The folder named, or `~/.nunchi`; made if it is missing, for its owner only.
    pub(crate) fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let folder = match named {
            Some(folder) => folder.to_owned(),
            None => std::env::home_dir()
                .ok_or_else(|| {
                    Failure::plain(
                        "home.unknown",
                        "this user has no home folder",
                        "이 사용자의 홈 폴더를 알 수 없습니다",
                    )
                    .with_hint("Name a folder with --home.", "--home으로 폴더를 지정하세요.")
                })?
                .join(".nunchi"),
        };
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::system(&folder.display().to_string(), error))?;
        owner_only(&folder, 0o700);
        Ok(Self(folder))
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The administration's own key, which only this machine's owner can read.
    pub(crate) fn admin_key(&self) -> Option<Zeroizing<String>> {
        let text = std::fs::read_to_string(self.file("admin.key")).ok()?;
        Some(Zeroizing::new(text.trim().to_owned())).filter(|key| !key.is_empty())
    }

    /// Keeps the administration's key.
    pub(crate) fn keep_admin_key(&self, key: &str) -> Result<(), Failure> {
        self.write_secret("admin.key", key)
    }

    /// The running server's note, if one was left.
    pub(crate) fn server(&self) -> Option<ServerNote> {
        serde_json::from_str(&std::fs::read_to_string(self.file("server.json")).ok()?).ok()
    }

    /// Leaves a note where the server is.
    pub(crate) fn note_server(&self, address: SocketAddr, certificate: Option<&[u8]>) -> Result<(), Failure> {
        let certificate = certificate.map(|der| BASE64.encode(der));
        let note = ServerNote { address, pid: std::process::id(), certificate };
        let text = serde_json::to_string(&note).map_err(|error| Failure::system("server.json", error))?;
        self.write_secret("server.json", &text)
    }

    /// Takes the note away.
    pub(crate) fn forget_server(&self) {
        // A note left behind is harmless: it is believed only while the folder is locked.
        let _left_behind = std::fs::remove_file(self.file("server.json"));
    }

    /// The key that encrypts the cache; made when there is none.
    pub(crate) fn cache_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        let path = self.file("cache.key");
        if let Ok(bytes) = std::fs::read(&path).map(Zeroizing::new)
            && let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice())
        {
            return Ok(Zeroizing::new(key));
        }
        let mut key = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *key).map_err(|error| Failure::system("random bytes", error))?;
        std::fs::write(&path, *key).map_err(|error| Failure::system("cache.key", error))?;
        owner_only(&path, 0o600);
        Ok(key)
    }

    /// Writes a file that only its owner can read, whole or not at all.
    fn write_secret(&self, name: &str, text: &str) -> Result<(), Failure> {
        let (path, draft) = (self.file(name), self.file(&format!("{name}.new")));
        let write = || {
            let mut file = std::fs::File::create(&draft)?;
            owner_only(&draft, 0o600);
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(|error: std::io::Error| Failure::system(name, error))
    }
}

/// Takes away what others may do with a path; where the system has no such thing, nothing is lost.
fn owner_only(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _unsupported = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _unused = (path, mode);
}
