//! Flickr: a favourite is a like, a photo or a film is a post. Live, dated and open to all who have a key.
//!
//! Owns the translation of Flickr's terms into those of [`crate::bridges`]. Read in this order: [`url`] for what people
//! paste, [`wire`] for what Flickr sends, [`error`] for what it refuses, [`client`] for how it is asked, [`export`] for
//! what people get without a key. For operators: docs/bridges/flickr.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod export;
pub mod people;
pub mod tables;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::Platform;

pub use client::{Config, Flickr};

/// The largest page that Flickr serves.
pub const PAGE_SIZE: u32 = 500;

static WITH_KEY: Capabilities = Capabilities {
    lists_likes_of_others: true,
    lists_own_likes: true,
    dates_likes: true,
    like_order: LikeOrder::NewestFirst,
    reads_export: true,
    sign_in: SignIn::OAuth1,
    backlink_fields: &["website", "description"],
    page_size_max: Some(PAGE_SIZE),
    is_metered: false,
};

/// What is left without a key, which Flickr sells with its Pro account: the export file and pasted addresses.
static WITHOUT_KEY: Capabilities = Capabilities {
    lists_likes_of_others: false,
    lists_own_likes: false,
    dates_likes: false,
    like_order: LikeOrder::Anywhere,
    sign_in: SignIn::None,
    page_size_max: None,
    ..WITH_KEY
};

impl Bridge for Flickr {
    fn platform(&self) -> Platform {
        Platform::Flickr
    }

    fn capabilities(&self) -> &'static Capabilities {
        if self.has_key() { &WITH_KEY } else { &WITHOUT_KEY }
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        format!("https://www.flickr.com/people/{handle}/")
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        self.has_key().then_some(self as &dyn LiveApi)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        Some(&export::Export)
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_ref().map(|door| door as &dyn SignInApi)
    }
}
