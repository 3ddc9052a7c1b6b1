//! What a platform needs in its folder before it starts: certificates, and a configuration file a service.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bursar_proto::access::Identity;
use bursar_service::cert::{Authority, CertError};
use bursar_types::SystemClock;
use serde::Serialize;
use toml::{Table, Value};

use super::layout::write_private;
use super::{Layout, Ports, SERVICES};
use crate::exit::Exit;
use crate::store::provision::Databases;

/// Services with a key of their own for what they store encrypted, and what the key is called in their configuration.
/// In the sandbox each makes its key where there is none.
const KEYS: [(Identity, &str); 4] = [
    (Identity::Vault, "root_file"),
    (Identity::Identity, "master_file"),
    (Identity::Notifications, "master_file"),
    (Identity::Gateway, "master_file"),
];

/// Services that sign: access tokens, card proofs, checkpoints of the journal.
const SIGNERS: [Identity; 3] = [Identity::Identity, Identity::Vault, Identity::Ledger];

/// Whom each service calls.
fn peers(service: Identity) -> &'static [Identity] {
    match service {
        Identity::Gateway => &[Identity::Vault, Identity::Ledger],
        Identity::Ledger => &[Identity::Vault, Identity::Identity],
        Identity::Identity => &[Identity::Notifications],
        Identity::Notifications => {
            &[Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Gateway]
        }
        _ => &[],
    }
}

/// Makes the authority and every certificate under it, or renews those near their end. Called again from time to time
/// while the platform runs: the processes take new files by themselves.
pub(crate) fn certificates(layout: &Layout) -> Result<(), Exit> {
    let make = || -> Result<(), CertError> {
        let authority = Authority::open(&layout.tls(), Arc::new(SystemClock))?;
        for service in SERVICES.into_iter().chain([Identity::Operator, Identity::Backend, Identity::Partner])
        {
            // Clients of others check host names: in containers a service's host is called like it.
            authority.leaf_for(service, &[service.name().to_owned()])?;
        }
        for service in SIGNERS {
            authority.signing(service)?;
        }
        Ok(())
    };
    make().map_err(|error| Exit::usage(error.to_string()))
}

/// Writes the configuration of every service.
pub(super) fn configurations(layout: &Layout, ports: &Ports, databases: &Databases) -> Result<(), Exit> {
    for service in SERVICES {
        let mut file = Table::new();
        set(&mut file, "service", "grpc_listen", ports.grpc(service).to_string());
        set(&mut file, "service", "admin_listen", ports.admin(service).to_string());
        set(&mut file, "service", "sandbox", true);
        let tls = layout.tls();
        set(&mut file, "tls", "ca", path_text(&tls.join("ca.pem"))?);
        set(&mut file, "tls", "cert", path_text(&tls.join(format!("{service}.pem")))?);
        set(&mut file, "tls", "key", path_text(&tls.join(format!("{service}.key")))?);
        set(&mut file, "database", "url", databases.url(service));
        for peer in peers(service) {
            set(&mut file, "peers", peer.name(), ports.address(*peer));
        }
        for (owner, name) in KEYS {
            if owner == service {
                set(&mut file, "keys", name, path_text(&layout.key(service.name()))?);
            }
        }
        if SIGNERS.contains(&service) {
            set(&mut file, "signing", "cert", path_text(&tls.join(format!("{service}-signing.pem")))?);
            set(&mut file, "signing", "key", path_text(&tls.join(format!("{service}-signing.key")))?);
        }
        if service == Identity::Gateway {
            set(&mut file, "iso8583", "listen", ports.listen(ports.iso8583).to_string());
            set(&mut file, "http", "listen", ports.listen(ports.http).to_string());
            set(&mut file, "http", "api_listen", ports.listen(ports.api).to_string());
        }
        let text = toml::to_string(&file).map_err(|error| {
            Exit::software(format!("the configuration of {service} cannot be written: {error}"))
        })?;
        let text = format!("# Written anew at each start of the platform.\n{text}");
        write_private(&layout.config(service), text.as_bytes())?;
    }
    Ok(())
}

fn set(file: &mut Table, section: &str, key: &str, value: impl Into<Value>) {
    let section = file.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.to_owned(), value.into());
    }
}

fn path_text(path: &Path) -> Result<String, Exit> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Exit::usage(format!("{} is not UTF-8: choose another folder with --data", path.display()))
    })
}

/// Keeps `value` as JSON in the platform's folder, for the next run to read.
pub(crate) fn remember<T: Serialize>(path: &Path, value: &T) -> Result<(), Exit> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| Exit::software(error.to_string()))?;
    write_private(path, &text)
}

/// What an earlier run kept with [`remember`]; the default if there is nothing.
pub(crate) fn recall<T: serde::de::DeserializeOwned + Default>(path: &Path) -> Result<T, Exit> {
    match fs::read(path) {
        Err(_) => Ok(T::default()),
        Ok(text) => serde_json::from_slice(&text).map_err(|error| {
            Exit::usage(format!("{} is damaged: {error}; take it away to begin anew", path.display()))
        }),
    }
}
