//! Virtual keys: made, recognised by the hash of their secret, revoked, rotated.

use jiff::Timestamp;
use nunchi_core::{
    AccessRole, Clock, Explain, Ids, KeyId, KeyLimits, KeyStore, Lang, Principal, StorageError, UserId,
    VirtualKey,
};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// Letters of a secret after `nk-`: 43 of 64 kinds, 258 bits.
const SECRET_LETTERS: usize = 43;
/// Letters shown to recognise a key by.
const PREFIX_LETTERS: usize = 10;

/// A key's secret. It cannot print itself; [`Secret::reveal`] is the one way out.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn generate() -> Result<Self, KeyError> {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut noise = Zeroizing::new([0_u8; SECRET_LETTERS]);
        getrandom::fill(&mut *noise).map_err(|_| KeyError::NoRandomness)?;
        let letters = noise.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)]));
        Ok(Self(Zeroizing::new("nk-".chars().chain(letters).collect())))
    }
}

/// Why a key is not accepted, or was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key was sent.
    #[error("no API key was sent")]
    Missing,
    /// No such key.
    #[error("the API key is not known")]
    Unknown,
    /// It was revoked.
    #[error("the API key was revoked")]
    Revoked,
    /// It has expired.
    #[error("the API key has expired")]
    Expired,
    /// The machine gives no random bytes.
    #[error("the machine gives no random bytes")]
    NoRandomness,
    /// Keys cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Explain for KeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "key.missing",
            Self::Unknown => "key.unknown",
            Self::Revoked => "key.revoked",
            Self::Expired => "key.expired",
            Self::NoRandomness => "key.no_randomness",
            Self::Storage(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Storage(error), _) => error.message(lang),
            (_, Lang::En) => self.to_string(),
            (Self::Missing, Lang::Ko) => "API 키가 없습니다".into(),
            (Self::Unknown, Lang::Ko) => "알 수 없는 API 키입니다".into(),
            (Self::Revoked, Lang::Ko) => "폐기된 API 키입니다".into(),
            (Self::Expired, Lang::Ko) => "만료된 API 키입니다".into(),
            (Self::NoRandomness, Lang::Ko) => "이 기기에서 난수를 얻을 수 없습니다".into(),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Missing => (
                "Send `Authorization: Bearer nk-…` or `x-api-key: nk-…`.",
                "`Authorization: Bearer nk-…` 또는 `x-api-key: nk-…`를 보내세요.",
            ),
            Self::Unknown | Self::Revoked | Self::Expired => (
                "`nunchi keys create NAME` makes a new key; `nunchi keys list` shows the present ones.",
                "`nunchi keys create NAME`으로 새 키를 만들고 `nunchi keys list`로 확인하세요.",
            ),
            Self::NoRandomness => return None,
            Self::Storage(error) => return error.hint(lang),
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

/// A key to be made.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// A name for people.
    pub name: String,
    /// Whose it is.
    pub user: Option<UserId>,
    /// What its holder may do.
    pub role: AccessRole,
    /// Models it may call, as patterns with `*`; empty means all.
    pub allowed_models: Vec<String>,
    /// Its limits.
    pub limits: KeyLimits,
    /// When it stops working.
    pub expires: Option<Timestamp>,
}

#[derive(Clone)]
struct Known {
    principal: Arc<Principal>,
    expires: Option<Timestamp>,
    revoked: bool,
}

/// All keys, in memory by the hash of their secret.
pub struct KeyRing {
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    known: RwLock<HashMap<[u8; 32], Known>>,
}

impl KeyRing {
    pub(crate) fn new(store: Arc<dyn KeyStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, clock, ids, known: RwLock::new(HashMap::new()) }
    }

    /// Reads all keys from the store; to be called once at the start, and after the store was changed by others.
    pub async fn load(&self) -> Result<(), KeyError> {
        let known = self
            .store
            .keys()
            .await?
            .iter()
            .filter_map(|key| Some((digest_of(key)?, Known::of(key))))
            .collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// Whose secret this is.
    pub fn authenticate(&self, secret: &str) -> Result<Arc<Principal>, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Missing);
        }
        let digest: [u8; 32] = Sha256::digest(secret).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.get(&digest).ok_or(KeyError::Unknown)?;
        if key.revoked {
            return Err(KeyError::Revoked);
        }
        if key.expires.is_some_and(|expires| self.clock.now() >= expires) {
            return Err(KeyError::Expired);
        }
        Ok(Arc::clone(&key.principal))
    }

    /// Why a key that was accepted before is accepted no more, if so.
    pub(crate) fn trouble(&self, id: KeyId) -> Option<KeyError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = known.values().find(|key| key.principal.key == Some(id)) else {
            // Keys that are not on the ring (a front of its own recognised them) are not ours to judge.
            return None;
        };
        if key.revoked {
            return Some(KeyError::Revoked);
        }
        key.expires.filter(|expires| self.clock.now() >= *expires).map(|_| KeyError::Expired)
    }

    /// Makes a key; the secret is known only now.
    pub async fn create(&self, new: NewKey) -> Result<(VirtualKey, Secret), KeyError> {
        let secret = Secret::generate()?;
        let key = VirtualKey {
            id: KeyId(self.ids.new_id()),
            name: new.name,
            secret_hash: hash_of(&secret),
            prefix: prefix_of(&secret),
            user: new.user,
            role: new.role,
            allowed_models: new.allowed_models,
            limits: new.limits,
            created: self.clock.now(),
            expires: new.expires,
            revoked: None,
            last_used: None,
        };
        self.save(key.clone(), None).await?;
        Ok((key, secret))
    }

    /// All keys, the oldest first.
    pub async fn list(&self) -> Result<Vec<VirtualKey>, KeyError> {
        Ok(self.store.keys().await?)
    }

    /// Ends a key for good; calls under way go on.
    pub async fn revoke(&self, id: KeyId) -> Result<VirtualKey, KeyError> {
        let mut key = self.find(id).await?;
        key.revoked.get_or_insert(self.clock.now());
        self.save(key.clone(), None).await?;
        Ok(key)
    }

    /// Gives a key a new secret; the old one stops working at once.
    pub async fn rotate(&self, id: KeyId) -> Result<(VirtualKey, Secret), KeyError> {
        let mut key = self.find(id).await?;
        if key.revoked.is_some() {
            return Err(KeyError::Revoked);
        }
        let secret = Secret::generate()?;
        let old = digest_of(&key);
        key.secret_hash = hash_of(&secret);
        key.prefix = prefix_of(&secret);
        self.save(key.clone(), old).await?;
        Ok((key, secret))
    }

    async fn find(&self, id: KeyId) -> Result<VirtualKey, KeyError> {
        let keys = self.store.keys().await?;
        keys.into_iter()
            .find(|key| key.id == id)
            .ok_or_else(|| StorageError::NotFound(format!("key {id}")).into())
    }

    /// Stores a key durably first, then lets it work.
    async fn save(&self, key: VirtualKey, replaced: Option<[u8; 32]>) -> Result<(), KeyError> {
        self.store.put_key(key.clone()).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = replaced {
            known.remove(&old);
        }
        if let Some(digest) = digest_of(&key) {
            known.insert(digest, Known::of(&key));
        }
        Ok(())
    }
}

impl Known {
    fn of(key: &VirtualKey) -> Self {
        let principal = Principal {
            name: Arc::from(key.name.as_str()),
            key: Some(key.id),
            user: key.user,
            role: key.role,
            allowed_models: key.allowed_models.clone().into(),
            limits: key.limits,
        };
        Self { principal: Arc::new(principal), expires: key.expires, revoked: key.revoked.is_some() }
    }
}

fn hash_of(secret: &Secret) -> String {
    Sha256::digest(secret.reveal()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn prefix_of(secret: &Secret) -> String {
    secret.reveal().chars().take(PREFIX_LETTERS).collect()
}

fn digest_of(key: &VirtualKey) -> Option<[u8; 32]> {
    key.secret_hash.parse::<nunchi_core::CacheKey>().ok().map(|digest| digest.0)
}
