//! Making tokens.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use bursar_proto::access::Identity;
use bursar_transparency::{Hash, empty_root, node_hash};
use bursar_types::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;

use super::{TOKEN_BYTES_MAX, TokenError, jws};
use crate::config::ConfigError;
use crate::tls::{Name, certificates, private_key};

/// For whom, from when and for how long.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// Who is meant to take the token.
    pub audience: &'a str,
    /// When it was issued; it is valid from then on.
    pub issued_at: Timestamp,
    /// How long it is valid. Whole seconds.
    pub lifetime: Duration,
}

/// How often the certificate is looked at for a change, at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A signing key with its certificate; takes up a renewed certificate by itself. Clones share all of it.
#[derive(Clone)]
pub struct TokenSigner {
    signer: Identity,
    files: Arc<(PathBuf, PathBuf)>,
    pair: Arc<RwLock<Arc<Pair>>>,
}

/// What was read from the files at one time.
struct Pair {
    signer: Identity,
    key: Ed25519KeyPair,
    header: String,
    tree_header: String,
    changed: Option<SystemTime>,
    looked: Mutex<Instant>,
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSigner").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl Pair {
    fn read(cert: &Path, key: &Path) -> Result<Self, ConfigError> {
        let bad = |text: &str| ConfigError::new(format!("{}: {text}", cert.display()));
        let changed = changed(cert);
        let chain = certificates(cert)?;
        let signer = match Name::of_certificate(&chain[0]) {
            Ok(Name::Signer(signer)) => signer,
            Ok(Name::Peer(_)) => {
                return Err(bad("the certificate is not for signing (spiffe://bursar/<service>/signing)"));
            }
            Err(error) => return Err(bad(&error.to_string())),
        };
        let secret = private_key(key)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(secret.secret_der())
            .map_err(|_| ConfigError::new(format!("{} is not an Ed25519 key in PKCS #8", key.display())))?;
        if jws::public_key_of(&chain[0]).as_deref() != Some(pair.public_key().as_ref()) {
            return Err(bad(&format!("the key in {} is another certificate's", key.display())));
        }
        let looked = Mutex::new(Instant::now());
        let (header, tree_header) = (jws::header(&chain[0]), jws::tree_header(&chain[0]));
        Ok(Self { signer, key: pair, header, tree_header, changed, looked })
    }

    /// Whether the file should be looked at now; says yes once in a while only.
    fn due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.elapsed() >= LOOK_EVERY;
        if due {
            *looked = Instant::now();
        }
        due
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

impl TokenSigner {
    /// Reads a signing certificate and its Ed25519 key from PEM files.
    ///
    /// # Errors
    /// [`ConfigError`] that names the file: unreadable, not for signing, or of another key.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, ConfigError> {
        let pair = Pair::read(cert, key)?;
        let files = Arc::new((cert.to_owned(), key.to_owned()));
        Ok(Self { signer: pair.signer, files, pair: Arc::new(RwLock::new(Arc::new(pair))) })
    }

    /// Whose certificate this is.
    pub fn signer(&self) -> Identity {
        self.signer
    }

    /// Reads the files again if the certificate changed. What cannot be used is left alone.
    ///
    /// # Errors
    /// [`ConfigError`] if it changed and cannot be used.
    pub fn reload_if_changed(&self) -> Result<bool, ConfigError> {
        let (cert, key) = &*self.files;
        if changed(cert) == self.pair().changed {
            return Ok(false);
        }
        let fresh = Pair::read(cert, key)?;
        if fresh.signer != self.signer {
            return Err(ConfigError::new(format!(
                "{}: the certificate is another service's now",
                cert.display()
            )));
        }
        *self.pair.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(true)
    }

    fn pair(&self) -> Arc<Pair> {
        Arc::clone(&self.pair.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The pair to sign with now.
    fn current(&self) -> Arc<Pair> {
        if self.pair().due()
            && let Err(error) = self.reload_if_changed()
        {
            tracing::warn!(%error, "the changed signing certificate cannot be used; the old one stays");
        }
        self.pair()
    }

    /// Signs `claims`, which must serialize as an object without the members `aud`, `exp`, `iat` and `nbf`.
    ///
    /// # Errors
    /// [`TokenError::Unsignable`] if they do not, or make the token too large.
    pub fn sign<C: Serialize>(&self, grant: &Grant<'_>, claims: &C) -> Result<String, TokenError> {
        let payload = payload(grant, claims)?;
        let pair = self.current();
        let mut token = format!("{}.{}", pair.header, jws::encode(payload.as_bytes()));
        let signature = pair.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&jws::encode(signature.as_ref()));
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Unsignable("too large"));
        }
        Ok(token)
    }

    /// Signs a token for each of `claims`, with one signature over all: it is over the root of a tree (RFC 6962) whose
    /// leaves they are, and each token carries its way to the root. A token is as good alone as one of [`sign`]: it
    /// says nothing about the others but their number. A single one is signed as [`sign`] does.
    ///
    /// [`sign`]: Self::sign
    ///
    /// # Errors
    /// As [`sign`](Self::sign), for whichever of them; also for more than 65 536.
    pub fn sign_all<C: Serialize>(&self, grant: &Grant<'_>, claims: &[C]) -> Result<Vec<String>, TokenError> {
        if let [claims] = claims {
            return Ok(vec![self.sign(grant, claims)?]);
        }
        let size = u32::try_from(claims.len()).ok().filter(|size| *size <= TREE_SIZE_MAX);
        let size = size.ok_or(TokenError::Unsignable("too many"))?;
        let pair = self.current();
        let mut tokens = Vec::with_capacity(claims.len());
        for claims in claims {
            tokens.push(format!("{}.{}", pair.tree_header, jws::encode(payload(grant, claims)?.as_bytes())));
        }
        let tree = tokens.iter().map(|token| jws::tree_leaf(token.as_bytes())).collect();
        let tree = Levels::over(tree);
        let root = tree.root();
        let signature = jws::encode(pair.key.sign(&jws::tree_message(size, &root)).as_ref());
        for (index, token) in (0_u32..).zip(&mut tokens) {
            token.push('.');
            token.push_str(&signature);
            token.push('.');
            token.push_str(&jws::tree_place(index, size, &root, &tree.path(index)));
            if token.len() > TOKEN_BYTES_MAX {
                return Err(TokenError::Unsignable("too large"));
            }
        }
        Ok(tokens)
    }
}

/// Most tokens of one signature.
const TREE_SIZE_MAX: u32 = 65_536;

/// All nodes of a tree, level by level; a node without a sibling stands on the next level as it is, which gives the
/// trees of RFC 6962.
struct Levels(Vec<Vec<Hash>>);

impl Levels {
    fn over(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let above = last.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [alone] => *alone,
                _ => unreachable!("chunks of two hold one or two"),
            });
            levels.push(above.collect());
        }
        Self(levels)
    }

    fn root(&self) -> Hash {
        let top = self.0.last().and_then(|level| level.first());
        top.copied().unwrap_or_else(empty_root)
    }

    /// The siblings on the way from leaf `index` to the root.
    fn path(&self, index: u32) -> Vec<Hash> {
        let mut at = index as usize;
        let mut path = Vec::with_capacity(self.0.len());
        for level in &self.0 {
            path.extend(level.get(at ^ 1).filter(|_| level.len() > 1));
            at >>= 1;
        }
        path
    }
}

/// The payload of a token.
fn payload<C: Serialize>(grant: &Grant<'_>, claims: &C) -> Result<String, TokenError> {
    let serde_json::Value::Object(mut object) =
        serde_json::to_value(claims).map_err(|_| TokenError::Unsignable("not representable"))?
    else {
        return Err(TokenError::Unsignable("not an object"));
    };
    let issued = grant.issued_at.as_seconds();
    let lifetime = i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX);
    let own = [
        ("aud", serde_json::Value::from(grant.audience)),
        ("iat", issued.into()),
        ("nbf", issued.into()),
        ("exp", issued.saturating_add(lifetime).into()),
    ];
    for (name, value) in own {
        if object.insert(name.to_owned(), value).is_some() {
            return Err(TokenError::Unsignable("a member is the envelope's"));
        }
    }
    Ok(serde_json::Value::Object(object).to_string())
}
