//! 500px: a favourite is a like, a photo is a post. The interface closed in 2018; what people saved is still read.
//!
//! Owns the translation of 500px's terms into those of [`crate::bridges`]. Read in this order: [`url`] for what people
//! paste, [`export`] for what they saved, [`wire`] for what 500px sent, [`error`] for what it refused, [`client`] for
//! how it was asked, which a compatible server still can be. For operators: docs/bridges/500px.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod export;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::Platform;

pub use client::{Config, FiveHundredPx};

/// The largest page that 500px served.
pub const PAGE_SIZE: u32 = 100;

/// What is left: saved pages, lists of addresses, and claims by other means.
static CLOSED: Capabilities = Capabilities {
    lists_likes_of_others: false,
    lists_own_likes: false,
    dates_likes: false,
    like_order: LikeOrder::Anywhere,
    reads_export: true,
    sign_in: SignIn::None,
    backlink_fields: &["contacts.website", "about"],
    page_size_max: None,
    is_metered: false,
};

/// With a server that speaks the old interface. A gallery is in the order that its owner gave it.
static LEGACY: Capabilities = Capabilities {
    lists_likes_of_others: true,
    lists_own_likes: true,
    sign_in: SignIn::OAuth1,
    page_size_max: Some(PAGE_SIZE),
    ..CLOSED
};

impl Bridge for FiveHundredPx {
    fn platform(&self) -> Platform {
        Platform::FiveHundredPx
    }

    fn capabilities(&self) -> &'static Capabilities {
        if self.is_open() { &LEGACY } else { &CLOSED }
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        format!("https://500px.com/{handle}")
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        self.is_open().then_some(self as &dyn LiveApi)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        Some(&export::Saved)
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_ref().map(|door| door as &dyn SignInApi)
    }
}
