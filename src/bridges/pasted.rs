//! A list of addresses that a person pasted: posts that they liked, one on a line.
//!
//! Owns that a line is understood whole or refused with its reason, and that only what can be liked is a like. An
//! address that holds no stable id stands for its post until the platform was asked ([`needs_resolving`]).

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use super::error::Error;
use super::reference::{ParsedRef, RefKind, ReferenceError};
use super::value::{LikeItem, Post, PostKind};
use super::{Bridge, ExportFile, ExportOwner, Member};
use crate::domain::identity::{ObjectRef, Platform};

/// Longest line that is read: far more than an address.
const LINE_BYTES_MAX: u64 = 8 * 1024;

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("{0}")]
    Address(ReferenceError),
    #[error("this address is of another platform, {}", .0.label())]
    OtherPlatform(Platform),
    #[error("this address names a person or a page, not a post")]
    NoPost,
}

/// Whether a post of a list stands under its address, since that holds no stable id.
pub fn needs_resolving(object: &ObjectRef) -> bool {
    object.object().contains("://")
}

/// What one line says. `None` for an empty one.
pub fn line(bridge: &dyn Bridge, text: &str) -> Option<Result<LikeItem, LineError>> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    (!text.is_empty()).then(|| liked(bridge, text))
}

fn liked(bridge: &dyn Bridge, text: &str) -> Result<LikeItem, LineError> {
    let found = bridge.parse_reference(text).map_err(LineError::Address)?;
    if found.platform != bridge.platform() {
        return Err(LineError::OtherPlatform(found.platform));
    }
    let kind = kind(&found).ok_or(LineError::NoPost)?;
    let ParsedRef { post_id, canonical_url, needs_resolve, .. } = found;
    let stable = post_id.filter(|_| !needs_resolve);
    let id = ObjectRef::new(bridge.platform(), stable.as_deref().unwrap_or(&canonical_url));
    let id = id.map_err(|_| LineError::Address(ReferenceError::NotAnAddress))?;
    let title = canonical_url.split_once("://").map_or(canonical_url.as_str(), |(_, rest)| rest).to_owned();
    Ok(LikeItem { post: Post::new(id, kind, title, canonical_url), liked_at: None })
}

/// What is usual on the platform. `None` for what cannot be liked.
fn kind(found: &ParsedRef) -> Option<PostKind> {
    Some(match (found.kind, found.platform) {
        (RefKind::Repo, _) => PostKind::Repository,
        (RefKind::Set, _) => PostKind::Collection,
        (RefKind::Post, Platform::Twitter | Platform::AppNet | Platform::Fediverse) => PostKind::Text,
        (RefKind::Post, Platform::Instagram | Platform::Flickr | Platform::FiveHundredPx) => PostKind::Image,
        (RefKind::Post, Platform::Vimeo) => PostKind::Video,
        (RefKind::Post, Platform::SoundCloud) => PostKind::Audio,
        (RefKind::Post, Platform::GitHub) => PostKind::Release,
        (RefKind::User | RefKind::Opaque, _) => return None,
    })
}

/// A list as a file, so that it is read like any other.
pub struct List<'a>(pub &'a dyn Bridge);

impl ExportFile for List<'_> {
    fn member(&self, _: &str) -> Option<Member> {
        Some(Member::Likes)
    }

    fn owner(&self, _: &str, _: &mut dyn Read) -> Result<ExportOwner, Error> {
        Ok(ExportOwner::default())
    }

    fn likes(
        &self,
        _: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut input = BufReader::new(input);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let count = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
            if count.map_err(|error| Error::malformed(error.to_string()))? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&bytes);
            let Some(read) = line(self.0, &text) else { continue };
            if take(read.map_err(|error| Error::malformed(error.to_string()))).is_break() {
                return Ok(());
            }
        }
    }
}
