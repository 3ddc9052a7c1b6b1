//! A certificate authority in a folder, for one machine: what `bursar up` and the tests use. A deployment brings
//! certificates of its own (cert-manager, SPIRE, a company's authority) in the same three files.
//!
//! The folder holds `ca.pem` and `ca.key`, and for each name `<name>.pem` with `<name>.key`; keys are 0600.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::{Clock, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::config::read_private;
use crate::tls::{Name, TlsFiles, certificates};

/// How long the authority's own certificate lives.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long a leaf lives.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// A leaf with less left is replaced.
pub const RENEW_BEFORE: Duration = Duration::from_secs(2 * 86_400);
/// How long before its making a certificate is valid, for peers whose clock is behind.
const BACKDATE: Duration = Duration::from_secs(300);

/// Why certificates could not be made: one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file cannot be read or written.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The library refused.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

fn file_error(path: &Path, problem: impl std::fmt::Display) -> CertError {
    CertError::File { path: path.display().to_string(), problem: format!("{problem}") }
}

/// The certificate and key of a signer.
#[derive(Clone, Debug)]
pub struct SigningFiles {
    /// The certificate (PEM).
    pub cert: PathBuf,
    /// The Ed25519 key (PEM, PKCS #8).
    pub key: PathBuf,
}

/// A certificate authority in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// Whether the key was made just now: then what lies in the folder is another authority's.
    fresh: bool,
    clock: std::sync::Arc<dyn Clock>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority in `folder`, or makes one there. `clock` is the machine's.
    ///
    /// # Errors
    /// [`CertError`] if files cannot be read or written, or a key lies open to others.
    pub fn open(folder: &Path, clock: std::sync::Arc<dyn Clock>) -> Result<Self, CertError> {
        std::fs::create_dir_all(folder).map_err(|error| file_error(folder, error))?;
        let (cert_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        let fresh = !key_path.exists();
        let key = key_at(&key_path, &PKCS_ECDSA_P256_SHA256)?;
        let params = authority_params(clock.now());
        if fresh || remaining(&cert_path, clock.now()).is_none_or(|left| left < RENEW_BEFORE) {
            let certificate = params.self_signed(&key)?;
            write_atomically(&cert_path, certificate.pem().as_bytes(), 0o644)?;
        }
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), fresh, clock })
    }

    /// The authority's certificate (PEM).
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The connection certificate of `identity`: `spiffe://bursar/<name>`, with the loopback addresses and
    /// `localhost` beside it for clients that check host names. Made, or replaced when near its end.
    ///
    /// # Errors
    /// [`CertError`] if files cannot be read or written.
    pub fn leaf(&self, identity: Identity) -> Result<TlsFiles, CertError> {
        self.leaf_for(identity, &[])
    }

    /// As [`Authority::leaf`], with further host names and addresses.
    ///
    /// # Errors
    /// As [`Authority::leaf`], and if a host is neither a name nor an address.
    pub fn leaf_for(&self, identity: Identity, hosts: &[String]) -> Result<TlsFiles, CertError> {
        let mut alternative = vec![
            SanType::URI(Name::Peer(identity).to_string().as_str().try_into()?),
            SanType::DnsName("localhost".try_into()?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for host in hosts {
            alternative.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into()?),
            });
        }
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let (cert, key) =
            self.keep(identity.name(), &PKCS_ECDSA_P256_SHA256, identity.name(), alternative, usages)?;
        Ok(TlsFiles { ca: self.ca(), cert, key })
    }

    /// The signing certificate of `identity`: `spiffe://bursar/<name>/signing`, Ed25519. Made, or replaced when near
    /// its end: what a service signs must not live longer than [`RENEW_BEFORE`].
    ///
    /// # Errors
    /// [`CertError`] if files cannot be read or written.
    pub fn signing(&self, identity: Identity) -> Result<SigningFiles, CertError> {
        let alternative = vec![SanType::URI(Name::Signer(identity).to_string().as_str().try_into()?)];
        // id-kp-documentSigning, RFC 9336: fit for no connection.
        let usages = vec![ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 36])];
        let stem = format!("{identity}-signing");
        let (cert, key) = self.keep(&stem, &PKCS_ED25519, &stem, alternative, usages)?;
        Ok(SigningFiles { cert, key })
    }

    /// The pair of files at `stem`, made anew if it is missing or near its end.
    fn keep(
        &self,
        stem: &str,
        algorithm: &'static rcgen::SignatureAlgorithm,
        common_name: &str,
        alternative: Vec<SanType>,
        usages: Vec<ExtendedKeyUsagePurpose>,
    ) -> Result<(PathBuf, PathBuf), CertError> {
        let (cert, key) = (self.folder.join(format!("{stem}.pem")), self.folder.join(format!("{stem}.key")));
        let now = self.clock.now();
        if !self.fresh && key.exists() && remaining(&cert, now).is_some_and(|left| left >= RENEW_BEFORE) {
            return Ok((cert, key));
        }
        // The key is kept through renewals, so that the pair fits at every moment in between.
        let pair = key_at(&key, algorithm)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = alternative;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        valid_for(&mut params, now, LEAF_LIFETIME);
        let certificate = params.signed_by(&pair, &self.issuer)?;
        write_atomically(&cert, certificate.pem().as_bytes(), 0o644)?;
        Ok((cert, key))
    }
}

fn authority_params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Bursar local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, now, AUTHORITY_LIFETIME);
    params
}

fn valid_for(params: &mut CertificateParams, now: Timestamp, lifetime: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |moment: Timestamp| Duration::from_secs(u64::try_from(moment.as_seconds()).unwrap_or(0));
    params.not_before = epoch + seconds(now.minus(BACKDATE));
    params.not_after = epoch + seconds(now.plus(lifetime));
}

/// How long the certificate in a file is still valid; `None` if there is none that can be read.
fn remaining(path: &Path, now: Timestamp) -> Option<Duration> {
    let chain = certificates(path).ok()?;
    let (_, certificate) = X509Certificate::from_der(&chain[0]).ok()?;
    let end = certificate.validity().not_after.timestamp();
    Some(Duration::from_secs(u64::try_from(end.saturating_sub(now.as_seconds())).unwrap_or(0)))
}

/// The key in a file that only its owner can read, made there if there is none.
fn key_at(path: &Path, algorithm: &'static rcgen::SignatureAlgorithm) -> Result<KeyPair, CertError> {
    if path.exists() {
        let pem = read_private(path).map_err(|problem| file_error(path, problem))?;
        return KeyPair::from_pem(&pem).map_err(|error| file_error(path, error));
    }
    let key = KeyPair::generate_for(algorithm)?;
    write_atomically(path, Zeroizing::new(key.serialize_pem()).as_bytes(), 0o600)?;
    Ok(key)
}

/// Writes a file so that a reader sees the old or the new one whole, and nobody else ever sees a key.
fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertError> {
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| file_error(path, error))
}
