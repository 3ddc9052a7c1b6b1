//! Where a webhook goes: a URL that was read strictly and normalised.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Longest URL taken, in characters.
const URL_LENGTH_MAX: usize = 2048;

/// The address of an endpoint: http or https, without user, password or fragment. Its host is in canonical form, so
/// that `http://0x7f.1/` is the `http://127.0.0.1/` it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

/// Why a text is no address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is too long.
    #[error("must be at most {URL_LENGTH_MAX} characters long")]
    TooLong,
    /// It is no URL.
    #[error("must be a URL such as https://shop.example/webhooks: {0}")]
    Malformed(String),
    /// It is a URL of another kind.
    #[error("must begin with https:// (http:// in the sandbox only)")]
    Scheme,
    /// It holds a user name or password, which would be stored and shown.
    #[error("must not hold a user name or password")]
    Userinfo,
    /// It has a fragment, which is never sent.
    #[error("must not have a fragment (#…)")]
    Fragment,
}

impl Target {
    /// Whether it is called by https.
    pub fn encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Its host without brackets, and its port.
    pub fn host_and_port(&self) -> (String, u16) {
        let host = match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(), // from_str() takes no URL without one
        };
        (host, self.0.port_or_known_default().unwrap_or(443))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if text.chars().count() > URL_LENGTH_MAX {
            return Err(BadTarget::TooLong);
        }
        let url = Url::parse(text).map_err(|error| BadTarget::Malformed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BadTarget::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(BadTarget::Fragment);
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguised_hosts_are_what_they_mean() {
        let loopback = [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://１２７.0.0.1/",
            "http://127%2E0%2E0%2E1/",
        ];
        for text in loopback {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.host_and_port(), ("127.0.0.1".to_owned(), 80), "{text}");
        }
        let mapped: Target = "https://[::ffff:7f00:1]:8443/x".parse().unwrap();
        assert_eq!(mapped.host_and_port(), ("::ffff:127.0.0.1".to_owned(), 8443));
    }

    #[test]
    fn what_cannot_be_called_is_refused() {
        assert_eq!("ftp://a.example/".parse::<Target>(), Err(BadTarget::Scheme));
        assert_eq!("file:///etc/passwd".parse::<Target>(), Err(BadTarget::Scheme));
        assert_eq!("https://u:p@a.example/".parse::<Target>(), Err(BadTarget::Userinfo));
        assert_eq!("https://u@a.example/".parse::<Target>(), Err(BadTarget::Userinfo));
        assert_eq!("https://a.example/#x".parse::<Target>(), Err(BadTarget::Fragment));
        assert!(matches!("a.example".parse::<Target>(), Err(BadTarget::Malformed(_))));
        assert!(matches!("https://".parse::<Target>(), Err(BadTarget::Malformed(_))));
        let long = format!("https://a.example/{}", "x".repeat(URL_LENGTH_MAX));
        assert_eq!(long.parse::<Target>(), Err(BadTarget::TooLong));
    }
}
