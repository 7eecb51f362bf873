//! The kinds of value that only configuration has: hosts, addresses and short choices.
//!
//! Each is parsed once and cannot hold a wrong value. Those with something to hide are in [`super::secrets`].

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::given::{Raw, shorten};
use super::key::Key;
use super::setting::{Context, Setting, Shown, quoted};

/// Why a text is not the value that it should be, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAValue(pub(super) String);

pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T, NotAValue> {
    Err(NotAValue(reason.into()))
}

/// A host with an optional port, lower case and in ASCII: the name of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    host: Host<String>,
    port: Option<u16>,
}

impl Domain {
    /// The host alone; an IPv6 address in brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// `None` for the usual port of the scheme.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the name can only mean this machine or a test network: `localhost`, `*.localhost`, `*.test` (RFC 6761)
    /// and loopback addresses.
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Domain(name) => matches!(name.rsplit('.').next(), Some("localhost" | "test")),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => IpAddr::V6(*address).to_canonical().is_loopback(),
        }
    }

    /// Whether `url` leads to exactly this host and port.
    pub fn is_host_of(&self, url: &Url) -> bool {
        url.host().map(|host| host.to_owned()) == Some(self.host.clone()) && url.port() == self.port
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

impl FromStr for Domain {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let form = "write a host such as flattr.example, with `:port` only when it is not the usual one";
        let wrong = || NotAValue(format!("`{}` is not a host: {form}", shorten(text)));
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?)
            }
            Some(_) => return Err(wrong()),
            None => None,
        };
        if let Some(usual @ (80 | 443)) = port {
            return refuse(format!("leave the usual port out: `{host}`, not `{host}:{usual}`"));
        }
        if host.contains('%') || host.ends_with('.') {
            return Err(wrong());
        }
        Ok(Domain { host: Host::parse(host).map_err(|_| wrong())?, port })
    }
}

/// An http or https address without user, query or fragment; written without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// Without a slash at the end, so that a path can be appended.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    pub fn as_url(&self) -> &Url {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HttpUrl {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        // The text is not quoted: a password may stand in it.
        let Ok(url) = Url::parse(text) else {
            return refuse("not an address: write https://host or https://host/path");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("the address must begin with https:// (or http:// for tests)");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the address must not contain a user name or a password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("the address must not contain `?` or `#`");
        }
        Ok(HttpUrl(url))
    }
}

/// A mail address, checked as far as a form can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let is_whole = text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@') && text.len() <= 254
        });
        if is_whole && !text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | '"')) {
            Ok(Email(text.to_owned()))
        } else {
            refuse(format!("`{}` is not a mail address such as admin@flattr.example", shorten(text)))
        }
    }
}

/// Types that are written as a text and parsed by `FromStr`.
macro_rules! texts {
    ($($type:ty, $expected:literal;)+) => {$(
        impl Setting for $type {
            fn expected(_: &Key) -> String {
                $expected.to_owned()
            }

            fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
                context.parse(raw)
            }

            fn show(&self) -> Shown {
                Some(quoted(&self.to_string()))
            }
        }
    )+};
}

texts! {
    Domain, "a host such as flattr.example";
    HttpUrl, "an address such as https://flattr.example";
    Email, "a mail address";
}

/// Enums of a few words.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl Setting for $name {
            fn expected(_: &Key) -> String {
                format!("one of {}", [$($word),+].join(", "))
            }

            fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
                match context.text(raw)? {
                    $($word => Ok($name::$variant),)+
                    _ => Err(context.mismatch(raw)),
                }
            }

            fn show(&self) -> Shown {
                Some(quoted(self.as_str()))
            }
        }
    )+};
}

choices! {
    /// A language that pages are written in.
    Locale { English = "en", French = "fr" }
    /// The least important kind of message that is logged.
    LogLevel { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace" }
    LogFormat { Text = "text", Json = "json" }
    /// Which interface of Twitter is spoken.
    TwitterApi { V2 = "2", V1 = "1.1" }
    /// Which interface of Instagram is spoken.
    InstagramApi { Graph = "graph", Legacy = "legacy" }
    /// Whose servers speak the interface of App.net.
    AppNetDialect { Pnut = "pnut", AppNet = "appnet" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_host_with_an_optional_port() {
        let check = |text: &str, read: &str| assert_eq!(text.parse::<Domain>().unwrap().to_string(), read);
        check("flattr.example", "flattr.example");
        check("Flattr.Example:8443", "flattr.example:8443");
        check("bücher.example", "xn--bcher-kva.example");
        check("[::1]", "[::1]");
        check("[::1]:8080", "[::1]:8080");
        for text in [
            "",
            ":80",
            "a.example:",
            "a.example:0",
            "a.example:+1",
            "a.example:65536",
            "a.example.",
            "https://a.example",
            "a.example/x",
            "me@a.example",
            "a b",
            "a%2eexample",
            "::1",
            "a:1:2",
        ] {
            assert!(text.parse::<Domain>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_usual_port_is_left_out_of_a_domain() {
        let refusal = "a.example:443".parse::<Domain>().unwrap_err();
        assert_eq!(refusal.to_string(), "leave the usual port out: `a.example`, not `a.example:443`");
        assert!("localhost:80".parse::<Domain>().is_err());
    }

    #[test]
    fn an_ipv4_loopback_in_ipv6_clothes_is_local() {
        assert!("[::ffff:127.0.0.1]".parse::<Domain>().unwrap().is_local());
        assert!(!"[::ffff:10.0.0.1]".parse::<Domain>().unwrap().is_local());
    }
}
