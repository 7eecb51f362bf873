//! What happens: one file for each verb of the product.
//!
//! Owns the transaction boundary: each public function runs inside one [`crate::storage::Tx`] and is load, decide, save.
//! A flow that wants something to happen later writes a row in the same transaction. Must not know HTTP, JSON of
//! activities, the clock or randomness: time, seeds and tokens are handed in.
//!
//! A month in order: [`register`], [`fund`], [`prove_account`], [`connect`], [`notice`], [`feed`], [`flattr`],
//! [`withdraw`], [`same_post`], [`suggest`], [`claim`], [`consent`], [`close_month`], [`settle`] and [`hear`], [`receive_money`],
//! [`pay_out`]; [`audit`] proves it. [`watch_bridge`] is about platforms, not money.

pub mod audit;
pub mod claim;
pub mod close_month;
mod commit_month;
pub mod connect;
pub mod consent;
pub mod feed;
pub mod flattr;
pub mod fund;
pub mod hear;
pub mod import;
pub mod like_source;
mod listed_likes;
pub mod notice;
pub mod pay_out;
pub mod payee;
pub mod prove_account;
pub mod receive_money;
pub mod register;
pub mod same_post;
pub mod settle;
pub mod suggest;
pub mod watch_bridge;
pub mod withdraw;

use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};

/// What a flow may know of the instance that it runs on.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `https://node.example`, without a slash at the end.
    pub base_url: String,
    /// `node.example`, with the port where it is not the scheme's own.
    pub host: String,
    pub policy: Policy,
}

/// The operator's choices about money.
#[derive(Clone, Debug)]
pub struct Policy {
    pub currency: Currency,
    pub minimum_budget: Amount,
    pub minimum_payout: Amount,
    /// The smallest payment that a peer has to make to us; less is carried over.
    pub minimum_transfer: Amount,
    /// Months after month end at which a share that waits for its creator goes back to the patron: 1 to 12.
    pub unclaimed_expiry_months: u32,
    /// Taken once from a budget before it is divided, in hundredths of a percent.
    pub patron_fee_basis_points: u32,
    /// Taken from what a creator receives, in hundredths of a percent, rounded in the creator's favour.
    pub creator_fee_basis_points: u32,
}

impl Policy {
    /// `basis_points` of an amount, rounded down.
    pub fn fee(amount: Amount, basis_points: u32) -> Amount {
        let units = i128::from(amount.units()) * i128::from(basis_points) / 10_000;
        Amount::from_units(i64::try_from(units).expect("a fee is at most the amount"), amount.currency())
    }
}

impl Instance {
    /// URI of the actor that stands for this instance: it signs every settlement activity.
    pub fn uri(&self) -> String {
        format!("{}/instance", self.base_url)
    }

    pub fn patron_uri(&self, name: &str) -> String {
        format!("{}/users/{name}", self.base_url)
    }

    pub fn creator_uri(&self, name: &str) -> String {
        format!("{}/creators/{name}", self.base_url)
    }

    pub fn bridged_actor_uri(&self, platform: &str, account: &str) -> String {
        format!("{}/bridge/{platform}/{}", self.base_url, encode_segment(account))
    }

    pub fn object_uri(&self, platform: &str, object: &str) -> String {
        format!("{}/bridge/{platform}/objects/{}", self.base_url, encode_segment(object))
    }

    /// The platform and object id behind a URI of ours, if it is one.
    pub fn parse_object_uri(&self, uri: &str) -> Option<ObjectRef> {
        object_in_path(uri.strip_prefix(&self.base_url)?)
    }
}

/// The post that a URI of any instance stands for, by its path alone: every instance has its proxies there, and the path is
/// part of what was liked. What a peer says of it beside the path can name another.
pub fn proxied(uri: &str) -> Option<ObjectRef> {
    let (_, rest) = uri.split_once("://")?;
    let object = object_in_path(&rest[rest.find('/')?..])?;
    // A post of the fediverse has no proxy: it is named by its own URI.
    Some(object).filter(|object| object.platform() != Platform::Fediverse)
}

fn object_in_path(path: &str) -> Option<ObjectRef> {
    let (platform, object) = path.strip_prefix("/bridge/")?.split_once("/objects/")?;
    ObjectRef::new(platform.parse().ok()?, &decode_segment(object)?).ok()
}

/// Ids of platforms carry `@`, `:` and more; in a path only unreserved characters stand for themselves (RFC 3986, 2.3).
pub fn encode_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Undoes [`encode_segment`]. `None` for what it never writes: a slash, a bad escape, bytes that are not UTF-8.
pub fn decode_segment(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'/' | b'?' | b'#' => return None,
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = tail;
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_read_back() {
        for text in ["2654@N00", "soundcloud:tracks:1", "a/b", "ü %", "plain-1_2.3~4"] {
            assert_eq!(decode_segment(&encode_segment(text)).as_deref(), Some(text));
            assert!(!encode_segment(text).contains('/'));
        }
        for text in ["a/b", "%", "%4", "%zz", "%ff", "a?b", "a#b"] {
            assert_eq!(decode_segment(text), None, "{text}");
        }
    }

    #[test]
    fn a_proxy_is_known_by_its_path_on_any_instance() {
        let check = |uri: &str, expected: Option<&str>| {
            assert_eq!(proxied(uri).map(|object| object.to_string()).as_deref(), expected, "{uri}");
        };
        check("https://beta.example/bridge/github/objects/7", Some("github:7"));
        check("http://localhost:8101/bridge/flickr/objects/a%2Fb", Some("flickr:a/b"));
        check("https://beta.example/bridge/github/objects/7/more", None);
        check("https://beta.example/bridge/myspace/objects/7", None);
        check("https://beta.example/bridge/github/7", None);
        check("https://beta.example/x/bridge/github/objects/7", None);
        check("https://beta.example/bridge/fediverse/objects/https%3A%2F%2Fa.example%2F1", None);
        check("https://beta.example", None);
        check("/bridge/github/objects/7", None);
    }

    #[test]
    fn fees_are_rounded_down() {
        let amount = Amount::from_units(999_999, Currency::EUR);
        assert_eq!(Policy::fee(amount, 1_000).units(), 99_999);
        assert_eq!(Policy::fee(amount, 0).units(), 0);
        assert_eq!(Policy::fee(amount, 10_000), amount);
    }
}
