//! Flickr's replies about accounts, read into our values.
//!
//! Owns the two halves of a profile: Flickr tells the description in one reply and the website in another, and a claim
//! may stand in either. An account is its NSID throughout; names only lead to one. Source: the methods' pages below
//! flickr.com/services/api.

use serde::Deserialize;
use serde_json::Value;

use super::wire::{Content, Page, account, number, parse, text};
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, Liker, Profile};
use crate::bridges::wire::{Text, described, epoch, items, written};
use crate::domain::identity::ExternalId;

/// Who likes a photo, from `flickr.photos.getFavorites`.
pub fn likers(bytes: &[u8]) -> Result<Page<Liker>, Error> {
    #[derive(Deserialize)]
    struct Reply {
        photo: List,
    }
    #[derive(Deserialize)]
    struct List {
        page: Text,
        pages: Text,
        person: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Person {
        nsid: String,
        username: Option<Text>,
        favedate: Option<Text>,
    }
    let Reply { photo } = parse(bytes)?;
    let found = items(photo.person, |person: Person| {
        let account = account(&person.nsid)?;
        let handle = written(person.username.map(|name| name.0)).unwrap_or(person.nsid);
        Ok(Some(Liker { account, handle, liked_at: person.favedate.as_ref().map(epoch).transpose()? }))
    })?;
    Ok(Page { found, page: number(&photo.page, "a page")?, pages: number(&photo.pages, "pages")? })
}

#[derive(Deserialize)]
struct WirePerson {
    nsid: String,
    is_deleted: Option<Text>,
    iconserver: Option<Text>,
    iconfarm: Option<Text>,
    path_alias: Option<String>,
    username: Option<Content>,
    realname: Option<Content>,
    description: Option<Content>,
    profileurl: Option<Content>,
}

/// A profile from `flickr.people.getInfo`. Its website is in another reply: see [`About`].
///
/// - errors: [`Error::Gone`] for an account that Flickr calls deleted.
pub fn person(bytes: &[u8]) -> Result<Profile, Error> {
    #[derive(Deserialize)]
    struct Reply {
        person: WirePerson,
    }
    let Reply { person } = parse(bytes)?;
    if person.is_deleted.is_some_and(|flag| flag.0 == "1") {
        return Err(Error::Gone { message: "the account is deleted".to_owned() });
    }
    let id = account(&person.nsid)?;
    let handle = written(person.path_alias).unwrap_or_else(|| person.nsid.clone());
    let avatar_url = match (person.iconserver, person.iconfarm) {
        (Some(server), Some(farm)) if server.0 != "0" => {
            Some(format!("https://farm{}.staticflickr.com/{}/buddyicons/{}.jpg", farm.0, server.0, person.nsid))
        }
        _ => None,
    };
    Ok(Profile {
        id,
        profile_url: text(person.profileurl).unwrap_or_else(|| format!("https://www.flickr.com/people/{handle}/")),
        handle,
        display_name: text(person.realname).or(text(person.username)),
        bio: described(text(person.description)),
        website: None,
        links: Vec::new(),
        avatar_url,
        kind: ActorKind::Person,
        refuses_bridges: Some(false),
    })
}

/// What an account tells of itself elsewhere than in [`person`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub id: ExternalId,
    pub website: Option<String>,
    pub description: Option<String>,
}

/// The other half of a profile, from `flickr.profile.getProfile`.
pub fn about(bytes: &[u8]) -> Result<About, Error> {
    #[derive(Deserialize)]
    struct Reply {
        profile: WireProfile,
    }
    #[derive(Deserialize)]
    struct WireProfile {
        id: Option<String>,
        nsid: Option<String>,
        website: Option<Content>,
        description: Option<Content>,
    }
    let Reply { profile } = parse(bytes)?;
    let id = profile.id.or(profile.nsid).ok_or_else(|| Error::malformed("the profile names no account"))?;
    Ok(About { id: account(&id)?, website: text(profile.website), description: described(text(profile.description)) })
}

/// Whose name, address or token it is: from `flickr.urls.lookupUser`, `flickr.people.findByUsername` or
/// `flickr.test.login`.
pub fn user(bytes: &[u8]) -> Result<ExternalId, Error> {
    #[derive(Deserialize)]
    struct Reply {
        user: WireUser,
    }
    #[derive(Deserialize)]
    struct WireUser {
        id: String,
    }
    let Reply { user } = parse(bytes)?;
    account(&user.id)
}
