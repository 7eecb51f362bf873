//! How Flickr is asked: one address, a method in the query, pages by number.
//!
//! Owns three rules. Keys and signatures go to the configured interface and nowhere else: nothing that Flickr sends is
//! followed. An account is asked for by its NSID: a name is looked up once, and the pages after the first go by the id
//! that it led to. And what comes back must be of the account or photo that was asked for.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::people::{self, About};
use super::url::{is_alias, is_nsid};
use super::wire::{self, Page};
use super::{PAGE_SIZE, error};
use crate::bridges::LiveApi;
use crate::bridges::error::Error;
use crate::bridges::http::Http;
use crate::bridges::oauth1::{Consumer, OAuth1Config, OAuth1Door, get_as};
use crate::bridges::reference::ParsedRef;
use crate::bridges::value::{
    Access, Cursor, LikePage, Liker, LikesQuery, LikesReply, Media, Post, PostPage, PostsOf, Profile, Quota, Secret,
    Who,
};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::Flickr;

/// How this instance reaches Flickr.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.flickr.com/`, or the sandbox. A path in it is kept; the interface is `services/rest/` below it.
    pub base_url: Url,
    /// `https://www.flickr.com/services/oauth/`, or the sandbox.
    pub auth_url: Url,
    /// The operator's API key. Without one only the export file and pasted addresses work.
    pub api_key: Option<String>,
    /// The secret of the key; without it people cannot sign in.
    pub api_secret: Option<Secret>,
    pub user_agent: String,
}

/// The connector; cheap to share.
pub struct Flickr {
    config: Config,
    rest_url: Url,
    /// Present when the key has its secret.
    consumer: Option<Consumer>,
    http: Arc<dyn Http>,
    pub(super) door: Option<OAuth1Door>,
}

/// An address below another; an empty last segment ends it with a slash.
fn below(url: &Url, segments: &[&str]) -> Url {
    let mut url = url.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
    url
}

impl Flickr {
    pub fn new(config: Config, http: Arc<dyn Http>) -> Flickr {
        let consumer = match (&config.api_key, &config.api_secret) {
            (Some(key), Some(secret)) => Some(Consumer { key: key.clone(), secret: secret.clone() }),
            _ => None,
        };
        let door = consumer.clone().map(|consumer| {
            let config = OAuth1Config {
                request_token_url: below(&config.auth_url, &["request_token"]),
                authorize_url: below(&config.auth_url, &["authorize"]),
                access_token_url: below(&config.auth_url, &["access_token"]),
                consumer,
                // To know who somebody is and what they like, nothing has to be written.
                extra: vec![("perms".to_owned(), "read".to_owned())],
                user_agent: config.user_agent.clone(),
            };
            OAuth1Door::new(config, Arc::clone(&http))
        });
        let rest_url = below(&config.base_url, &["services", "rest", ""]);
        Flickr { config, rest_url, consumer, http, door }
    }

    pub(super) fn has_key(&self) -> bool {
        self.config.api_key.is_some()
    }

    /// Who likes a photo, one page; the way to see the likes of a claimed creator's work at once.
    pub async fn likers(
        &self,
        photo: &ObjectRef,
        cursor: Option<&Cursor>,
        access: &Access,
    ) -> Result<(Vec<Liker>, Option<Cursor>), Error> {
        let place = Place::of(cursor)?;
        let number = place.page.to_string();
        // This method serves at most 50 people on a page.
        let arguments = [("photo_id", photo_number(photo)?), ("per_page", "50"), ("page", &number)];
        let page = people::likers(&self.call("flickr.photos.getFavorites", &arguments, access).await?)?;
        let next = place.next(&page)?;
        Ok((page.found.items, next))
    }

    /// Every file of a photo, smallest first: what a list and a single photo do not tell.
    pub async fn files(&self, photo: &ObjectRef, access: &Access) -> Result<Vec<Media>, Error> {
        let arguments = [("photo_id", photo_number(photo)?)];
        Ok(wire::sizes(&self.call("flickr.photos.getSizes", &arguments, access).await?)?.items)
    }

    /// Asks a method, and turns refusals into errors.
    async fn call(&self, method: &str, arguments: &[(&str, &str)], access: &Access) -> Result<Vec<u8>, Error> {
        let key = self.config.api_key.as_deref().ok_or_else(|| Error::unsupported("Flickr needs an API key"))?;
        let mut url = self.rest_url.clone();
        url.query_pairs_mut()
            .append_pair("method", method)
            .extend_pairs(arguments)
            .append_pair("format", "json")
            .append_pair("nojsoncallback", "1");
        let request = get_as(access, ("api_key", key), self.consumer.as_ref(), url, &self.config.user_agent)?;
        let reply = self.http.send(&request).await?;
        match reply.status {
            200 => match error::reported(&reply.body) {
                Some(error) => Err(error),
                None => Ok(reply.body),
            },
            _ => Err(error::classify(&reply)),
        }
    }

    /// The account that a question is about. A name is looked up now: it may belong to somebody else by tomorrow.
    async fn account_of(&self, who: &Who, access: &Access) -> Result<ExternalId, Error> {
        match who {
            Who::Id(id) => {
                checked_nsid(id)?;
                Ok(id.clone())
            }
            Who::Handle(handle) if is_nsid(handle) => Ok(ExternalId::new(PLATFORM, handle)?),
            Who::Handle(handle) if is_alias(handle) => {
                let address = format!("https://www.flickr.com/photos/{handle}/");
                people::user(&self.call("flickr.urls.lookupUser", &[("url", &address)], access).await?)
            }
            // Not the name in addresses, but the one on the screen, which may have spaces.
            Who::Handle(handle) if !handle.trim().is_empty() && !handle.contains('/') => {
                people::user(&self.call("flickr.people.findByUsername", &[("username", handle)], access).await?)
            }
            Who::Handle(handle) => Err(Error::NotFound { message: format!("`{handle}` is not a name on Flickr") }),
            Who::TokenOwner => match access {
                Access::User(_) => people::user(&self.call("flickr.test.login", &[], access).await?),
                Access::Instance => {
                    Err(Error::Unauthorized { expired: false, message: "nobody is signed in".to_owned() })
                }
            },
        }
    }

    async fn about(&self, id: &ExternalId, access: &Access) -> Result<About, Error> {
        let about =
            people::about(&self.call("flickr.profile.getProfile", &[("user_id", id.account())], access).await?)?;
        same(id, &about.id)?;
        Ok(about)
    }
}

/// Where a listing stands: the page to ask for, and whose list it is.
struct Place {
    page: u32,
    account: Option<ExternalId>,
}

impl Place {
    fn of(cursor: Option<&Cursor>) -> Result<Place, Error> {
        let Some(cursor) = cursor else { return Ok(Place { page: 1, account: None }) };
        let foreign = || Error::malformed("the cursor is not of this listing");
        let (page, account) = cursor.as_str().split_once(':').ok_or_else(foreign)?;
        let page = page.parse().ok().filter(|page| *page > 1).ok_or_else(foreign)?;
        let account = match account {
            "" => None,
            nsid if is_nsid(nsid) => Some(ExternalId::new(PLATFORM, nsid)?),
            _ => return Err(foreign()),
        };
        Ok(Place { page, account })
    }

    /// The place after a page.
    ///
    /// - errors: when another page came than the one asked for; read on, it would hide likes.
    fn next<T>(&self, page: &Page<T>) -> Result<Option<Cursor>, Error> {
        // A list that became shorter while it was read may end before the page asked for.
        if page.page != self.page && self.page <= page.pages {
            return Err(Error::malformed(format!("asked for page {}, got page {}", self.page, page.page)));
        }
        let account = self.account.as_ref().map_or("", ExternalId::account);
        Ok((self.page < page.pages).then(|| Cursor::new(format!("{}:{account}", self.page + 1))))
    }
}

#[async_trait]
impl LiveApi for Flickr {
    /// Two requests, three by name: Flickr tells the website apart from the rest.
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let id = self.account_of(who, access).await?;
        let mut profile =
            people::person(&self.call("flickr.people.getInfo", &[("user_id", id.account())], access).await?)?;
        same(&id, &profile.id)?;
        let about = self.about(&id, access).await?;
        profile.website = about.website;
        profile.bio = profile.bio.or(about.description);
        Ok(profile)
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        let mut place = Place::of(query.cursor.as_ref())?;
        match (&place.account, &query.who) {
            (Some(account), Who::Id(id)) => same(id, account)?,
            (Some(_), _) => {}
            (None, who) => place.account = Some(self.account_of(who, &query.access).await?),
        }
        let account = place.account.clone().expect("set above");
        // Signed, Flickr shows what that person may see: more than to strangers, who see only what is safe.
        let method = match query.access {
            Access::Instance => "flickr.favorites.getPublicList",
            Access::User(_) => "flickr.favorites.getList",
        };
        let (size, number) = (PAGE_SIZE.to_string(), place.page.to_string());
        let arguments =
            [("user_id", account.account()), ("extras", wire::EXTRAS), ("per_page", &size), ("page", &number)];
        let page = wire::favorites(&self.call(method, &arguments, &query.access).await?)?;
        Ok(LikesReply::Page(LikePage {
            next: place.next(&page)?,
            items: page.found.items,
            hidden: page.found.hidden,
            unreadable: page.found.unreadable,
            quota: Quota::default(),
            etag: None,
        }))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(account) = of else {
            return Err(Error::unsupported("nothing hangs below a photo on Flickr"));
        };
        let nsid = checked_nsid(account)?;
        let mut place = Place::of(cursor)?;
        if let Some(of_cursor) = &place.account {
            same(account, of_cursor)?;
        }
        place.account = Some(account.clone());
        let (size, number) = (PAGE_SIZE.to_string(), place.page.to_string());
        let arguments = [("user_id", nsid), ("extras", wire::EXTRAS), ("per_page", &size), ("page", &number)];
        let page = wire::photos(&self.call("flickr.people.getPublicPhotos", &arguments, access).await?)?;
        if page.found.items.iter().any(|post| post.owner.as_ref() != Some(account)) {
            return Err(Error::malformed(format!("asked for photos of {account}, got somebody else's too")));
        }
        Ok(PostPage {
            next: place.next(&page)?,
            items: page.found.items,
            unreadable: page.found.unreadable,
            quota: Quota::default(),
        })
    }

    async fn post(&self, object: &ObjectRef, _hint_url: Option<&str>, access: &Access) -> Result<Post, Error> {
        let arguments = [("photo_id", photo_number(object)?)];
        let post = wire::photo(&self.call("flickr.photos.getInfo", &arguments, access).await?)?;
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        match &reference.post_id {
            Some(id) if reference.platform == PLATFORM => self.post(&ObjectRef::new(PLATFORM, id)?, None, access).await,
            _ => Err(Error::unsupported(format!("{} does not name a photo", reference.canonical_url))),
        }
    }
}

fn same(asked: &ExternalId, got: &ExternalId) -> Result<(), Error> {
    if asked == got { Ok(()) } else { Err(Error::malformed(format!("asked for {asked}, got {got}"))) }
}

fn checked_nsid(id: &ExternalId) -> Result<&str, Error> {
    let nsid = Who::account_on(id, PLATFORM)?;
    if is_nsid(nsid) { Ok(nsid) } else { Err(Error::unsupported(format!("`{nsid}` is not the id of an account"))) }
}

fn photo_number(object: &ObjectRef) -> Result<&str, Error> {
    if object.platform() == PLATFORM && is_decimal_id(object.object()) {
        Ok(object.object())
    } else {
        Err(Error::unsupported(format!("{object} is not the number of a photo on {PLATFORM}")))
    }
}
