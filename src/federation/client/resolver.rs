//! The connect-time check: from a name to the addresses that we may connect to.
//!
//! Owns the moment between resolving and connecting. The HTTP stack connects to the addresses that are returned here
//! and to no others, so nothing can be resolved again in between (DNS rebinding).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{ClientError, Guard};
use crate::federation::address;

/// The port of the URL takes the place of this one.
const NO_PORT: u16 = 0;

/// Why a name leads nowhere; travels through the HTTP stack inside its own errors.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum LookupFailed {
    #[error("`{host}` is at {address}, which is not permitted")]
    Forbidden { host: String, address: IpAddr },
    #[error("`{host}` could not be resolved: {text}")]
    NotFound { host: String, kind: io::ErrorKind, text: String },
}

impl From<LookupFailed> for ClientError {
    fn from(failed: LookupFailed) -> ClientError {
        match failed {
            LookupFailed::Forbidden { host, address } => ClientError::ForbiddenAddress { host, address },
            LookupFailed::NotFound { host, kind, text } => {
                ClientError::Resolve { host, source: io::Error::new(kind, text) }
            }
        }
    }
}

pub(super) struct GuardedResolver {
    guard: Arc<Guard>,
}

impl GuardedResolver {
    pub(super) fn new(guard: Arc<Guard>) -> GuardedResolver {
        GuardedResolver { guard }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.guard);
        Box::pin(async move {
            let host = name.as_str();
            let found = lookup(host).await.map_err(|error| LookupFailed::NotFound {
                host: host.to_owned(),
                kind: error.kind(),
                text: error.to_string(),
            })?;
            let addresses: Addrs = Box::new(permitted(host, found, &guard)?.into_iter());
            Ok(addresses)
        })
    }
}

async fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    if is_localhost(host) {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    Ok(tokio::net::lookup_host((host, NO_PORT)).await?.map(|address| address.ip()).collect())
}

/// RFC 6761, 6.3: these names are the loopback, and no name server is asked.
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The permitted ones among the addresses of a name; an error when none is left.
fn permitted(host: &str, found: Vec<IpAddr>, guard: &Guard) -> Result<Vec<SocketAddr>, LookupFailed> {
    let (permitted, forbidden): (Vec<IpAddr>, Vec<IpAddr>) = found
        .into_iter()
        .map(|address| address.to_canonical())
        .partition(|address| address::is_permitted(*address, &guard.allowed));
    match (permitted.is_empty(), forbidden.first()) {
        (false, _) => Ok(permitted.into_iter().map(|address| SocketAddr::new(address, NO_PORT)).collect()),
        (true, Some(address)) => Err(LookupFailed::Forbidden { host: host.to_owned(), address: *address }),
        (true, None) => Err(LookupFailed::NotFound {
            host: host.to_owned(),
            kind: io::ErrorKind::NotFound,
            text: "the name has no address".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn guard(allowed: &[&str]) -> Guard {
        Guard {
            allowed: allowed.iter().map(|range| range.parse().unwrap()).collect(),
            allow_http: false,
            timeout: Duration::from_secs(5),
            body_limit_bytes: 1_000,
            user_agent: "fedflattr".into(),
        }
    }

    fn filtered(found: &[&str], allowed: &[&str]) -> Result<Vec<String>, String> {
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        let result = permitted("beta.example", found, &guard(allowed));
        result.map(|list| list.iter().map(|address| address.ip().to_string()).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn only_permitted_addresses_of_a_name_are_left() {
        let refused = |address: &str| Err(format!("`beta.example` is at {address}, which is not permitted"));
        assert_eq!(filtered(&["8.8.8.8", "10.0.0.1", "fe80::1"], &[]), Ok(vec!["8.8.8.8".into()]));
        assert_eq!(filtered(&["10.0.0.1"], &["10.0.0.0/24"]), Ok(vec!["10.0.0.1".into()]));
        assert_eq!(filtered(&["::ffff:8.8.8.8"], &[]), Ok(vec!["8.8.8.8".into()]));
        assert_eq!(filtered(&["169.254.169.254"], &[]), refused("169.254.169.254"));
        assert_eq!(filtered(&["::ffff:127.0.0.1", "::1"], &[]), refused("127.0.0.1"));
        assert_eq!(filtered(&["10.0.1.1"], &["10.0.0.0/24"]), refused("10.0.1.1"));
    }

    #[test]
    fn a_name_without_an_address_is_not_found() {
        let failed = permitted("beta.example", Vec::new(), &guard(&[])).unwrap_err();
        assert!(matches!(ClientError::from(failed), ClientError::Resolve { host, .. } if host == "beta.example"));
    }

    #[test]
    fn names_of_the_loopback_are_known_without_dns() {
        for host in ["localhost", "LOCALHOST", "localhost.", "alpha.localhost", "a.b.localhost."] {
            assert!(is_localhost(host), "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "localhost.localdomain", ""] {
            assert!(!is_localhost(host), "{host}");
        }
    }
}
