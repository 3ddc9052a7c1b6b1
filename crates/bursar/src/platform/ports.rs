//! Which port is whose.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use bursar_proto::access::Identity;
use bursar_types::{Entropy, OsEntropy};

use crate::exit::Exit;

/// How ports are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortChoice {
    /// The documented ones.
    Fixed,
    /// Free ones: for demos and tests beside a running platform.
    Free,
}

/// The ports of a platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    reach: Reach,
    grpc: [u16; 5],
    admin: [u16; 5],
    /// The gateway's ISO 8583 listener.
    pub(crate) iso8583: u16,
    /// The gateway's HTTP listener.
    pub(crate) http: u16,
    /// The gateway's interface in JSON.
    pub(crate) api: u16,
}

/// From where the processes are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// All on this machine's loopback address.
    Loopback,
    /// Each on a host of its own that is called like the service.
    Hosts,
}

/// Free ports are looked for below the range that the system takes for outgoing connections, or one could be gone
/// between our look and the service's start.
const FREE_FROM: u16 = 12_000;
const FREE_TO: u16 = 30_000;

fn index(service: Identity) -> usize {
    match service {
        Identity::Identity => 0,
        Identity::Vault => 1,
        Identity::Ledger => 2,
        Identity::Notifications => 3,
        _ => 4,
    }
}

impl Ports {
    /// Takes the documented ports, or finds free ones; each is tried before anything starts.
    pub(crate) fn choose(choice: PortChoice) -> Result<Self, Exit> {
        match choice {
            PortChoice::Fixed => {
                let ports = Self::documented(Reach::Loopback);
                for port in ports.all() {
                    TcpListener::bind(local(port)).map_err(|error| {
                        Exit::unavailable(format!(
                            "port {port} cannot be taken: {error}; stop what uses it, or let free ports be chosen with --ports free"
                        ))
                    })?;
                }
                Ok(ports)
            }
            PortChoice::Free => Self::free(),
        }
    }

    /// The documented ports, each service on a host that is called like it.
    pub(crate) fn by_host() -> Self {
        Self::documented(Reach::Hosts)
    }

    const fn documented(reach: Reach) -> Self {
        Self {
            reach,
            grpc: [7101, 7102, 7103, 7104, 7105],
            admin: [7201, 7202, 7203, 7204, 7205],
            iso8583: 8583,
            http: 8080,
            api: 8443,
        }
    }

    fn free() -> Result<Self, Exit> {
        let mut seed = [0_u8; 2];
        OsEntropy.fill(&mut seed);
        let start = FREE_FROM + u16::from_le_bytes(seed) % (FREE_TO - FREE_FROM);
        let mut found =
            (start..FREE_TO).chain(FREE_FROM..start).filter(|port| TcpListener::bind(local(*port)).is_ok());
        let mut next =
            || found.next().ok_or_else(|| Exit::unavailable("no free ports below 30000: stop something"));
        let mut five = || -> Result<[u16; 5], Exit> { Ok([next()?, next()?, next()?, next()?, next()?]) };
        let (grpc, admin) = (five()?, five()?);
        Ok(Self { reach: Reach::Loopback, grpc, admin, iso8583: next()?, http: next()?, api: next()? })
    }

    fn all(&self) -> impl Iterator<Item = u16> {
        self.grpc.into_iter().chain(self.admin).chain([self.iso8583, self.http, self.api])
    }

    /// Where the service listens for gRPC.
    pub(crate) fn grpc(&self, service: Identity) -> SocketAddr {
        self.listen(self.grpc[index(service)])
    }

    /// Where the service listens for its operators.
    pub(crate) fn admin(&self, service: Identity) -> SocketAddr {
        self.listen(self.admin[index(service)])
    }

    /// Where a listener with this port listens.
    pub(crate) fn listen(&self, port: u16) -> SocketAddr {
        match self.reach {
            Reach::Loopback => local(port),
            Reach::Hosts => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        }
    }

    /// Where others reach the service: `https://…`.
    pub(crate) fn address(&self, service: Identity) -> String {
        match self.reach {
            Reach::Loopback => format!("https://{}", self.grpc(service)),
            Reach::Hosts => format!("https://{service}:{}", self.grpc[index(service)]),
        }
    }
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn free_ports_differ_and_stay_out_of_the_outgoing_range() {
        let ports = Ports::choose(PortChoice::Free).unwrap();
        let all: HashSet<_> = ports.all().collect();
        assert_eq!(all.len(), 13);
        assert!(all.iter().all(|port| (FREE_FROM..FREE_TO).contains(port)));
    }
}
