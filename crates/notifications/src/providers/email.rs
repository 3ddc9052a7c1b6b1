//! E-mail addresses.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// Longest address (RFC 5321 §4.5.3.1.3, without the angle brackets).
const LENGTH_MAX: usize = 254;

/// An e-mail address. Not printed, for it names a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Zeroizing<String>);

impl Email {
    /// The address: `li.na@example.com`.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(<hidden>)")
    }
}

/// The text is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as li.na@example.com")]
pub struct NotAnEmail;

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        // Internationalised local parts are not taken: few servers do.
        if text.len() > LENGTH_MAX || !text.is_ascii() {
            return Err(NotAnEmail);
        }
        text.parse::<lettre::Address>().map_err(|_| NotAnEmail)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_and_never_printed() {
        let email: Email = "li.na+bank@mail.example.com".parse().unwrap();
        assert_eq!(format!("{email:?}"), "Email(<hidden>)");
        for bad in
            ["", "li.na", "@example.com", "li na@example.com", "a@b\r\nrcpt to:<x@y>", "李@example.com", "a@"]
        {
            assert_eq!(bad.parse::<Email>(), Err(NotAnEmail), "{bad}");
        }
        assert_eq!(format!("{}@example.com", "a".repeat(250)).parse::<Email>(), Err(NotAnEmail));
    }
}
