//! How 500px was asked, and a server that speaks its old interface still is.
//!
//! Owns three rules. Keys and signatures go to the configured interface and nowhere else: nothing that it sends is
//! followed. Favourites are read where they are: in galleries of kind 5, or, on a server of before December 2015 that
//! knows no galleries, in the list `user_favorites`. And what comes back must be of the account or photo asked for.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::url::is_username;
use super::wire::{self, Page};
use super::{PAGE_SIZE, error};
use crate::bridges::LiveApi;
use crate::bridges::error::Error;
use crate::bridges::http::Http;
use crate::bridges::oauth1::{Consumer, OAuth1Config, OAuth1Door, get_as};
use crate::bridges::reference::ParsedRef;
use crate::bridges::value::{
    Access, Cursor, LikePage, Liker, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Quota, Secret, Who,
};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::FiveHundredPx;
/// More galleries of favourites than this are a loop or an attack.
const GALLERIES_MAX: usize = 100;
/// A thumbnail and the largest.
const SIZES: [(&str, &str); 2] = [("image_size[]", "3"), ("image_size[]", "4")];

/// How this instance reads 500px.
#[derive(Clone, Debug)]
pub struct Config {
    /// A server that speaks the interface of before 2018, such as the sandbox; `v1/` is below it. `None` is the normal
    /// case: 500px's own is closed.
    pub base_url: Option<Url>,
    /// Where people sign in; `v1/oauth/` below the base when absent.
    pub auth_url: Option<Url>,
    pub consumer_key: Option<String>,
    /// Without it people cannot sign in.
    pub consumer_secret: Option<Secret>,
    pub user_agent: String,
}

/// The connector; cheap to share.
pub struct FiveHundredPx {
    server: Option<Server>,
    user_agent: String,
    http: Arc<dyn Http>,
    pub(super) door: Option<OAuth1Door>,
}

struct Server {
    base_url: Url,
    key: String,
    /// Present when the key has its secret.
    consumer: Option<Consumer>,
}

fn below(url: &Url, segments: &[&str]) -> Url {
    let mut url = url.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
    url
}

impl FiveHundredPx {
    pub fn new(config: Config, http: Arc<dyn Http>) -> FiveHundredPx {
        let server = config.base_url.zip(config.consumer_key).map(|(base_url, key)| {
            let consumer = config.consumer_secret.map(|secret| Consumer { key: key.clone(), secret });
            Server { base_url, key, consumer }
        });
        let door = server.as_ref().and_then(|server| {
            let auth_url = config.auth_url.unwrap_or_else(|| below(&server.base_url, &["v1", "oauth"]));
            let config = OAuth1Config {
                request_token_url: below(&auth_url, &["request_token"]),
                authorize_url: below(&auth_url, &["authorize"]),
                access_token_url: below(&auth_url, &["access_token"]),
                consumer: server.consumer.clone()?,
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            Some(OAuth1Door::new(config, Arc::clone(&http)))
        });
        FiveHundredPx { server, user_agent: config.user_agent, http, door }
    }

    pub(super) fn is_open(&self) -> bool {
        self.server.is_some()
    }

    /// Who voted for a photo, the first page. A vote is no favourite.
    pub async fn voters(&self, photo: &ObjectRef, access: &Access) -> Result<Vec<Liker>, Error> {
        let reply = self.get(&["photos", photo_number(photo)?, "votes"], &[], access).await?;
        Ok(wire::voters(&reply)?.items)
    }

    async fn get(&self, segments: &[&str], query: &[(&str, &str)], access: &Access) -> Result<Vec<u8>, Error> {
        let closed = || Error::unsupported("the interface of 500px is closed: import saved pages or addresses");
        let server = self.server.as_ref().ok_or_else(closed)?;
        let mut url = below(&below(&server.base_url, &["v1"]), segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let key = ("consumer_key", server.key.as_str());
        let request = get_as(access, key, server.consumer.as_ref(), url, &self.user_agent)?;
        let reply = self.http.send(&request).await?;
        match reply.status {
            200 => match error::reported(&reply.body) {
                Some(error) => Err(error),
                None => Ok(reply.body),
            },
            _ => Err(error::classify(&reply)),
        }
    }

    async fn account_of(&self, who: &Who, access: &Access) -> Result<ExternalId, Error> {
        match who {
            Who::Id(id) => {
                checked_number(id)?;
                Ok(id.clone())
            }
            Who::Handle(_) | Who::TokenOwner => Ok(self.profile(who, access).await?.id),
        }
    }

    /// Where the favourites of an account are, and whether some may be hidden.
    async fn beginning(&self, account: ExternalId, access: &Access) -> Result<Option<Place>, Error> {
        let path = ["users", checked_number(&account)?, "galleries"];
        let query = [("kinds", wire::FAVORITES_KIND), ("rpp", "100")];
        let galleries = match self.get(&path, &query, access).await {
            Ok(reply) => {
                let (found, has_more) = wire::galleries(&reply)?;
                if has_more || found.unreadable > 0 || found.items.len() > GALLERIES_MAX {
                    return Err(Error::malformed("not every gallery of favourites can be read"));
                }
                found.items
            }
            // Either a server that knows no galleries, or there is no such account: an empty list must not stand in
            // for somebody who left.
            Err(Error::NotFound { .. }) => {
                self.profile(&Who::Id(account.clone()), access).await?;
                return Ok(Some(Place { page: 1, account, galleries: None }));
            }
            Err(error) => return Err(error),
        };
        Ok((!galleries.is_empty()).then_some(Place { page: 1, account, galleries: Some(galleries) }))
    }

    async fn likes_at(&self, place: &Place, access: &Access) -> Result<LikePage, Error> {
        let (size, number) = (PAGE_SIZE.to_string(), place.page.to_string());
        let mut query = vec![("rpp", size.as_str()), ("page", &number), ("tags", "1")];
        query.extend(SIZES);
        let user = checked_number(&place.account)?;
        let reply = match place.galleries.as_deref() {
            Some([gallery, ..]) => self.get(&["users", user, "galleries", gallery, "items"], &query, access).await?,
            _ => {
                query.extend([("feature", wire::FAVORITES), ("user_id", user), ("sort", "created_at")]);
                self.get(&["photos"], &query, access).await?
            }
        };
        let page = wire::favorites(&reply)?;
        if let Some(of) = &page.of {
            same(&place.account, of)?;
        }
        Ok(LikePage {
            next: place.next(&page)?.map(|place| place.cursor()),
            items: page.found.items,
            hidden: page.found.hidden,
            unreadable: page.found.unreadable,
            quota: Quota::default(),
            etag: None,
        })
    }
}

/// Where a listing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    page: u32,
    account: ExternalId,
    /// The gallery that is read and those after it; `None` for the list of before galleries.
    galleries: Option<Vec<String>>,
}

impl Place {
    /// `f:<page>:<account>` or `g:<page>:<account>:<gallery>,<gallery>`
    fn cursor(&self) -> Cursor {
        let account = self.account.account();
        Cursor::new(match &self.galleries {
            None => format!("f:{}:{account}", self.page),
            Some(galleries) => format!("g:{}:{account}:{}", self.page, galleries.join(",")),
        })
    }

    fn of(cursor: &Cursor) -> Result<Place, Error> {
        let foreign = || Error::malformed("the cursor is not of this listing");
        let parts: Vec<&str> = cursor.as_str().split(':').collect();
        let (page, account, galleries) = match parts.as_slice() {
            ["f", page, account] => (page, account, None),
            ["g", page, account, galleries] => {
                let galleries: Vec<String> = galleries.split(',').map(str::to_owned).collect();
                let is_good = galleries.len() <= GALLERIES_MAX && galleries.iter().all(|id| is_decimal_id(id));
                (page, account, Some(is_good.then_some(galleries).ok_or_else(foreign)?))
            }
            _ => return Err(foreign()),
        };
        let page = page.parse().ok().filter(|page| *page > 0).ok_or_else(foreign)?;
        if !is_decimal_id(account) {
            return Err(foreign());
        }
        Ok(Place { page, account: ExternalId::new(PLATFORM, account)?, galleries })
    }

    /// The place after a page: the next page, or the first of the next gallery.
    fn next<T>(&self, page: &Page<T>) -> Result<Option<Place>, Error> {
        following(self.page, page)?;
        if self.page < page.pages {
            return Ok(Some(Place { page: self.page + 1, ..self.clone() }));
        }
        let rest = self.galleries.as_deref().and_then(|galleries| galleries.get(1..)).unwrap_or_default();
        let galleries = Some(rest.to_vec());
        Ok((!rest.is_empty()).then(|| Place { page: 1, account: self.account.clone(), galleries }))
    }
}

/// Refuses another page than the one asked for; read on, it would hide likes. A list that became shorter while it was
/// read ends before the page asked for.
fn following<T>(asked: u32, page: &Page<T>) -> Result<(), Error> {
    if page.page != asked && asked <= page.pages {
        return Err(Error::malformed(format!("asked for page {asked}, got page {}", page.page)));
    }
    Ok(())
}

#[async_trait]
impl LiveApi for FiveHundredPx {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let reply = match who {
            Who::Id(id) => self.get(&["users", "show"], &[("id", checked_number(id)?)], access).await?,
            Who::Handle(name) if is_username(name) => {
                self.get(&["users", "show"], &[("username", name)], access).await?
            }
            Who::Handle(name) => return Err(Error::NotFound { message: format!("`{name}` is not a name on 500px") }),
            Who::TokenOwner => match access {
                Access::User(_) => self.get(&["users"], &[], access).await?,
                Access::Instance => {
                    return Err(Error::Unauthorized { expired: false, message: "nobody is signed in".to_owned() });
                }
            },
        };
        let profile = wire::profile(&reply)?;
        if let Who::Id(id) = who {
            same(id, &profile.id)?;
        }
        Ok(profile)
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        let place = match &query.cursor {
            Some(cursor) => Some(Place::of(cursor)?),
            None => {
                let account = self.account_of(&query.who, &query.access).await?;
                self.beginning(account, &query.access).await?
            }
        };
        let Some(place) = place else {
            // A gallery that its owner hid looks like one that never was. So nothing may be concluded from this page:
            // it counts as one item that could not be read.
            return Ok(LikesReply::Page(LikePage { unreadable: 1, ..LikePage::default() }));
        };
        if let Who::Id(id) = &query.who {
            same(id, &place.account)?;
        }
        Ok(LikesReply::Page(self.likes_at(&place, &query.access).await?))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(account) = of else {
            return Err(Error::unsupported("nothing hangs below a photo on 500px"));
        };
        let user = checked_number(account)?;
        let number = cursor.map_or("1", Cursor::as_str);
        let asked = number.parse().ok().filter(|page: &u32| *page > 0);
        let asked = asked.ok_or_else(|| Error::malformed("the cursor is not of this listing"))?;
        let size = PAGE_SIZE.to_string();
        let mut query = vec![("feature", "user"), ("user_id", user), ("sort", "created_at"), ("rpp", &size)];
        query.extend([("page", number), ("tags", "1")]);
        query.extend(SIZES);
        let page = wire::photos(&self.get(&["photos"], &query, access).await?)?;
        following(asked, &page)?;
        if page.found.items.iter().any(|post| post.owner.as_ref() != Some(account)) {
            return Err(Error::malformed(format!("asked for photos of {account}, got somebody else's too")));
        }
        Ok(PostPage {
            next: (asked < page.pages).then(|| Cursor::new((asked + 1).to_string())),
            items: page.found.items,
            unreadable: page.found.unreadable,
            quota: Quota::default(),
        })
    }

    async fn post(&self, object: &ObjectRef, _hint_url: Option<&str>, access: &Access) -> Result<Post, Error> {
        let mut query = vec![("tags", "1")];
        query.extend(SIZES);
        let post = wire::photo(&self.get(&["photos", photo_number(object)?], &query, access).await?)?;
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

fn checked_number(id: &ExternalId) -> Result<&str, Error> {
    let number = Who::account_on(id, PLATFORM)?;
    let is_id = is_decimal_id(number);
    if is_id { Ok(number) } else { Err(Error::unsupported(format!("`{number}` is not an account number"))) }
}

fn photo_number(object: &ObjectRef) -> Result<&str, Error> {
    if object.platform() == PLATFORM && is_decimal_id(object.object()) {
        Ok(object.object())
    } else {
        Err(Error::unsupported(format!("{object} is not the number of a photo on {PLATFORM}")))
    }
}
