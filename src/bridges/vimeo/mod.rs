//! Vimeo: a like is a like, a public video is a post. Live, open to every account that holds a token, mostly undated.
//!
//! Owns the translation of Vimeo's terms into those of [`crate::bridges`], and two refusals: a video that is not open
//! to everybody is never shown, and the time of a like is believed only for the owner of the token, since Vimeo tells
//! the time at which the *asker* liked. Read in this order: [`url`], [`wire`], [`error`], [`client`].
//! For operators: docs/bridges/vimeo.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::Platform;

pub use client::{Config, Vimeo};

/// The largest page that Vimeo serves.
pub const PAGE_SIZE: u32 = 100;

static CAPABILITIES: Capabilities = Capabilities {
    lists_likes_of_others: true,
    lists_own_likes: true,
    // Only the owner's own token shows times, and even then they may be missing: nobody may rely on them.
    dates_likes: false,
    // We ask for the newest first, but of what Vimeo takes the date is not documented.
    like_order: LikeOrder::Anywhere,
    // No file of likes is known in what Vimeo hands out.
    reads_export: false,
    sign_in: SignIn::OAuth2,
    backlink_fields: &["websites", "bio"],
    page_size_max: Some(PAGE_SIZE),
    is_metered: false,
};

impl Bridge for Vimeo {
    fn platform(&self) -> Platform {
        Platform::Vimeo
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        format!("https://vimeo.com/{handle}")
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        Some(self)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        None
    }

    fn is_ready(&self) -> bool {
        self.has_keys()
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_ref().map(|door| door as &dyn SignInApi)
    }
}
