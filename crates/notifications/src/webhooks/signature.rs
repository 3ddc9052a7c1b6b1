//! Signatures of the Standard Webhooks specification (1.0, "Symmetric keys"): `v1,` and the base64 of HMAC-SHA256 over
//! `id.timestamp.body`.

use std::fmt;

use bursar_types::Entropy;
use data_encoding::BASE64;
use ring::hmac;
use zeroize::Zeroizing;

/// Bytes of a secret we make; the specification asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// The secret of an endpoint. Wiped when dropped, never printed.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(<hidden>)")
    }
}

impl WebhookSecret {
    /// A fresh secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new(vec![0_u8; SECRET_BYTES]);
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The secret with these bytes.
    pub const fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Its bytes, for sealing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Its text, as the endpoint's owner is told it once: `whsec_…`.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 4 * SECRET_BYTES));
        text.push_str(PREFIX);
        BASE64.encode_append(&self.0, &mut text);
        text
    }

    /// The `webhook-signature` header of a message with this id, body and time of sending in seconds.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::SeededEntropy;

    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = WebhookSecret::from_bytes(Zeroizing::new(secret));
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn the_published_library_verifies_what_we_sign() {
        let secret = WebhookSecret::generate(&SeededEntropy::new(3));
        let library = standardwebhooks::Webhook::new(&secret.to_text()).unwrap();
        let body = br#"{"type":"ledger.payment.approved"}"#;
        #[allow(clippy::disallowed_methods)] // the library compares with the machine's clock
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
        headers.insert("webhook-signature", secret.sign("evt_1", now, body).parse().unwrap());
        library.verify(body, &headers).unwrap();
        assert!(library.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn a_secret_is_told_in_its_text_and_nowhere_else() {
        let secret = WebhookSecret::generate(&SeededEntropy::new(3));
        let text = secret.to_text();
        assert_eq!(BASE64.decode(text.strip_prefix("whsec_").unwrap().as_bytes()).unwrap(), secret.expose());
        assert_eq!(format!("{secret:?}"), "WebhookSecret(<hidden>)");
    }
}
