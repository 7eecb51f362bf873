//! Who and what, in the platforms' own terms: an account on a platform, and a post there.
//!
//! Owns the rule that identity is the platform plus its *stable* id, never a handle: handles are renamed and reused. Ids
//! are opaque text; they exceed 2^53, carry `@` or are URNs, and nothing here looks inside them.

use std::fmt;
use std::str::FromStr;

macro_rules! platforms {
    ($($name:ident, $slug:literal, $label:literal;)*) => {
        /// Where an account or a post lives. `Fediverse` is the ninth door: native ActivityPub actors and objects.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Platform {
            $($name,)*
        }

        impl Platform {
            pub const ALL: [Platform; [$($slug),*].len()] = [$(Platform::$name),*];

            /// The name used in ids, handles, configuration and addresses.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Platform::$name => $slug,)*
                }
            }

            /// The name that people read.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Platform::$name => $label,)*
                }
            }
        }
    };
}

// One line for each platform. The fediverse stays last: where any host may be meant, it is asked after all others.
platforms! {
    Twitter, "twitter", "Twitter";
    Instagram, "instagram", "Instagram";
    Vimeo, "vimeo", "Vimeo";
    SoundCloud, "soundcloud", "SoundCloud";
    AppNet, "appnet", "App.net";
    GitHub, "github", "GitHub";
    Flickr, "flickr", "Flickr";
    FiveHundredPx, "500px", "500px";
    Fediverse, "fediverse", "Fediverse";
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl FromStr for Platform {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Platform::ALL
            .into_iter()
            .find(|platform| platform.slug() == text)
            .ok_or_else(|| IdentityError::UnknownPlatform(text.chars().take(40).collect()))
    }
}

/// Why a text does not name an account or a post.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "`{0}` is not a platform; known are twitter, instagram, vimeo, soundcloud, appnet, github, flickr, 500px, fediverse"
    )]
    UnknownPlatform(String),
    #[error("an id must have 1 to 1,000 characters and no control characters")]
    BadId,
    #[error("`{0}` does not name an account: write platform:id, such as github:1024025")]
    NotAnExternalId(String),
}

/// An account on a platform, by its stable id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId {
    platform: Platform,
    account: String,
}

/// A post on a platform, by its stable id. It contains no owner: the payee is looked up by the patron's home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    platform: Platform,
    object: String,
}

/// Ids are hashed between line feeds, so none may contain one.
fn checked_id(id: &str) -> Result<String, IdentityError> {
    let fits = !id.is_empty() && id.len() <= 1_000 && !id.chars().any(char::is_control);
    if fits { Ok(id.to_owned()) } else { Err(IdentityError::BadId) }
}

impl ExternalId {
    pub fn new(platform: Platform, account: &str) -> Result<ExternalId, IdentityError> {
        Ok(ExternalId { platform, account: checked_id(account)? })
    }

    pub fn platform(&self) -> Platform {
        self.platform
    }

    pub fn account(&self) -> &str {
        &self.account
    }
}

/// `github:1024025`
impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.account)
    }
}

impl FromStr for ExternalId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let (platform, account) =
            text.split_once(':').ok_or_else(|| IdentityError::NotAnExternalId(text.chars().take(80).collect()))?;
        ExternalId::new(platform.parse()?, account)
    }
}

impl ObjectRef {
    pub fn new(platform: Platform, object: &str) -> Result<ObjectRef, IdentityError> {
        Ok(ObjectRef { platform, object: checked_id(object)? })
    }

    pub fn platform(&self) -> Platform {
        self.platform
    }

    pub fn object(&self) -> &str {
        &self.object
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_reads_back() {
        for text in ["github:1024025", "flickr:26545877@N00", "soundcloud:soundcloud:users:7", "500px:12"] {
            assert_eq!(text.parse::<ExternalId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn ids_that_could_forge_a_hash_are_refused() {
        assert_eq!(ObjectRef::new(Platform::GitHub, "1\n2"), Err(IdentityError::BadId));
        assert_eq!(ObjectRef::new(Platform::GitHub, ""), Err(IdentityError::BadId));
        assert_eq!("myspace:1".parse::<ExternalId>(), Err(IdentityError::UnknownPlatform("myspace".into())));
    }
}
