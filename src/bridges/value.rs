//! The values that every platform is translated into.
//!
//! Owns nothing but their meaning: ids are opaque text, times are optional where a platform does not tell them, and a
//! missing owner is missing, not guessed. None of these is a wire type; [`super::decode`] renders them for people.

use std::fmt;
use std::time::Duration;

use crate::domain::identity::{ExternalId, ObjectRef};
use crate::domain::time::Timestamp;

use super::error::Error;

/// What kind of account it is, in the words of ActivityStreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    Person,
    Organization,
    Bot,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            ActorKind::Person => "person",
            ActorKind::Organization => "organization",
            ActorKind::Bot => "bot",
        }
    }
}

/// What an account shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub id: ExternalId,
    /// The name in addresses, as of now; it can be renamed and taken by another.
    pub handle: String,
    pub display_name: Option<String>,
    pub bio: Option<String>,
    /// As written: some platforms leave out the scheme.
    pub website: Option<String>,
    /// Further addresses that only the account's owner can set, already expanded.
    pub links: Vec<String>,
    pub profile_url: String,
    pub avatar_url: Option<String>,
    pub kind: ActorKind,
    /// Whether a setting of the account, apart from every text, refuses bridges. `None` where the platform has one and this
    /// form of the profile does not show it.
    pub refuses_bridges: Option<bool>,
}

impl Profile {
    /// The texts in which a claim address counts: only what the owner of the account alone can write.
    pub fn backlink_texts(&self) -> impl Iterator<Item = &str> {
        self.website.iter().chain(&self.links).chain(&self.bio).map(String::as_str)
    }
}

/// What a post is, as far as its form in ActivityStreams depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostKind {
    Text,
    Image,
    Video,
    Audio,
    /// A set, album or gallery of other posts.
    Collection,
    Repository,
    Release,
}

impl PostKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            PostKind::Text => "text",
            PostKind::Image => "image",
            PostKind::Video => "video",
            PostKind::Audio => "audio",
            PostKind::Collection => "collection",
            PostKind::Repository => "repository",
            PostKind::Release => "release",
        }
    }
}

/// A thing that can be liked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub id: ObjectRef,
    pub kind: PostKind,
    /// The stable id of who receives; `None` where the source does not tell it, and then nobody may guess it.
    pub owner: Option<ExternalId>,
    /// For people to read, never to pay by.
    pub owner_handle: Option<String>,
    pub title: String,
    pub url: String,
    /// Plain text or markdown as the platform gives it; not yet safe for a page.
    pub description: Option<String>,
    pub thumbnail_url: Option<String>,
    pub published: Option<Timestamp>,
    /// An SPDX identifier, a licence address or the platform's own word.
    pub licence: Option<String>,
    /// Pictures, films and sounds of the post, in the order shown.
    pub attachments: Vec<Media>,
    /// Without `#`.
    pub tags: Vec<String>,
    /// Who is named in it on the same platform, in the order of the text.
    pub mentions: Vec<Mention>,
    /// Where it was made, by its name.
    pub place: Option<String>,
    /// Not for every eye, by the platform's or its author's word.
    pub is_sensitive: bool,
    /// How long a film or a sound plays.
    pub duration: Option<Duration>,
    /// Where the same work stands elsewhere, by the author's word: the original of a crosspost.
    pub alias_url: Option<String>,
    /// What it answers, on the same platform.
    pub in_reply_to: Option<ObjectRef>,
}

impl Post {
    /// A post of which nothing else is known yet.
    pub fn new(id: ObjectRef, kind: PostKind, title: impl Into<String>, url: impl Into<String>) -> Post {
        Post {
            id,
            kind,
            owner: None,
            owner_handle: None,
            title: title.into(),
            url: url.into(),
            description: None,
            thumbnail_url: None,
            published: None,
            licence: None,
            attachments: Vec::new(),
            tags: Vec::new(),
            mentions: Vec::new(),
            place: None,
            is_sensitive: false,
            duration: None,
            alias_url: None,
            in_reply_to: None,
        }
    }
}

/// Somebody who is named in a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    pub handle: String,
    /// Where the platform says which account that is.
    pub account: Option<ExternalId>,
}

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    /// A page that shows it, where the platform gives no file away.
    Link,
}

impl MediaKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            MediaKind::Image => "image",
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
            MediaKind::Link => "link",
        }
    }
}

/// A picture, film or sound of a post, where the platform keeps it. It is linked to, never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    pub kind: MediaKind,
    pub url: String,
    pub media_type: Option<String>,
    /// What is to be seen, for those who cannot.
    pub alt: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// A still of a film.
    pub poster: Option<String>,
}

impl Media {
    pub fn new(kind: MediaKind, url: impl Into<String>) -> Media {
        Media { kind, url: url.into(), media_type: None, alt: None, width: None, height: None, poster: None }
    }
}

/// One like of the account whose likes are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LikeItem {
    pub post: Post,
    /// When it was given, where the platform tells.
    pub liked_at: Option<Timestamp>,
}

/// One account that likes a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liker {
    pub account: ExternalId,
    pub handle: String,
    pub liked_at: Option<Timestamp>,
}

/// Where to go on reading. Opaque to callers; it may be stored, but it may hold an address and does not belong in a
/// log.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    pub fn new(text: impl Into<String>) -> Cursor {
        Cursor(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

/// What is left of the platform's allowance, where it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    pub remaining: Option<u64>,
    pub resets_at: Option<Timestamp>,
}

/// One page of likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LikePage {
    pub items: Vec<LikeItem>,
    /// Likes of posts that not everybody may see. They stand, so their absence from `items` is no unlike.
    pub hidden: Vec<ObjectRef>,
    /// Items that were there and could not be read. They may be likes that we know, so a listing with one proves no
    /// unlike.
    pub unreadable: u32,
    /// The page after this; `None` at the end of the listing.
    pub next: Option<Cursor>,
    pub quota: Quota,
    /// To be given back as [`LikesQuery::etag`] to learn cheaply that nothing is new.
    pub etag: Option<String>,
}

impl LikePage {
    /// This is the last page of the listing. It says nothing of the pages before it; who has read them does.
    pub fn is_listing_end(&self) -> bool {
        self.next.is_none()
    }
}

/// The answer to a question for likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LikesReply {
    Page(LikePage),
    /// The page is the one that `etag` names. It says nothing of other pages, so nothing of unlikes.
    NotModified {
        quota: Quota,
    },
}

/// One page of posts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostPage {
    pub items: Vec<Post>,
    pub unreadable: u32,
    pub next: Option<Cursor>,
    pub quota: Quota,
}

/// A token. It is never shown: not by `Debug`, not in an error, not in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the header that carries it and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// In whose name a question is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// With the instance's own token if it has one, else with none.
    Instance,
    /// With the credential of a person who connected an account.
    User(Credential),
}

/// What a platform gave a person's consent as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Whoever carries it is believed: OAuth 2.
    Bearer(Secret),
    /// Each request is signed with the secret: OAuth 1.0a.
    Signed { token: Secret, secret: Secret },
}

impl Credential {
    pub fn bearer(token: impl Into<String>) -> Credential {
        Credential::Bearer(Secret::new(token))
    }
}

/// An account to ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By its stable id: the only way that money may take.
    Id(ExternalId),
    /// Whoever bears this handle now.
    Handle(String),
    /// Whose token [`Access::User`] holds: the proof of a sign-in.
    TokenOwner,
}

impl Who {
    /// The id's account text when it belongs to `platform`; a mistake of the caller otherwise.
    pub(crate) fn account_on(id: &ExternalId, platform: crate::domain::identity::Platform) -> Result<&str, Error> {
        if id.platform() == platform {
            Ok(id.account())
        } else {
            Err(Error::unsupported(format!("{id} is not an account on {platform}")))
        }
    }
}

/// A question for one page of likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LikesQuery {
    pub who: Who,
    pub access: Access,
    /// From the page before; `None` for the first page.
    pub cursor: Option<Cursor>,
    /// Of the first page at an earlier time.
    pub etag: Option<String>,
}

impl LikesQuery {
    /// The first page of an account's likes.
    pub fn first(who: Who, access: Access) -> LikesQuery {
        LikesQuery { who, access, cursor: None, etag: None }
    }
}

/// Which posts to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostsOf {
    Account(ExternalId),
    /// Those that hang below another post: the releases of a repository, the tracks of a set.
    Post(ObjectRef),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_cursors_never_show_in_debug_output() {
        let access = Access::User(Credential::bearer("gho_16C7e42F292c6912"));
        let signed = Credential::Signed { token: Secret::new("16C7e"), secret: Secret::new("16C7f") };
        let cursor = Cursor::new("https://api.example/likes?access_token=16C7e42F292c6912");
        let shown = format!("{access:?} {signed:?} {cursor:?}");
        assert!(!shown.contains("16C7"), "{shown}");
    }
}
