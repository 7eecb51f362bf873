//! Bridges: what a platform says about likes, people and posts, as plain values.
//!
//! Owns the shape that the eight platforms and the fediverse fit into, so that a flow never asks which platform it talks to. What differs
//! is data ([`Capabilities`]) or an error class ([`Error`]), never a special case above this layer. Two invariants live
//! here: an account is named by its stable id, never by its handle, and a page tells what it leaves out, so that a like is
//! believed to be taken back only where nothing else explains its absence (`flows::connect`).
//!
//! A like has two kinds of source behind one trait: [`LiveApi`] reads the platform now, [`ExportFile`] reads what the
//! platform once gave its user. For some platforms the second is the only one that is left.
//!
//! Must not know storage, flows or pages. The network is reached through [`Http`] alone, so that tests, the sandbox and
//! production run the same connector code. Read next: [`value`], then [`github`] as the reference connector.

pub mod app_token;
pub mod appnet;
pub mod archive;
pub mod backlink;
pub mod consent;
pub mod decode;
pub mod error;
pub mod fediverse;
pub mod five_hundred_px;
pub mod flickr;
pub mod github;
pub mod http;
pub mod instagram;
pub mod limits;
#[cfg(test)]
pub mod listing;
pub mod meter;
pub mod oauth1;
pub mod oauth2;
mod objects;
pub mod pasted;
pub mod reference;
pub mod sign_in;
pub mod soundcloud;
pub mod stream;
pub mod terms;
pub mod twitter;
pub mod value;
pub mod vimeo;
pub mod wire;

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;

pub use backlink::proves;
pub use error::Error;
pub use http::{Http, HttpFailure, HttpReply, HttpRequest};
pub use limits::{Counts, Limits};
pub use meter::Meter;
pub use reference::{ParsedRef, RefKind, ReferenceError};
pub use sign_in::{Begun, Grant, SignInApi};
pub use terms::Terms;
pub use value::{
    Access, ActorKind, Credential, Cursor, LikeItem, LikePage, Liker, LikesQuery, LikesReply, Media, MediaKind,
    Mention, Post, PostKind, PostPage, PostsOf, Profile, Quota, Secret, Who,
};

use crate::domain::identity::{ExternalId, ObjectRef, Platform};

/// How people prove at the platform's own door who they are; `None` where that door is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    None,
    OAuth1,
    OAuth2,
    /// OAuth 2 that also demands a proof key (RFC 7636).
    OAuth2Pkce,
}

/// In which order a platform lists likes, which decides whether a reader may stop before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeOrder {
    /// Newest like first: a reader may stop where an earlier one has been.
    NewestFirst,
    /// By the age of the post, or unknown: a new like may appear anywhere, so every pass reads every page.
    Anywhere,
}

/// What a connector can do, as data: flows, pages and `bridge list` decide by it, never by the platform's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The live API lists the public likes of any account.
    pub lists_likes_of_others: bool,
    /// The live API lists the likes of the account whose token is given.
    pub lists_own_likes: bool,
    /// A live like carries the time at which it was given.
    pub dates_likes: bool,
    pub like_order: LikeOrder,
    /// Likes can be read from the platform's export file.
    pub reads_export: bool,
    pub sign_in: SignIn,
    /// The fields of a profile, in the platform's words, in which a claim address is looked for.
    pub backlink_fields: &'static [&'static str],
    /// Likes on one page of the live API; `None` without a live API.
    pub page_size_max: Option<u32>,
    /// The platform bills each item read, so a reader asks for no more than it needs.
    pub is_metered: bool,
}

/// One platform.
pub trait Bridge: Send + Sync {
    fn platform(&self) -> Platform;

    fn capabilities(&self) -> &'static Capabilities;

    /// Reads an address that a person pasted, without touching the network.
    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError>;

    /// Whether this names a post by something else than its stable id, as a list that people wrote may do. Such a name is
    /// never what is stored: [`LiveApi::post`] answers with the post and its id.
    fn needs_resolving(&self, _: &ObjectRef) -> bool {
        false
    }

    /// Where people find the account that bears a handle now.
    fn profile_url(&self, handle: &str) -> String;

    /// The platform's API, where one is left. Present exactly when the capabilities list some likes or pages.
    fn live(&self) -> Option<&dyn LiveApi>;

    /// The reader of the platform's export file, where its layout is known.
    fn export(&self) -> Option<&dyn ExportFile>;

    /// Whether this instance has the keys without which the platform answers nobody.
    fn is_ready(&self) -> bool {
        true
    }

    /// The platform's door, where it is open and this instance is known there.
    fn sign_in(&self) -> Option<&dyn SignInApi>;
}

/// A platform's API. Each method is one question; paging is the caller's, by [`Cursor`].
///
/// Errors of every method are those of [`Error`]; what the capabilities deny answers [`Error::Unsupported`].
#[async_trait]
pub trait LiveApi: Send + Sync {
    /// The profile of an account. By id it is the account itself; by handle it is whoever bears the handle *now*.
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error>;

    /// One page of an account's likes, from the start or from the cursor of the page before.
    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error>;

    /// One page of the posts of an account, or of those that hang below another post (the releases of a repository).
    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error>;

    /// The post of a stable id, with its owner as of now.
    ///
    /// - `hint_url`: where the post was last seen. A platform that cannot ask for this post by id alone uses it, and
    ///   believes what it finds there only when the ids agree.
    async fn post(&self, object: &ObjectRef, hint_url: Option<&str>, access: &Access) -> Result<Post, Error>;

    /// The post that a pasted address names. Gives the same object id as every other way to the same post.
    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error>;
}

/// What a member of an export file is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Names whose file it is.
    Owner,
    /// Holds likes.
    Likes,
    /// Is known and of no use in this form; the text says what to do, such as `HTML export: ask for JSON`.
    Unreadable(&'static str),
}

/// Whose export file it is, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportOwner {
    pub id: Option<ExternalId>,
    pub handle: Option<String>,
}

/// A reader of a platform's export file. Pure: it is given streams and hands out values. [`archive`] opens the file and
/// keeps its bounds.
pub trait ExportFile: Send + Sync {
    /// What a member of the archive, or a bare file of this name, is; `None` when it is of no interest.
    fn member(&self, path: &str) -> Option<Member>;

    /// Whether a [`Member::Likes`] is a further one of several, of which the first holds what was liked last.
    fn is_further(&self, _path: &str) -> bool {
        false
    }

    /// Reads a [`Member::Owner`].
    fn owner(&self, path: &str, input: &mut dyn Read) -> Result<ExportOwner, Error>;

    /// Reads a [`Member::Likes`] in constant memory. Each item that is whole JSON but no like is handed on as an error,
    /// and the reading goes on.
    ///
    /// - `take`: breaks to stop early.
    /// - errors: when the file ends in the middle or is something else.
    fn likes(
        &self,
        path: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error>;
}

/// The bridges that are switched on in this instance. One that is off is absent.
#[derive(Clone, Default)]
pub struct Registry {
    bridges: BTreeMap<Platform, Arc<dyn Bridge>>,
    meters: BTreeMap<Platform, Arc<Meter>>,
}

impl Registry {
    /// Adds a bridge; a second one for the same platform takes the first one's place.
    pub fn with(mut self, bridge: Arc<dyn Bridge>) -> Registry {
        self.bridges.insert(bridge.platform(), bridge);
        self
    }

    /// Adds the meter through which a platform's bridge asks.
    pub fn metered(mut self, platform: Platform, meter: Arc<Meter>) -> Registry {
        self.meters.insert(platform, meter);
        self
    }

    pub fn meter(&self, platform: Platform) -> Option<&Arc<Meter>> {
        self.meters.get(&platform)
    }

    pub fn get(&self, platform: Platform) -> Option<&Arc<dyn Bridge>> {
        self.bridges.get(&platform)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Bridge>> {
        self.bridges.values()
    }

    /// Reads an address of any platform that is switched on. The fediverse, whose hosts nobody knows, is asked last.
    ///
    /// - errors: of the bridge that knows the host, if one does; otherwise that no bridge here knows it.
    pub fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        let answers = self.bridges.values().map(|bridge| bridge.parse_reference(text));
        let known = answers.into_iter().find(|answer| *answer != Err(ReferenceError::UnknownHost));
        known.unwrap_or(Err(ReferenceError::UnknownHost))
    }
}
