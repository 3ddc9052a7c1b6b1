//! Signatures of the Standard Webhooks specification (1.0): over `id.timestamp.body`, `v1,` with HMAC-SHA256 under a
//! secret that both sides hold, `v1a,` with ed25519 under a key of ours, both in base64. A message may carry several.

use std::fmt;
use std::str::FromStr;

use bursar_types::Entropy;
use data_encoding::BASE64;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

/// Bytes of a secret we make; the specification asks for 24 to 64. An ed25519 seed has as many.
const SECRET_BYTES: usize = 32;

/// What the text of a secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// What the text of a public key begins with.
const PUBLIC_PREFIX: &str = "whpk_";

/// A way to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// HMAC-SHA256.
    V1,
    /// ed25519.
    V1a,
}

impl Scheme {
    /// As the specification calls it, and as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "v1" => Ok(Self::V1),
            "v1a" => Ok(Self::V1a),
            other => Err(format!("`{other}` is no scheme of signatures")),
        }
    }
}

/// The stored bytes are no key of their scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored key of a webhook endpoint is damaged")]
pub struct BadKey;

/// What an endpoint's messages are signed with. Its bytes are wiped when dropped, never printed.
pub struct WebhookKey {
    bytes: Zeroizing<Vec<u8>>,
    ready: Ready,
}

/// Made once for all messages.
enum Ready {
    V1(hmac::Key),
    V1a(Ed25519KeyPair),
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookKey({}, <hidden>)", self.scheme().as_str())
    }
}

impl WebhookKey {
    /// A fresh key of this scheme.
    pub fn generate(scheme: Scheme, entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new(vec![0_u8; SECRET_BYTES]);
        entropy.fill(&mut bytes);
        Self::from_bytes(scheme, bytes)
            .expect("any 32 bytes are a secret, and an ed25519 seed (RFC 8032 §5.1.5)")
    }

    /// The key with these bytes: a secret, or an ed25519 seed.
    ///
    /// # Errors
    /// [`BadKey`] if they are no seed.
    pub fn from_bytes(scheme: Scheme, bytes: Zeroizing<Vec<u8>>) -> Result<Self, BadKey> {
        let ready = match scheme {
            Scheme::V1 => Ready::V1(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
            Scheme::V1a => Ready::V1a(Ed25519KeyPair::from_seed_unchecked(&bytes).map_err(|_| BadKey)?),
        };
        Ok(Self { bytes, ready })
    }

    /// Its scheme.
    pub const fn scheme(&self) -> Scheme {
        match self.ready {
            Ready::V1(_) => Scheme::V1,
            Ready::V1a(_) => Scheme::V1a,
        }
    }

    /// Its bytes, for sealing.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// What the endpoint's owner is told once, to check signatures with: `whsec_…` and the secret, or `whpk_…` and the
    /// public key, in base64.
    pub fn to_text(&self) -> Zeroizing<String> {
        let (prefix, told): (_, &[u8]) = match &self.ready {
            Ready::V1(_) => (SECRET_PREFIX, &self.bytes),
            Ready::V1a(pair) => (PUBLIC_PREFIX, pair.public_key().as_ref()),
        };
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 4 * SECRET_BYTES));
        text.push_str(prefix);
        BASE64.encode_append(told, &mut text);
        text
    }

    /// The signature of a message with this id, body and time of sending in seconds: `v1,…` or `v1a,…`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut text = String::with_capacity(96);
        text.push_str(self.scheme().as_str());
        text.push(',');
        match &self.ready {
            Ready::V1(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(format!("{id}.{timestamp}.").as_bytes());
                context.update(body);
                BASE64.encode_append(context.sign().as_ref(), &mut text);
            }
            Ready::V1a(pair) => {
                let mut signed = format!("{id}.{timestamp}.").into_bytes();
                signed.extend_from_slice(body);
                BASE64.encode_append(pair.sign(&signed).as_ref(), &mut text);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::SeededEntropy;
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = WebhookKey::from_bytes(Scheme::V1, Zeroizing::new(secret)).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn the_published_library_verifies_what_we_sign_beside_other_signatures() {
        let entropy = SeededEntropy::new(3);
        let [secret, old] = [(); 2].map(|()| WebhookKey::generate(Scheme::V1, &entropy));
        let pair = WebhookKey::generate(Scheme::V1a, &entropy);
        let library = standardwebhooks::Webhook::new(&secret.to_text()).unwrap();
        let body = br#"{"type":"ledger.payment.approved"}"#;
        #[allow(clippy::disallowed_methods)] // the library compares with the machine's clock
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let all: Vec<String> =
            [&pair, &old, &secret].iter().map(|key| key.sign("evt_1", now, body)).collect();
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
        headers.insert("webhook-signature", all.join(" ").parse().unwrap());
        library.verify(body, &headers).unwrap();
        assert!(library.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn an_ed25519_signature_is_checked_with_the_public_key_that_is_told() {
        let pair = WebhookKey::generate(Scheme::V1a, &SeededEntropy::new(3));
        let public = BASE64.decode(pair.to_text().strip_prefix("whpk_").unwrap().as_bytes()).unwrap();
        let signature = pair.sign("evt_1", 1_614_265_330, b"{}");
        let signature = BASE64.decode(signature.strip_prefix("v1a,").unwrap().as_bytes()).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, public);
        public.verify(b"evt_1.1614265330.{}", &signature).unwrap();
        assert!(public.verify(b"evt_1.1614265331.{}", &signature).is_err());
    }

    #[test]
    fn a_secret_is_told_in_its_text_and_nowhere_else() {
        let secret = WebhookKey::generate(Scheme::V1, &SeededEntropy::new(3));
        let text = secret.to_text();
        assert_eq!(BASE64.decode(text.strip_prefix("whsec_").unwrap().as_bytes()).unwrap(), secret.expose());
        assert_eq!(format!("{secret:?}"), "WebhookKey(v1, <hidden>)");
    }
}
