//! GitHub: a star is a like, a repository or a release is a post. The reference connector: live, dated, open to all.
//!
//! Owns the translation of GitHub's terms into those of [`crate::bridges`]. Read in this order: [`url`] for what people
//! paste, [`wire`] for what GitHub sends, [`error`] for what it refuses, [`client`] for how it is asked.
//! For operators: docs/bridges/github.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::Platform;

pub use client::{App, Config, GitHub};

/// The largest page that GitHub serves.
pub const PAGE_SIZE: u32 = 100;

static CAPABILITIES: Capabilities = Capabilities {
    lists_likes_of_others: true,
    lists_own_likes: true,
    dates_likes: true,
    like_order: LikeOrder::NewestFirst,
    // A personal archive exists, but no layout of its stars is known; the API gives them all.
    reads_export: false,
    sign_in: SignIn::OAuth2Pkce,
    backlink_fields: &["blog", "bio"],
    page_size_max: Some(PAGE_SIZE),
    is_metered: false,
};

impl Bridge for GitHub {
    fn platform(&self) -> Platform {
        Platform::GitHub
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        format!("https://github.com/{handle}")
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        Some(self)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        None
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_ref().map(|door| door as &dyn SignInApi)
    }
}
