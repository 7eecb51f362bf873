//! Twitter (X): a like is a like, a tweet is a post. Paid for by the item, and only one's own likes can be read.
//!
//! Owns the translation of Twitter's terms into those of [`crate::bridges`], for both of its APIs: version 2 with OAuth
//! 2, and version 1.1 with OAuth 1.0a. Read in this order: [`url`] for what people paste, [`wire`] for what a tweet
//! becomes, [`v2`] and [`v1`] for what each API sends, [`error`] for what they refuse, [`client`] for how they are
//! asked, [`export`] for the archive. For operators: docs/bridges/twitter.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod export;
pub mod url;
pub mod v1;
pub mod v2;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::Platform;

pub use client::{Api, Config, Twitter};

/// The largest page of likes of each API.
pub const PAGE_SIZE_V2: u32 = 100;
pub const PAGE_SIZE_V1: u32 = 200;

static CAPABILITIES_V2: Capabilities = Capabilities {
    // Likes are private since June 2024: a token reads the likes of its own account and no others.
    lists_likes_of_others: false,
    lists_own_likes: true,
    dates_likes: false,
    // Newest first as far as anybody has seen, but no documentation promises it.
    like_order: LikeOrder::Anywhere,
    reads_export: true,
    sign_in: SignIn::OAuth2Pkce,
    backlink_fields: &["url", "description"],
    page_size_max: Some(PAGE_SIZE_V2),
    is_metered: true,
};

static CAPABILITIES_V1: Capabilities = Capabilities {
    // Its pages go by the ids of tweets, so an old tweet that is liked today comes late.
    like_order: LikeOrder::Anywhere,
    sign_in: SignIn::OAuth1,
    page_size_max: Some(PAGE_SIZE_V1),
    ..CAPABILITIES_V2
};

impl Bridge for Twitter {
    fn platform(&self) -> Platform {
        Platform::Twitter
    }

    fn capabilities(&self) -> &'static Capabilities {
        match self.api() {
            Api::V2 => &CAPABILITIES_V2,
            Api::V1 => &CAPABILITIES_V1,
        }
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        url::profile(handle)
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        Some(self)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        Some(&export::Archive)
    }

    fn is_ready(&self) -> bool {
        self.has_keys()
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door()
    }
}
