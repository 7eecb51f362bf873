//! App.net, which closed in 2017, and its successor pnut.io, which goes on: a star or a bookmark is a like.
//!
//! Owns that the two never mix. They share the platform `appnet` and number people and posts alike from 1, so an id of
//! pnut.io bears the mark `pnut-`: `appnet:914440` is a post on App.net, `appnet:pnut-914440` another one on pnut.io.
//! What differs between them is a [`Dialect`]; an instance speaks one.
//!
//! Read in this order: [`url`] for what people paste, [`wire`] and [`media`] for what the two send, [`error`] for what
//! they refuse, [`client`] for how they are asked, [`export`] for the file that people took home from App.net.
//! For operators: docs/bridges/appnet.md.

pub mod client;
pub mod decode;
pub mod error;
pub mod export;
pub mod media;
pub mod url;
pub mod wire;

#[cfg(test)]
mod tests;

use super::error::Error;
use super::wire::is_decimal_id;
use super::{Bridge, Capabilities, ExportFile, LikeOrder, LiveApi, ParsedRef, ReferenceError, SignIn, SignInApi};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

pub use client::{App, AppNet, Config};

const PLATFORM: Platform = Platform::AppNet;

/// The largest page that either serves.
pub const PAGE_SIZE: u32 = 200;

/// Before every id of pnut.io.
const PNUT_MARK: &str = "pnut-";

/// Which of the two an instance talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    AppNet,
    Pnut,
}

impl Dialect {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Dialect::AppNet => "appnet",
            Dialect::Pnut => "pnut",
        }
    }

    /// What a list of likes is called in paths.
    const fn likes(self) -> &'static str {
        match self {
            Dialect::AppNet => "stars",
            Dialect::Pnut => "bookmarks",
        }
    }

    fn account(self, number: &str) -> Result<ExternalId, Error> {
        Ok(ExternalId::new(PLATFORM, &self.marked(number))?)
    }

    fn object(self, number: &str) -> Result<ObjectRef, Error> {
        Ok(ObjectRef::new(PLATFORM, &self.marked(number))?)
    }

    fn marked(self, number: &str) -> String {
        match self {
            Dialect::AppNet => number.to_owned(),
            Dialect::Pnut => format!("{PNUT_MARK}{number}"),
        }
    }

    /// The number in an id of this dialect; `None` for an id of the other one.
    fn number(self, id: &str) -> Option<&str> {
        let number = match self {
            Dialect::AppNet => id,
            Dialect::Pnut => id.strip_prefix(PNUT_MARK)?,
        };
        is_decimal_id(number).then_some(number)
    }

    /// Where people find a post of which only the number is known.
    fn post_url(self, number: &str) -> String {
        match self {
            Dialect::AppNet => format!("https://posts.app.net/{number}"),
            Dialect::Pnut => format!("https://posts.pnut.io/{number}"),
        }
    }

    fn profile_url(self, handle: &str) -> String {
        match self {
            Dialect::AppNet => format!("https://alpha.app.net/{handle}"),
            Dialect::Pnut => format!("https://beta.pnut.io/@{handle}"),
        }
    }
}

impl std::str::FromStr for Dialect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Dialect, Error> {
        [Dialect::AppNet, Dialect::Pnut]
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
            .ok_or_else(|| Error::unsupported(format!("`{text}` is neither `appnet` nor `pnut`")))
    }
}

/// With an API to ask.
static LIVE: Capabilities = Capabilities {
    lists_likes_of_others: true,
    lists_own_likes: true,
    dates_likes: false,
    // By the age of the post: a new star on an old post appears in the middle.
    like_order: LikeOrder::Anywhere,
    reads_export: true,
    sign_in: SignIn::OAuth2,
    backlink_fields: &["homepage", "blog", "description"],
    page_size_max: Some(PAGE_SIZE),
    is_metered: false,
};

/// App.net as it is: closed. What people exported can still be read.
static CLOSED: Capabilities = Capabilities {
    lists_likes_of_others: false,
    lists_own_likes: false,
    sign_in: SignIn::None,
    backlink_fields: &[],
    page_size_max: None,
    ..LIVE
};

impl Bridge for AppNet {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn capabilities(&self) -> &'static Capabilities {
        if self.is_live() { &LIVE } else { &CLOSED }
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        url::parse(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        self.dialect().profile_url(handle)
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        self.is_live().then_some(self as &dyn LiveApi)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        Some(&export::Export)
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        self.door.as_ref().map(|door| door as &dyn SignInApi)
    }
}
