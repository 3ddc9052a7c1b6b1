//! A partner as it is configured: its profile, its codes, its TLS.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bursar_iso8583::{Profile, profile};
use bursar_service::config::ConfigError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::exchange::{Desk, Exchange};
use super::mac::Mac;
use crate::config::{Iso8583Config, PartnerConfig, PartnerTls, Role};

/// Longest text of a profile in a file, in bytes.
const PROFILE_MAX: u64 = 256 * 1024;

/// How a connection is made.
#[derive(Clone)]
pub(super) enum Way {
    /// The partner calls.
    Listen(Option<TlsAcceptor>),
    /// We call, and ask after so much silence whether it is there.
    Call { tls: Option<(TlsConnector, ServerName<'static>)>, echo: Duration },
}

/// A partner, ready to be served.
#[derive(Clone)]
pub(super) struct Partner {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) way: Way,
    pub(super) exchange: Arc<Exchange>,
}

/// The partner of `[iso8583]` itself, and those under it.
pub(super) fn partners(config: &Iso8583Config, desk: &Arc<Desk>) -> Result<Vec<Partner>, ConfigError> {
    let own = PartnerConfig {
        role: Role::Server,
        address: config.listen.to_string(),
        profile: config.profile.clone(),
        answer_ms_max: None,
        sign_on: false,
        echo_s: 0,
        tls: None,
        mac: None,
    };
    let mut all = vec![partner("iso8583", &own, config, desk)?];
    for (name, partner_config) in &config.partners {
        let at = format!("iso8583.partners.{name}");
        all.push(partner(&at, partner_config, config, desk)?);
    }
    Ok(all)
}

fn partner(
    at: &str,
    partner: &PartnerConfig,
    config: &Iso8583Config,
    desk: &Arc<Desk>,
) -> Result<Partner, ConfigError> {
    let wrong = |key: &str, what: &dyn std::fmt::Display| ConfigError::new(format!("{at}.{key}: {what}"));
    let profile = open_profile(&partner.profile).map_err(|what| wrong("profile", &what))?;
    let mac = match &partner.mac {
        Some(mac) => Some(Mac::open(&mac.key_file, &profile).map_err(|error| wrong("mac", &error))?),
        None => None,
    };
    let way = match (partner.role, &partner.tls) {
        (Role::Server, None) => Way::Listen(None),
        (Role::Server, Some(tls)) => Way::Listen(Some(acceptor(tls).map_err(|what| wrong("tls", &what))?)),
        (Role::Client, tls) => {
            let connector = tls.as_ref().map(|tls| connector(tls, &partner.address)).transpose();
            Way::Call {
                tls: connector.map_err(|what| wrong("tls", &what))?,
                echo: Duration::from_secs(partner.echo_s.max(1)),
            }
        }
    };
    let answer_ms = partner.answer_ms_max.unwrap_or(config.answer_ms_max);
    Ok(Partner {
        name: at.to_owned(),
        address: partner.address.clone(),
        way,
        exchange: Arc::new(Exchange {
            profile,
            mac,
            answer_max: Duration::from_millis(answer_ms),
            sign_on: partner.sign_on,
            stan: AtomicU32::new(0),
            desk: Arc::clone(desk),
        }),
    })
}

/// A profile that is built in, or that stands in a file.
pub(crate) fn open_profile(name: &str) -> Result<Profile, String> {
    if !name.ends_with(".toml") {
        return Profile::builtin(name).map_err(|error| format!("`{name}`: {error}"));
    }
    let path = Path::new(name);
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let beside = |ancestor: &str| {
        // A name, not a path out of the folder.
        let plain = !ancestor.contains(['/', '\\']) && profile::builtin_text(ancestor).is_none();
        plain.then(|| text(&folder.join(format!("{ancestor}.toml"))).ok()).flatten()
    };
    Profile::from_toml(&text(path)?, beside).map_err(|error| format!("{name}: {error}"))
}

fn text(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(told)?.len() > PROFILE_MAX {
        return Err(format!("{} is longer than {PROFILE_MAX} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(told)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let read = CertificateDer::pem_file_iter(path).map_err(|error| told(&error))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| told(&error))?;
    if all.is_empty() { Err(told(&"holds no certificate")) } else { Ok(all) }
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(roots)
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own(tls: &PartnerTls) -> Result<Option<Own>, String> {
    match (&tls.cert, &tls.key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => {
            let read = PrivateKeyDer::from_pem_file(key);
            Ok(Some((certificates(cert)?, read.map_err(|error| format!("{}: {error}", key.display()))?)))
        }
        _ => Err("cert and key go together".into()),
    }
}

fn acceptor(tls: &PartnerTls) -> Result<TlsAcceptor, String> {
    let (chain, key) = own(tls)?.ok_or("a listener needs cert and key")?;
    let builder = match &tls.ca {
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots(ca)?)).build();
            ServerConfig::builder().with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
        }
        None => ServerConfig::builder().with_no_client_auth(),
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| error.to_string())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(tls: &PartnerTls, address: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let ca = tls.ca.as_ref().ok_or("who calls needs ca: the authorities of the partner's certificate")?;
    let builder = ClientConfig::builder().with_root_certificates(roots(ca)?);
    let config = match own(tls)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?,
        None => builder.with_no_client_auth(),
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = tls.name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|_| "name: is no name of a host".to_owned())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
