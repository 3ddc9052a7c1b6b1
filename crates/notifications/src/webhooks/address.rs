//! Which addresses webhooks may be sent to: those of the public internet, and networks the operator allows.
//!
//! Whoever declares an endpoint chooses where this process connects to, so an address inside our own network must not
//! be among the choices (server-side request forgery). Every address that a name resolves to is vetted, and the
//! connection is made to the vetted address, so that a name cannot change its mind in between.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IP network: `127.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// The text is no network in CIDR form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write ADDRESS/BITS, such as 127.0.0.0/8, with no bits set after BITS")]
pub struct NotANetwork(String);

impl Network {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(first: u16, second: u16, prefix: u8) -> Self {
        Self { base: IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), prefix }
    }

    /// Whether `address` lies in this network. IPv4 and IPv6 are kept apart; map addresses first.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.chars().take(64).collect());
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let network =
            Self { base: base.parse().map_err(|_| wrong())?, prefix: prefix.parse().map_err(|_| wrong())? };
        let bits = if network.base.is_ipv4() { 32 } else { 128 };
        // A base outside its own network would silently allow nothing.
        if network.prefix <= bits && network.contains(network.base) { Ok(network) } else { Err(wrong()) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// IPv4 that is not the public internet (IANA's registry of special-purpose addresses, RFC 6890 and successors).
const IPV4_REFUSED: &[Network] = &[
    Network::v4(0, 0, 0, 0, 8),       // this network, and the unspecified address
    Network::v4(10, 0, 0, 0, 8),      // private
    Network::v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    Network::v4(127, 0, 0, 0, 8),     // loopback
    Network::v4(169, 254, 0, 0, 16),  // link-local, and the clouds' metadata services
    Network::v4(172, 16, 0, 0, 12),   // private
    Network::v4(192, 0, 0, 0, 24),    // protocol assignments
    Network::v4(192, 0, 2, 0, 24),    // documentation
    Network::v4(192, 88, 99, 0, 24),  // 6to4 relays
    Network::v4(192, 168, 0, 0, 16),  // private
    Network::v4(198, 18, 0, 0, 15),   // benchmarks
    Network::v4(198, 51, 100, 0, 24), // documentation
    Network::v4(203, 0, 113, 0, 24),  // documentation
    Network::v4(224, 0, 0, 0, 4),     // multicast
    Network::v4(240, 0, 0, 0, 4),     // reserved, and broadcast
];

/// The part of IPv6 that is assigned as global unicast; all else (loopback, unique local, link-local, multicast, NAT64,
/// IPv4-compatible) lies outside.
const IPV6_GLOBAL: Network = Network::v6(0x2000, 0, 3);

/// Within it, what is not the public internet.
const IPV6_REFUSED: &[Network] = &[
    Network::v6(0x2001, 0, 23),      // protocol assignments: Teredo, benchmarks, ORCHID
    Network::v6(0x2001, 0x0db8, 32), // documentation
    Network::v6(0x2002, 0, 16),      // 6to4: an IPv4 address in disguise
    Network::v6(0x3fff, 0, 20),      // documentation
];

/// What is thought of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is on the public internet.
    Public,
    /// It is in a network the operator allows.
    Allowed,
    /// It is neither.
    Refused,
}

/// Which addresses may be connected to.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Public ones, and those in these networks; plain HTTP to the latter only, and only if so said.
    Vetted {
        /// Networks that are allowed though they are not public.
        allowed: Vec<Network>,
        /// Whether plain HTTP may be spoken to addresses in `allowed`: in the sandbox.
        plain_http: bool,
    },
    /// Every one: for addresses that the operator configured.
    Trusted,
}

impl Policy {
    /// What this policy thinks of `address`, which is what is connected to: IPv4 in IPv6 is unwrapped first.
    pub fn verdict(&self, address: IpAddr) -> Verdict {
        let address = address.to_canonical();
        let allowed = match self {
            Self::Trusted => true,
            Self::Vetted { allowed, .. } => allowed.iter().any(|network| network.contains(address)),
        };
        if allowed {
            return Verdict::Allowed;
        }
        let public = match address {
            IpAddr::V4(_) => !IPV4_REFUSED.iter().any(|network| network.contains(address)),
            IpAddr::V6(_) => {
                IPV6_GLOBAL.contains(address) && !IPV6_REFUSED.iter().any(|network| network.contains(address))
            }
        };
        if public { Verdict::Public } else { Verdict::Refused }
    }

    /// The addresses to connect to, in canonical form, if every one is good: one bad address among good ones is how a
    /// name is made to point inside.
    ///
    /// # Errors
    /// [`Refusal`] if one is not.
    pub fn vet(&self, addresses: &[IpAddr], encrypted: bool) -> Result<Vec<IpAddr>, Refusal> {
        if addresses.is_empty() {
            return Err(Refusal::Unresolved);
        }
        for address in addresses {
            match self.verdict(*address) {
                Verdict::Refused => return Err(Refusal::Address),
                Verdict::Public if !encrypted => return Err(Refusal::Plain),
                Verdict::Allowed if !encrypted && !self.takes_plain_http() => return Err(Refusal::Plain),
                Verdict::Public | Verdict::Allowed => {}
            }
        }
        Ok(addresses.iter().map(IpAddr::to_canonical).collect())
    }

    const fn takes_plain_http(&self) -> bool {
        match self {
            Self::Trusted => true,
            Self::Vetted { plain_http, .. } => *plain_http,
        }
    }
}

/// Why an address is not called. The address itself is not told: it would map our network for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name has no address.
    #[error("the host has no address")]
    Unresolved,
    /// It is not on the public internet.
    #[error("the host has an address outside the public internet")]
    Address,
    /// It is to be called without encryption.
    #[error("the host may be called by https only")]
    Plain,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> Policy {
        Policy::Vetted { allowed: Vec::new(), plain_http: false }
    }

    #[test]
    fn only_the_public_internet_is_called() {
        let inside = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "4000::1",
        ];
        for address in inside {
            assert_eq!(strict().verdict(address.parse().unwrap()), Verdict::Refused, "{address}");
        }
        let outside = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2001:200::1",
            "240e::1",
        ];
        for address in outside {
            assert_eq!(strict().verdict(address.parse().unwrap()), Verdict::Public, "{address}");
        }
    }

    #[test]
    fn one_bad_address_among_good_ones_spoils_all() {
        let both = ["8.8.8.8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        assert_eq!(strict().vet(&both, true), Err(Refusal::Address));
        assert_eq!(strict().vet(&both[..1], true).unwrap(), both[..1]);
        assert_eq!(strict().vet(&[], true), Err(Refusal::Unresolved));
    }

    #[test]
    fn the_allow_list_opens_its_networks_only_and_unwraps_mapped_addresses() {
        let sandbox = Policy::Vetted { allowed: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true };
        let local: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(sandbox.vet(&[local], false).unwrap(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(sandbox.vet(&["::1".parse().unwrap()], true), Err(Refusal::Address));
        assert_eq!(sandbox.vet(&["10.0.0.1".parse().unwrap()], true), Err(Refusal::Address));
    }

    #[test]
    fn plain_http_is_for_allowed_networks_of_the_sandbox_only() {
        let allowed = vec!["10.0.0.0/8".parse().unwrap()];
        let (inner, outer) = ["10.0.0.1".parse().unwrap(), "8.8.8.8".parse().unwrap()].into();
        let sandbox = Policy::Vetted { allowed: allowed.clone(), plain_http: true };
        assert!(sandbox.vet(&[inner], false).is_ok());
        assert_eq!(sandbox.vet(&[outer], false), Err(Refusal::Plain));
        let production = Policy::Vetted { allowed, plain_http: false };
        assert_eq!(production.vet(&[inner], false), Err(Refusal::Plain));
        assert!(production.vet(&[inner], true).is_ok());
    }

    #[test]
    fn networks_are_read_strictly() {
        for good in ["127.0.0.0/8", "0.0.0.0/0", "::1/128", "::/0", "fd00::/8"] {
            assert_eq!(good.parse::<Network>().unwrap().to_string(), good);
        }
        for bad in ["127.0.0.1", "127.0.0.1/8", "127.0.0.0/33", "::/129", "x/8", "10.0.0.0/", ""] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
