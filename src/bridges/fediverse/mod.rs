//! The fediverse: a favourite is a like, a post of any server is a post. Many servers, one platform.
//!
//! Owns what follows from there being no one API. An account and a post are named by their URIs, which are as stable as
//! their servers. A server is believed about what is its own and about nothing else: that somebody likes a post of another
//! server it may say, whose post that is it may not. A credential belongs to one server and names it. What people sign in
//! to, and the list of favourites, is the client interface of Mastodon, which much other software speaks; accounts and
//! posts are read as ActivityStreams from all.
//!
//! Read in this order: [`url`] for names of all kinds, [`wire`] for what servers send, [`html`] for the texts in it,
//! [`error`], [`client`] for how they are asked, [`door`] for signing in. For operators: docs/bridges/fediverse.md.

pub mod client;
pub mod decode;
pub mod door;
pub mod error;
pub mod html;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::{ObjectRef, Platform};

pub use client::{Config, Fediverse};
pub use door::{App, Apps};

/// The largest page that Mastodon serves.
pub const PAGE_SIZE: u32 = 40;

static CAPABILITIES: Capabilities = Capabilities {
    lists_likes_of_others: false,
    lists_own_likes: true,
    dates_likes: false,
    like_order: LikeOrder::NewestFirst,
    reads_export: false,
    sign_in: SignIn::OAuth2Pkce,
    backlink_fields: &["extra fields", "bio", "payment link (FEP-0ea0)"],
    page_size_max: Some(PAGE_SIZE),
    is_metered: false,
};

impl Bridge for Fediverse {
    fn platform(&self) -> Platform {
        Platform::Fediverse
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    /// Every post can be asked of its own server, and has to be: only that knows its author.
    fn needs_resolving(&self, object: &ObjectRef) -> bool {
        object.platform() == Platform::Fediverse
    }

    fn profile_url(&self, handle: &str) -> String {
        self.page_of(handle)
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        Some(self)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        None
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        Some(&self.door)
    }
}
