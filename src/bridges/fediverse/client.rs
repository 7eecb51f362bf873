//! How servers are asked: names looked up, documents and lists read.
//!
//! Owns three rules. A token goes to the server that it names and nowhere else: a page or a redirect that leads away is
//! refused. A document is believed only under its own URI, from its own origin. And nothing is asked of a host that is no
//! public name; the client below guards the address behind it.

use std::sync::Arc;

use ::url::Url;
use async_trait::async_trait;

use super::door::{Apps, Door};
use super::{PAGE_SIZE, error, url as address, wire};
use crate::bridges::LiveApi;
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply};
use crate::bridges::reference::{ParsedRef, RefKind};
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Who,
};
use crate::bridges::wire::next_link;
use crate::domain::identity::{ObjectRef, Platform};

const PLATFORM: Platform = Platform::Fediverse;
pub(super) const ACCEPT_JSON: &str = "application/json";
/// Both names of the form; which one a server knows depends on its age.
const ACCEPT_ACTIVITY: &str =
    "application/activity+json, application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"";
const ACCEPT_JRD: &str = "application/jrd+json, application/json";
const REDIRECTS_MAX: usize = 3;

/// How this instance reaches the fediverse.
#[derive(Clone, Debug)]
pub struct Config {
    pub user_agent: String,
    /// What people read when a server asks them: name and address of this instance.
    pub client_name: String,
    pub website: String,
    /// Servers on loopback too, by http; for tests and demonstrations.
    pub allows_local: bool,
}

/// The connector; cheap to share.
pub struct Fediverse {
    pub(super) asker: Asker,
    pub(super) door: Door,
}

/// What asks, for the connector and for its door.
#[derive(Clone)]
pub(super) struct Asker {
    pub config: Config,
    pub http: Arc<dyn Http>,
    /// As `http`, in the name of this instance: many servers show their documents only to who says who they are.
    documents: Arc<dyn Http>,
}

/// Which redirects are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirects {
    /// On the same server.
    Inside,
    /// To any server: what is asked is public and carries no token.
    Anywhere,
}

impl Asker {
    /// The URI of the account behind a handle.
    pub async fn actor_of(&self, handle: &str) -> Result<Url, Error> {
        let found = address::handle(handle)
            .ok_or_else(|| Error::unsupported(format!("`{handle}` is no whole name, such as mira@social.example")))?;
        let mut url = self.server(&found.host)?;
        url.set_path("/.well-known/webfinger");
        url.query_pairs_mut().append_pair("resource", &format!("acct:{}@{}", found.user, found.host));
        let reply = self.get(&*self.http, url, ACCEPT_JRD, None, Redirects::Anywhere).await?;
        let uri = wire::webfinger(&reply.body)?;
        self.uri(&uri)
    }

    pub fn server(&self, host: &str) -> Result<Url, Error> {
        address::server(host, self.config.allows_local)
            .ok_or_else(|| Error::unsupported(format!("`{host}` is not the name of a public server")))
    }

    fn uri(&self, text: &str) -> Result<Url, Error> {
        address::uri(text, self.config.allows_local)
            .ok_or_else(|| Error::malformed(format!("`{text}` is no address of a public server")))
    }

    /// Asks and follows redirects; failing statuses are errors.
    async fn get(
        &self,
        http: &dyn Http,
        mut url: Url,
        accept: &'static str,
        token: Option<&str>,
        redirects: Redirects,
    ) -> Result<HttpReply, Error> {
        let mut headers =
            vec![Header::new("accept", accept), Header::new("user-agent", self.config.user_agent.as_str())];
        if let Some(token) = token {
            headers.push(Header::new("authorization", format!("Bearer {token}")));
        }
        for _ in 0..=REDIRECTS_MAX {
            let reply = http.get(&url, &headers).await?;
            match reply.status {
                200 => return Ok(reply),
                301..=303 | 307 | 308 => {
                    let target =
                        reply.headers.get("location").ok_or_else(|| Error::malformed("a redirect to nowhere"))?;
                    let target = url.join(target).map_err(|_| Error::malformed("a redirect to nowhere"))?;
                    if target.origin() != url.origin() && (redirects == Redirects::Inside || token.is_some()) {
                        let host = target.host_str().unwrap_or("no host");
                        return Err(Error::malformed(format!("a redirect leads away from the server, to {host}")));
                    }
                    url = self.uri(target.as_str())?;
                }
                _ => return Err(error::classify(&reply)),
            }
        }
        Err(Error::malformed("the redirects do not come to an end"))
    }

    /// A document of the fediverse, from its own server.
    async fn document(&self, url: &Url) -> Result<HttpReply, Error> {
        self.get(&*self.documents, url.clone(), ACCEPT_ACTIVITY, None, Redirects::Inside).await
    }

    /// Something of the client interface.
    pub async fn api(&self, url: Url, token: Option<&str>) -> Result<HttpReply, Error> {
        self.get(&*self.http, url, ACCEPT_JSON, token, Redirects::Inside).await
    }
}

impl Fediverse {
    /// - `http`: for everything with a token, and for what any visitor may ask.
    /// - `documents`: for ActivityStreams documents; signs, where the instance can.
    /// - `apps`: what servers know this instance as.
    pub fn new(config: Config, http: Arc<dyn Http>, documents: Arc<dyn Http>, apps: Arc<dyn Apps>) -> Fediverse {
        let asker = Asker { config, http, documents };
        Fediverse { door: Door::new(asker.clone(), apps), asker }
    }

    /// Where people find the account of a handle.
    pub(super) fn page_of(&self, handle: &str) -> String {
        let found = address::handle(handle);
        let server = found.as_ref().and_then(|found| address::server(&found.host, self.asker.config.allows_local));
        server.zip(found).map(|(server, found)| format!("{server}@{}", found.user)).unwrap_or_default()
    }

    /// An address below a server's API.
    fn at(server: &Url, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = server.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// A later page, which may have been stored long ago.
    fn page(server: &Url, path: &str, text: &str) -> Result<Url, Error> {
        let url = server.join(text).map_err(|_| Error::malformed("the next page is no address"))?;
        let is_ours = url.origin() == server.origin()
            && url.path() == path
            && url.username().is_empty()
            && url.password().is_none();
        if is_ours {
            Ok(url)
        } else {
            let host = url.host_str().unwrap_or("no host").to_owned();
            Err(Error::malformed(format!("the next page leads away from the list, to {host}")))
        }
    }

    fn next(server: &Url, path: &str, reply: &HttpReply) -> Result<Option<Cursor>, Error> {
        let Some(link) = reply.headers.get("link").and_then(next_link) else { return Ok(None) };
        Ok(Some(Cursor::new(Fediverse::page(server, path, link)?)))
    }

    async fn account_at(&self, uri: &Url) -> Result<Profile, Error> {
        wire::actor(&self.asker.document(uri).await?.body, uri)
    }

    /// Whose token it is. The server is believed only about an account of its own.
    async fn token_owner(&self, server: &Url, token: &str) -> Result<Profile, Error> {
        let url = Fediverse::at(server, "/api/v1/accounts/verify_credentials", &[]);
        let account = wire::account(&self.asker.api(url, Some(token)).await?.body)?;
        let uri = match &account.uri {
            Some(uri) => self.asker.uri(uri)?,
            // Before Mastodon 4.2, and in other software: the server's own WebFinger knows.
            None => {
                let host = address::host_of(server).unwrap_or_default();
                self.asker.actor_of(&format!("{}@{host}", account.username)).await?
            }
        };
        if uri.origin() != server.origin() {
            return Err(Error::malformed("the server names an account of another server as its own"));
        }
        account.into_profile(&uri)
    }
}

/// The server and the token of a credential.
pub(super) fn credential(access: &Access) -> Result<(Url, &str), Error> {
    match access {
        Access::User(Credential::Bearer(secret)) => address::bound(secret),
        Access::User(Credential::Signed { .. }) => Err(Error::unsupported("the fediverse takes no signed requests")),
        Access::Instance => {
            let message = "a server shows this only to the account itself, which has to sign in".to_owned();
            Err(Error::Unauthorized { expired: false, message })
        }
    }
}

#[async_trait]
impl LiveApi for Fediverse {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        match who {
            Who::Id(id) => self.account_at(&self.asker.uri(Who::account_on(id, PLATFORM)?)?).await,
            Who::Handle(handle) => self.account_at(&self.asker.actor_of(handle).await?).await,
            Who::TokenOwner => {
                let (server, token) = credential(access)?;
                self.token_owner(&server, token).await
            }
        }
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        const PATH: &str = "/api/v1/favourites";
        if query.who != Who::TokenOwner {
            return Err(Error::unsupported("a server shows favourites only to the account itself"));
        }
        let (server, token) = credential(&query.access)?;
        let url = match &query.cursor {
            Some(cursor) => Fediverse::page(&server, PATH, cursor.as_str())?,
            None => Fediverse::at(&server, PATH, &[("limit", &PAGE_SIZE.to_string())]),
        };
        let reply = self.asker.api(url, Some(token)).await?;
        let found = wire::favourites(&reply.body, &server, self.asker.config.allows_local)?;
        Ok(LikesReply::Page(LikePage {
            items: found.items,
            hidden: found.hidden,
            unreadable: found.unreadable,
            next: Fediverse::next(&server, PATH, &reply)?,
            quota: error::quota(&reply.headers),
            etag: None,
        }))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, _: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(owner) = of else {
            return Err(Error::unsupported("nothing hangs below a post in the fediverse"));
        };
        let uri = self.asker.uri(Who::account_on(owner, PLATFORM)?)?;
        let server = address::origin_of(&uri);
        let handle = self.account_at(&uri).await?.handle;
        let name = handle.split('@').next().unwrap_or_default();
        let lookup = Fediverse::at(&server, "/api/v1/accounts/lookup", &[("acct", name)]);
        let account = wire::account(&self.asker.api(lookup, None).await?.body)?;
        if account.uri.as_deref().is_some_and(|other| other != uri.as_str()) {
            return Err(Error::malformed(format!("asked for {uri}, got another account")));
        }
        let id: String = ::url::form_urlencoded::byte_serialize(account.api_id.as_bytes()).collect();
        let path = format!("/api/v1/accounts/{id}/statuses");
        let url = match cursor {
            Some(cursor) => Fediverse::page(&server, &path, cursor.as_str())?,
            None => Fediverse::at(&server, &path, &[("exclude_reblogs", "true"), ("limit", &PAGE_SIZE.to_string())]),
        };
        let reply = self.asker.api(url, None).await?;
        let found = wire::statuses(&reply.body, owner, &server, self.asker.config.allows_local)?;
        Ok(PostPage {
            items: found.items,
            unreadable: found.unreadable,
            next: Fediverse::next(&server, &path, &reply)?,
            quota: error::quota(&reply.headers),
        })
    }

    async fn post(&self, object: &ObjectRef, _: Option<&str>, _: &Access) -> Result<Post, Error> {
        if object.platform() != PLATFORM {
            return Err(Error::unsupported(format!("{object} is not a post of the fediverse")));
        }
        let uri = self.asker.uri(object.object())?;
        wire::object(&self.asker.document(&uri).await?.body, &uri)
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        if reference.platform != PLATFORM || reference.kind != RefKind::Post {
            return Err(Error::unsupported(format!("{} is not a post", reference.canonical_url)));
        }
        let page = self.asker.uri(&reference.canonical_url)?;
        let reply = self.asker.document(&page).await?;
        let id = wire::id(&reply.body)?;
        if id == page.as_str() {
            return wire::object(&reply.body, &page);
        }
        self.post(&ObjectRef::new(PLATFORM, &id)?, None, access).await
    }
}
