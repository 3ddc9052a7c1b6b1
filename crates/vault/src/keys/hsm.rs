//! The root key in a hardware security module, through PKCS #11: it is made there, wraps and unwraps there, and never
//! leaves.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::KeyError;
use super::file::read_private;
use crate::crypto::secret::{SecretBytes, random};
use crate::crypto::wrap::{OVERHEAD, UnwrapError};

/// What the root key is called in the module.
const LABEL: &[u8] = b"bursar-vault-root";
/// Bytes of a root key.
const ROOT_BYTES: u64 = 32;
/// Longest PIN.
const PIN_MAX: usize = 256;

/// A token of a module, logged in to.
pub(crate) struct Token {
    // A module serves one call of a session at a time. Closed before the library goes.
    session: Mutex<Session>,
    _library: Pkcs11,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// A root key in a token.
#[derive(Clone, Debug)]
pub(crate) struct HsmRoot {
    token: Arc<Token>,
    key: ObjectHandle,
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(error: cryptoki::error::Error) -> KeyError {
    KeyError::Hsm(error.to_string())
}

/// A key of ours that is in the module for as long as it takes to wrap or read it.
fn passing() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Token(false),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

impl Token {
    /// Logs in to the token `label` of the library `module`, with the PIN in a private file.
    pub(crate) fn open(module: &Path, label: &str, pin_file: &Path) -> Result<Arc<Self>, KeyError> {
        let pin = read_private(pin_file, PIN_MAX)
            .map_err(|what| KeyError::Hsm(format!("pkcs11.pin_file {} {what}", pin_file.display())))?;
        let pin = Zeroizing::new(String::from_utf8_lossy(pin.trim_ascii()).into_owned());
        let library = Pkcs11::new(module).map_err(failed)?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(())
            | Err(cryptoki::error::Error::Pkcs11(cryptoki::error::RvError::CryptokiAlreadyInitialized, _)) => {
            }
            Err(error) => return Err(failed(error)),
        }
        let mut found = None;
        for slot in library.get_slots_with_token().map_err(failed)? {
            if library.get_token_info(slot).map_err(failed)?.label().trim_end() == label {
                found = Some(slot);
            }
        }
        let slot = found.ok_or_else(|| KeyError::Hsm(format!("the module has no token `{label}`")))?;
        let session = library.open_rw_session(slot).map_err(failed)?;
        let login = session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into())));
        match login {
            Ok(()) => {}
            Err(cryptoki::error::Error::Pkcs11(cryptoki::error::RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(Arc::new(Self { session: Mutex::new(session), _library: library }))
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The root keys in the token: one, or two while it is being changed.
    pub(crate) fn roots(self: &Arc<Self>) -> Result<Vec<HsmRoot>, KeyError> {
        let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(LABEL.to_vec())];
        let found = self.session().find_objects(&template).map_err(failed)?;
        Ok(found.into_iter().map(|key| HsmRoot { token: Arc::clone(self), key }).collect())
    }

    /// Makes a root key that cannot leave the module.
    pub(crate) fn make_root(self: &Arc<Self>) -> Result<HsmRoot, KeyError> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(ROOT_BYTES.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Wrap(true),
            Attribute::Unwrap(true),
            Attribute::Encrypt(false),
            Attribute::Decrypt(false),
            Attribute::Label(LABEL.to_vec()),
            Attribute::Id(random::<16>().to_vec()),
        ];
        let key = self.session().generate_key(&Mechanism::AesKeyGen, &template).map_err(failed)?;
        Ok(HsmRoot { token: Arc::clone(self), key })
    }

    /// Destroys every root key but this one.
    pub(crate) fn keep_only(self: &Arc<Self>, root: &HsmRoot) -> Result<(), KeyError> {
        for other in self.roots()?.into_iter().filter(|other| other.key != root.key) {
            self.session().destroy_object(other.key).map_err(failed)?;
        }
        Ok(())
    }
}

impl HsmRoot {
    /// Wraps a key of the hierarchy.
    pub(crate) fn wrap<const N: usize>(&self, key: &SecretBytes<N>) -> Result<Vec<u8>, KeyError> {
        let session = self.token.session();
        let mut template = passing();
        template.push(Attribute::Value(key.expose().to_vec()));
        let object = session.create_object(&template).map_err(failed);
        wipe(&mut template);
        let object = object?;
        let wrapped = session.wrap_key(&Mechanism::AesKeyWrap, self.key, object).map_err(failed);
        session.destroy_object(object).map_err(failed)?;
        let wrapped = wrapped?;
        if wrapped.len() == N + OVERHEAD {
            Ok(wrapped)
        } else {
            Err(KeyError::Hsm("the module wraps keys in another form than RFC 3394".into()))
        }
    }

    /// Opens a wrapped key of the hierarchy.
    pub(crate) fn unwrap<const N: usize>(&self, wrapped: &[u8]) -> Result<SecretBytes<N>, UnwrapError> {
        if wrapped.len() != N + OVERHEAD {
            return Err(UnwrapError);
        }
        let session = self.token.session();
        let object = session
            .unwrap_key(&Mechanism::AesKeyWrap, self.key, wrapped, &passing())
            .map_err(|_| UnwrapError)?;
        let read = session.get_attributes(object, &[AttributeType::Value]);
        session.destroy_object(object).map_err(|_| UnwrapError)?;
        let mut read = read.map_err(|_| UnwrapError)?;
        let opened = match read.as_slice() {
            [Attribute::Value(bytes)] if bytes.len() == N => SecretBytes::try_fill(|out| {
                out.copy_from_slice(bytes);
                Ok(())
            }),
            _ => Err(UnwrapError),
        };
        wipe(&mut read);
        opened
    }
}

/// Wipes the key in a template or an answer.
fn wipe(attributes: &mut [Attribute]) {
    for attribute in attributes {
        if let Attribute::Value(bytes) = attribute {
            zeroize::Zeroize::zeroize(bytes);
        }
    }
}
