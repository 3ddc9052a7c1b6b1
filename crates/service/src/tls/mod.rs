//! Mutual TLS 1.3: every connection between processes, the sandbox included.
//!
//! A peer is who its certificate says: exactly one URI name, `spiffe://bursar/<name>`, under the platform's
//! authority. Host names prove nothing here. The files are read again when they change, so that short-lived
//! certificates can be replaced under a running process.

mod spiffe;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use bursar_proto::access::Identity;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{ConfigError, TlsConfig, read_private};

pub use spiffe::{Name, NameError, TRUST_DOMAIN};

/// How often the files are looked at for a change.
pub const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// Largest certificate file, in bytes: a chain is a few kilobytes.
const PEM_BYTES_MAX: usize = 256 * 1024;

/// Longest chain a peer may show: a leaf and a few intermediates.
const CHAIN_MAX: usize = 8;

/// Where the three files lie.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority's certificate (PEM).
    pub ca: PathBuf,
    /// The own certificate (PEM, leaf first).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl TlsFiles {
    /// The files of `name` in a folder of [`crate::cert::Authority`]'s: `ca.pem`, `<name>.pem`, `<name>.key`.
    pub fn in_dir(folder: &Path, name: &str) -> Self {
        let file = |file: String| folder.join(file);
        Self {
            ca: file("ca.pem".into()),
            cert: file(format!("{name}.pem")),
            key: file(format!("{name}.key")),
        }
    }
}

impl From<&TlsConfig> for TlsFiles {
    fn from(config: &TlsConfig) -> Self {
        Self { ca: config.ca.clone(), cert: config.cert.clone(), key: config.key.clone() }
    }
}

/// The certificates of this process as they are now. Clones see the same, also after a reload.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Arc<TlsFiles>,
    material: Arc<RwLock<Arc<Material>>>,
}

/// What was read from the files at one time.
#[derive(Debug)]
struct Material {
    name: Name,
    roots: Arc<RootCertStore>,
    authority: Vec<CertificateDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    server: Arc<ServerConfig>,
    stamp: Vec<Option<SystemTime>>,
}

impl Tls {
    /// Reads the files and checks that they belong together.
    ///
    /// # Errors
    /// [`ConfigError`] that names the file: unreadable, not PEM, a key open to others, a key of another
    /// certificate, a certificate without exactly one name of this platform.
    pub fn load(files: TlsFiles) -> Result<Self, ConfigError> {
        let material = Material::read(&files)?;
        Ok(Self { files: Arc::new(files), material: Arc::new(RwLock::new(Arc::new(material))) })
    }

    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.material.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The name in the own certificate.
    pub fn name(&self) -> Name {
        self.material().name
    }

    /// The files this was read from.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// The configuration for the next connection accepted.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.material().server)
    }

    /// The configuration for the next connection made, to `expected` and nobody else.
    ///
    /// # Errors
    /// [`ConfigError`] if the key does not fit the certificate (checked at the load already).
    pub(crate) fn client(&self, expected: Identity) -> Result<ClientConfig, ConfigError> {
        self.material().client(expected)
    }

    /// The authority's certificates, for whoever checks signatures under it.
    pub(crate) fn authority(&self) -> Vec<CertificateDer<'static>> {
        self.material().authority.clone()
    }

    /// Reads the files again if one of them changed. Bad files are left alone: what was read before stays.
    ///
    /// # Errors
    /// [`ConfigError`] if they changed and cannot be used.
    pub fn reload_if_changed(&self) -> Result<bool, ConfigError> {
        if stamp(&self.files) == self.material().stamp {
            return Ok(false);
        }
        let fresh = Arc::new(Material::read(&self.files)?);
        *self.material.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(true)
    }

    /// Looks at the files again and again; for the supervisor.
    pub(crate) async fn watch(self, shutdown: tokio_util::sync::CancellationToken) {
        let mut complained = None;
        while tokio::time::timeout(RELOAD_EVERY, shutdown.cancelled()).await.is_err() {
            match self.reload_if_changed() {
                Ok(true) => {
                    complained = None;
                    tracing::info!(name = %self.name(), "certificates read again");
                }
                Ok(false) => {}
                // Files are replaced one after another: a moment of mismatch is normal, so say it once.
                Err(error) if complained.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the changed certificates cannot be used; the old ones stay");
                    complained = Some(error);
                }
            }
        }
    }
}

fn stamp(files: &TlsFiles) -> Vec<Option<SystemTime>> {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    vec![modified(&files.ca), modified(&files.cert), modified(&files.key)]
}

impl Material {
    fn read(files: &TlsFiles) -> Result<Self, ConfigError> {
        let stamp = stamp(files);
        let authority = certificates(&files.ca)?;
        let chain = certificates(&files.cert)?;
        let key = private_key(&files.key)?;
        let cert = files.cert.display();
        let name =
            Name::of_certificate(&chain[0]).map_err(|error| ConfigError::new(format!("{cert}: {error}")))?;

        let mut roots = RootCertStore::empty();
        for certificate in &authority {
            roots
                .add(certificate.clone())
                .map_err(|error| ConfigError::new(format!("{}: {error}", files.ca.display())))?;
        }
        let roots = Arc::new(roots);
        let unfit = |error: rustls::Error| {
            ConfigError::new(format!("{cert} and {} do not belong together: {error}", files.key.display()))
        };
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(Arc::new(verify::Callers::new(Arc::clone(&roots), provider())))
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unfit)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session would outlive a replaced authority: each connection proves itself whole.
        server.send_tls13_tickets = 0;
        Ok(Self { name, roots, authority, chain, key, server: Arc::new(server), stamp })
    }

    fn client(&self, expected: Identity) -> Result<ClientConfig, ConfigError> {
        let unfit = |error: rustls::Error| ConfigError::new(error.to_string());
        let verifier = verify::Expected::new(Arc::clone(&self.roots), provider(), expected);
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unfit)?
            .dangerous() // rustls' word for a verifier of one's own: ours checks the chain and the SPIFFE name
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(unfit)?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        Ok(client)
    }
}

/// The one cryptographic library for TLS in this platform.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// Makes ring the choice of every library in the process that asks rustls for one (sqlx, the OTLP exporter). Services
/// do it when they start; tools do it first of all.
pub fn install_provider() {
    // An error only says that a choice was made before: by us, for nobody else does.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The certificates in a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let shown = path.display();
    let pem =
        std::fs::read(path).map_err(|error| ConfigError::new(format!("cannot read {shown}: {error}")))?;
    if pem.len() > PEM_BYTES_MAX {
        return Err(ConfigError::new(format!("{shown} is too large for a certificate file")));
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError::new(format!("{shown} is not PEM: {error}")))?;
    if chain.is_empty() || chain.len() > CHAIN_MAX {
        return Err(ConfigError::new(format!("{shown} must hold 1 to {CHAIN_MAX} certificates in PEM")));
    }
    Ok(chain)
}

/// The private key in a PEM file that only its owner can read.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let pem = read_private(path).map_err(ConfigError::new)?;
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| ConfigError::new(format!("{} holds no private key in PEM: {error}", path.display())))
}
