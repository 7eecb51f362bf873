//! Instagram: no API tells any more what somebody likes, so the export file is the way; the old API's format is kept.
//!
//! Owns the translation of Instagram's terms into those of [`crate::bridges`], for three sources: the file that
//! Instagram gives its users, the API of professional accounts ([`graph`]: sign-in, own posts), and the API that closed
//! in 2020 ([`wire`]), which trials and the sandbox still speak. A post is named by its shortcode everywhere. Read in
//! this order: [`url`], [`export`], [`wire`], [`graph`], [`error`], [`client`].
//! For operators: docs/bridges/instagram.md.

pub mod client;
pub mod decode;
pub mod door;
pub mod error;
pub mod export;
pub mod graph;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::Platform;

pub use client::{Api, ApiConfig, Config, Instagram};

/// The page size that is asked for; the old API gave no more of most lists, whatever was asked.
pub const PAGE_SIZE_LEGACY: u32 = 33;
pub const PAGE_SIZE_GRAPH: u32 = 100;

static CAPABILITIES_EXPORT: Capabilities = Capabilities {
    lists_likes_of_others: false,
    lists_own_likes: false,
    dates_likes: false,
    like_order: LikeOrder::Anywhere,
    reads_export: true,
    sign_in: SignIn::None,
    // Nobody can look them up where there is no API.
    backlink_fields: &[],
    page_size_max: None,
    is_metered: false,
};

static CAPABILITIES_GRAPH: Capabilities = Capabilities {
    sign_in: SignIn::OAuth2,
    // It shows neither `website` nor `biography` to an app without Facebook Login: signing in is the proof.
    backlink_fields: &[],
    page_size_max: Some(PAGE_SIZE_GRAPH),
    ..CAPABILITIES_EXPORT
};

static CAPABILITIES_LEGACY: Capabilities = Capabilities {
    lists_own_likes: true,
    sign_in: SignIn::OAuth2,
    backlink_fields: &["website", "bio"],
    page_size_max: Some(PAGE_SIZE_LEGACY),
    ..CAPABILITIES_EXPORT
};

impl Bridge for Instagram {
    fn platform(&self) -> Platform {
        Platform::Instagram
    }

    fn capabilities(&self) -> &'static Capabilities {
        match self.api() {
            None => &CAPABILITIES_EXPORT,
            Some(Api::Graph) => &CAPABILITIES_GRAPH,
            Some(Api::Legacy) => &CAPABILITIES_LEGACY,
        }
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        url::profile(handle)
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        self.api().is_some().then_some(self as &dyn LiveApi)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        Some(&export::Export)
    }

    fn is_ready(&self) -> bool {
        self.has_keys()
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_deref()
    }
}
