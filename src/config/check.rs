//! Rules between keys: values that are well formed, and still must not stand together.
//!
//! Owns the promise that an instance with a public name has no door into its operator's network and speaks only https.

use std::net::{IpAddr, Ipv4Addr};

use url::Host;

use super::Config;
use super::error::{ConfigError, Problem};
use super::values::HttpUrl;

impl Config {
    /// Refuses combinations that would be unsafe or could not work; [`Config::load`] has already called it.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut refuse = |key, reason: String| problems.push(Problem::Refused { key, reason });
        let server = &self.server;
        let is_test = !self.federation.allow_private_addresses.is_empty();

        if is_test && !server.domain.is_local() {
            refuse(
                "federation.allow_private_addresses",
                format!(
                    "must be empty with the public domain `{}`: any stranger could make this instance reach into your \
                     network (local are localhost, *.localhost, *.test and loopback addresses)",
                    server.domain
                ),
            );
        }
        if !server.base_url.is_https() && !is_test {
            let reason = "must begin with https://; plain http is for tests with federation.allow_private_addresses";
            refuse("server.base_url", reason.to_owned());
        }
        if !server.domain.is_host_of(server.base_url.as_url()) {
            let (url, domain) = (&server.base_url, &server.domain);
            refuse("server.base_url", format!("`{url}` must have the host and port of server.domain, `{domain}`"));
        }
        if server.base_url.as_url().path() != "/" {
            refuse("server.base_url", format!("`{}` must not have a path", server.base_url));
        }
        if server.bind.is_multicast() || server.bind == IpAddr::V4(Ipv4Addr::BROADCAST) {
            refuse("server.bind", format!("nothing can listen on `{}`: it is an address of many hosts", server.bind));
        }
        let github = &self.bridge.github;
        for (key, url) in [("bridge.github.base_url", &github.base_url), ("bridge.github.auth_url", &github.auth_url)] {
            if !url.is_https() && !is_test && !is_this_machine(url) {
                let reason = "must begin with https://, or the token would travel in the clear";
                refuse(key, reason.to_owned());
            }
        }
        if let Some(bank) = &self.rail.sandbox.base_url {
            if !server.domain.is_local() {
                let reason = format!("must be unset with the public domain `{}`: its money is not real", server.domain);
                refuse("rail.sandbox.base_url", reason);
            } else if !is_this_machine(bank) && !is_test {
                refuse("rail.sandbox.base_url", "must be an address of this machine".to_owned());
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }
}

/// Only literal addresses: what a name leads to is decided by whoever answers for it.
fn is_this_machine(url: &HttpUrl) -> bool {
    match url.as_url().host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}
