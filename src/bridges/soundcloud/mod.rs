//! SoundCloud: a like of a track or a set is a like, and both are posts. Live, open to every app, undated.
//!
//! Owns the translation of SoundCloud's terms into those of [`crate::bridges`]. Ids are its URNs
//! (`soundcloud:tracks:1234`), also where it still writes bare numbers. Read in this order: [`url`] for ids and what
//! people paste, [`wire`], [`error`], [`client`], [`export`] for lists that people bring themselves.
//! For operators: docs/bridges/soundcloud.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod export;
mod table;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::{ObjectRef, Platform};

pub use client::{Config, SoundCloud};

/// The largest page that SoundCloud serves.
pub const PAGE_SIZE: u32 = 200;

static CAPABILITIES: Capabilities = Capabilities {
    lists_likes_of_others: true,
    lists_own_likes: true,
    dates_likes: false,
    // The order is not documented, and a pass reads two lists, first tracks and then sets.
    like_order: LikeOrder::Anywhere,
    // No layout of SoundCloud's own: any list with a column of addresses.
    reads_export: true,
    sign_in: SignIn::OAuth2Pkce,
    backlink_fields: &["website", "web-profiles", "description"],
    page_size_max: Some(PAGE_SIZE),
    is_metered: false,
};

/// Whether an object is named by its address because the list it came from holds no id.
///
/// Such a like does not count before [`LiveApi::post`] was asked for it, which answers with the true id: under its
/// address the same track would be a second object.
pub fn is_unresolved(object: &ObjectRef) -> bool {
    object.platform() == Platform::SoundCloud && object.object().starts_with("https://")
}

impl Bridge for SoundCloud {
    fn platform(&self) -> Platform {
        Platform::SoundCloud
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        format!("https://soundcloud.com/{handle}")
    }

    fn needs_resolving(&self, object: &ObjectRef) -> bool {
        is_unresolved(object)
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        Some(self)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        Some(&export::List)
    }

    fn is_ready(&self) -> bool {
        self.has_keys()
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_ref().map(|door| door as &dyn SignInApi)
    }
}
