//! Rules between keys: values that are well formed, and still must not stand together.
//!
//! Owns the promise that an instance with a public name has no door into its operator's network and speaks only https.

use std::net::{IpAddr, Ipv4Addr};

use url::Host;

use super::error::{ConfigError, Problem};
use super::values::HttpUrl;
use super::{Bridges, Config};

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
        for (key, url) in self.bridge.addresses() {
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

impl Bridges {
    /// Every address to which a token or a secret is sent.
    fn addresses(&self) -> Vec<(&'static str, &HttpUrl)> {
        // The fediverse has no address here: what its servers are told is bound to each of them.
        let Bridges { twitter, instagram, vimeo, soundcloud, appnet, github, flickr, five_hundred_px, fediverse: _ } =
            self;
        let mut addresses = vec![
            ("bridge.twitter.base_url", &twitter.base_url),
            ("bridge.twitter.auth_url", &twitter.auth_url),
            ("bridge.instagram.auth_url", &instagram.auth_url),
            ("bridge.instagram.token_url", &instagram.token_url),
            ("bridge.vimeo.base_url", &vimeo.base_url),
            ("bridge.vimeo.auth_url", &vimeo.auth_url),
            ("bridge.soundcloud.base_url", &soundcloud.base_url),
            ("bridge.soundcloud.auth_url", &soundcloud.auth_url),
            ("bridge.soundcloud.token_url", &soundcloud.token_url),
            ("bridge.soundcloud.short_url", &soundcloud.short_url),
            ("bridge.appnet.auth_url", &appnet.auth_url),
            ("bridge.appnet.token_url", &appnet.token_url),
            ("bridge.github.base_url", &github.base_url),
            ("bridge.github.auth_url", &github.auth_url),
            ("bridge.flickr.base_url", &flickr.base_url),
            ("bridge.flickr.auth_url", &flickr.auth_url),
        ];
        addresses.extend(instagram.base_url.iter().map(|url| ("bridge.instagram.base_url", url)));
        addresses.extend(appnet.base_url.iter().map(|url| ("bridge.appnet.base_url", url)));
        addresses.extend(five_hundred_px.base_url.iter().map(|url| ("bridge.500px.base_url", url)));
        addresses.extend(five_hundred_px.auth_url.iter().map(|url| ("bridge.500px.auth_url", url)));
        addresses
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
