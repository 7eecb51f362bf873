//! How Vimeo is asked: requests, pages, conditional requests, the instance's own token.
//!
//! Owns two rules. A token goes to the configured API and nowhere else: the address of a next page that leaves it is
//! refused, and no redirect is followed. And the account or video that answers is the one that was asked for.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::wire::Times;
use super::{PAGE_SIZE, error, url as address, wire};
use crate::bridges::LiveApi;
use crate::bridges::app_token::{AppToken, AppTokenConfig};
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::reference::{ParsedRef, RefKind};
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, Liker, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Secret, Who,
};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::{ObjectRef, Platform};

const PLATFORM: Platform = Platform::Vimeo;
const ACCEPT: &str = "application/vnd.vimeo.*+json;version=3.4";

/// How this instance reaches Vimeo.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.vimeo.com/`, or the sandbox. A path in it is kept.
    pub base_url: Url,
    /// Where people are sent to sign in: `https://api.vimeo.com/oauth/authorize`, or the sandbox's page.
    pub auth_url: Url,
    /// The operator's own access token. Without one the instance gets itself a token as the app below.
    pub token: Option<Secret>,
    /// The operator's app. Without both parts nobody can sign in, and only `token` reads.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub user_agent: String,
}

/// The connector; cheap to share.
pub struct Vimeo {
    config: Config,
    http: Arc<dyn Http>,
    app: Option<AppToken>,
    pub(super) door: Option<OAuth2Door>,
}

/// A successful reply to a conditional request.
enum Fetched {
    Fresh(HttpReply),
    NotModified(HttpReply),
}

impl Vimeo {
    pub fn new(mut config: Config, http: Arc<dyn Http>) -> Vimeo {
        // With a closing slash the comparison of paths below cannot take `/vimeo-evil` for `/vimeo`.
        if !config.base_url.path().ends_with('/') {
            let path = format!("{}/", config.base_url.path());
            config.base_url.set_path(&path);
        }
        let known = config.client_id.clone().zip(config.client_secret.clone());
        let app = known.clone().map(|(client_id, client_secret)| {
            let token_url = below(&config.base_url, &["oauth", "authorize", "client"]);
            let user_agent = config.user_agent.clone();
            let app = AppTokenConfig { token_url, client_id, client_secret, scope: Some("public"), user_agent };
            AppToken::new(app, Arc::clone(&http))
        });
        let door = known.map(|(client_id, client_secret)| {
            let door = OAuth2Config {
                auth_url: config.auth_url.clone(),
                token_url: below(&config.base_url, &["oauth", "access_token"]),
                client_id,
                client_secret: Some(client_secret),
                // Likes and profiles are public; what is private we would not show anyway.
                scopes: vec!["public".to_owned()],
                scope_separator: ' ',
                uses_pkce: false,
                client_auth: ClientAuth::Basic,
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            OAuth2Door::new(door, Arc::clone(&http))
        });
        Vimeo { config, http, app, door }
    }

    pub(super) fn has_keys(&self) -> bool {
        self.config.token.is_some() || self.app.is_some()
    }

    /// Who likes a video, one page.
    pub async fn likers(
        &self,
        video: &ObjectRef,
        cursor: Option<&Cursor>,
        access: &Access,
    ) -> Result<(Vec<Liker>, Option<Cursor>), Error> {
        let url = match cursor {
            Some(cursor) => self.page_at(cursor.as_str())?,
            None => self.list(&["videos", video_number(video)?, "likes"], wire::USER_FIELDS),
        };
        let page = wire::page(&self.get(url, access).await?.body)?;
        let next = self.next(&page)?;
        Ok((wire::likers(page.data)?.items, next))
    }

    /// An address below the base; each segment is escaped.
    fn at(&self, segments: &[&str], fields: &str) -> Url {
        let mut url = below(&self.config.base_url, segments);
        url.query_pairs_mut().append_pair("fields", fields);
        url
    }

    /// The first page of a list.
    fn list(&self, segments: &[&str], fields: &str) -> Url {
        let mut url = self.at(segments, fields);
        url.query_pairs_mut().append_pair("per_page", &PAGE_SIZE.to_string());
        url
    }

    /// The address of a page, which may have been stored before the configuration changed. Vimeo writes paths, and
    /// means them below its API, wherever that is.
    fn page_at(&self, text: &str) -> Result<Url, Error> {
        let base = &self.config.base_url;
        let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
        let url = if is_path { Url::parse(&format!("{}{}", base.as_str(), &text[1..])) } else { Url::parse(text) };
        let url = url.map_err(|_| Error::malformed("the next page is no address"))?;
        let is_ours = url.origin() == base.origin()
            && url.path().starts_with(base.path())
            && url.username().is_empty()
            && url.password().is_none();
        if is_ours {
            Ok(url)
        } else {
            let host = url.host_str().unwrap_or("no host").to_owned();
            Err(Error::malformed(format!("the next page leads away from the configured API, to {host}")))
        }
    }

    fn next(&self, page: &wire::Page) -> Result<Option<Cursor>, Error> {
        let Some(next) = &page.next else {
            let is_cut = page.total.is_some_and(|total| total > page.data.len() as u64);
            if !page.tells_next && is_cut {
                // Taken for the end, this would show likes on later pages as taken back.
                return Err(Error::malformed("the list is longer than the page and does not say how it goes on"));
            }
            return Ok(None);
        };
        self.page_at(next)?;
        Ok(Some(Cursor::new(next.as_str())))
    }

    fn headers(&self, token: &Secret, etag: Option<&str>) -> Vec<Header> {
        let mut headers = vec![
            Header::new("accept", ACCEPT),
            Header::new("user-agent", self.config.user_agent.as_str()),
            Header::new("authorization", format!("bearer {}", token.reveal())),
        ];
        headers.extend(etag.map(|etag| Header::new("if-none-match", etag)));
        headers
    }

    async fn fetch(&self, url: Url, access: &Access, etag: Option<&str>) -> Result<Fetched, Error> {
        let token = match (access, &self.config.token, &self.app) {
            (Access::User(Credential::Bearer(token)), ..) | (Access::Instance, Some(token), _) => token.clone(),
            (Access::User(Credential::Signed { .. }), ..) => {
                return Err(Error::unsupported("Vimeo takes no signed requests"));
            }
            (Access::Instance, None, Some(app)) => return self.fetch_as_app(app, url, etag).await,
            (Access::Instance, None, None) => {
                let message = "Vimeo answers nobody without a token, and none is configured".to_owned();
                return Err(Error::Unauthorized { expired: false, message });
            }
        };
        let reply = self.http.get(&url, &self.headers(&token, etag)).await?;
        judged(reply, etag)
    }

    /// With the token that the app has for itself; a refused one is renewed, once.
    async fn fetch_as_app(&self, app: &AppToken, url: Url, etag: Option<&str>) -> Result<Fetched, Error> {
        let token = app.get().await?;
        let reply = self.http.get(&url, &self.headers(&token, etag)).await?;
        if reply.status != 401 {
            app.worked(&token).await;
            return judged(reply, etag);
        }
        match app.renew(&token, reply.headers.sent_at()).await {
            Some(token) => {
                let token = token?;
                let reply = self.http.get(&url, &self.headers(&token, etag)).await?;
                if reply.status != 401 {
                    app.worked(&token).await;
                }
                judged(reply, etag)
            }
            None => judged(reply, etag),
        }
    }

    async fn get(&self, url: Url, access: &Access) -> Result<HttpReply, Error> {
        match self.fetch(url, access, None).await? {
            Fetched::Fresh(reply) => Ok(reply),
            Fetched::NotModified(_) => unreachable!("only a request with an etag is answered by 304"),
        }
    }
}

fn judged(reply: HttpReply, etag: Option<&str>) -> Result<Fetched, Error> {
    match reply.status {
        200 => Ok(Fetched::Fresh(reply)),
        304 if etag.is_some() => Ok(Fetched::NotModified(reply)),
        301..=308 => Err(Error::malformed(format!("HTTP {}: the API does not redirect", reply.status))),
        _ => Err(error::classify(&reply)),
    }
}

#[async_trait]
impl LiveApi for Vimeo {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let path = path_of(who)?;
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let profile = wire::profile(&self.get(self.at(&segments, wire::USER_FIELDS), access).await?.body)?;
        match who {
            Who::Id(id) if *id != profile.id => Err(Error::malformed(format!("asked for {id}, got {}", profile.id))),
            _ => Ok(profile),
        }
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        let url = match &query.cursor {
            Some(cursor) => self.page_at(cursor.as_str())?,
            None => {
                let path = path_of(&query.who)?;
                let segments: Vec<&str> = path.iter().map(String::as_str).chain(["likes"]).collect();
                let mut url = self.list(&segments, wire::VIDEO_FIELDS);
                url.query_pairs_mut().append_pair("sort", "date").append_pair("direction", "desc");
                url
            }
        };
        // The times in the list are those of the asker. Only who asks in the name of the token's owner asks for them.
        let is_own = query.who == Who::TokenOwner && matches!(query.access, Access::User(_));
        let times = if is_own { Times::Own } else { Times::Foreign };
        match self.fetch(url, &query.access, query.etag.as_deref()).await? {
            Fetched::NotModified(reply) => Ok(LikesReply::NotModified { quota: error::quota(&reply.headers) }),
            Fetched::Fresh(reply) => {
                let page = wire::page(&reply.body)?;
                let next = self.next(&page)?;
                let found = wire::likes(page.data, times)?;
                // The order of the list is not certain, so an unchanged first page says nothing of the others: only a
                // list of one page gets a mark by which it can be called unchanged.
                let is_whole = query.cursor.is_none() && next.is_none() && found.unreadable == 0;
                Ok(LikesReply::Page(LikePage {
                    items: found.items,
                    hidden: found.hidden,
                    unreadable: found.unreadable,
                    next,
                    quota: error::quota(&reply.headers),
                    etag: reply.headers.get("etag").filter(|_| is_whole).map(str::to_owned),
                }))
            }
        }
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(account) = of else {
            return Err(Error::unsupported("nothing hangs below a video"));
        };
        let url = match cursor {
            Some(cursor) => self.page_at(cursor.as_str())?,
            None => {
                let number = account_number(Who::account_on(account, PLATFORM)?)?;
                self.list(&["users", number, "videos"], wire::VIDEO_FIELDS)
            }
        };
        let reply = self.get(url, access).await?;
        let page = wire::page(&reply.body)?;
        let next = self.next(&page)?;
        let found = wire::videos(page.data)?;
        Ok(PostPage { items: found.items, unreadable: found.unreadable, next, quota: error::quota(&reply.headers) })
    }

    async fn post(&self, object: &ObjectRef, _: Option<&str>, access: &Access) -> Result<Post, Error> {
        let url = self.at(&["videos", video_number(object)?], wire::VIDEO_FIELDS);
        let post = wire::video(&self.get(url, access).await?.body)?;
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        match (reference.platform, reference.kind, &reference.post_id) {
            (PLATFORM, RefKind::Post, Some(id)) => self.post(&ObjectRef::new(PLATFORM, id)?, None, access).await,
            _ => Err(Error::unsupported(format!("{} is not a video", reference.canonical_url))),
        }
    }
}

fn below(url: &Url, segments: &[&str]) -> Url {
    let mut url = url.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
    url
}

fn path_of(who: &Who) -> Result<Vec<String>, Error> {
    let name = match who {
        Who::TokenOwner => return Ok(vec!["me".to_owned()]),
        Who::Id(id) => account_number(Who::account_on(id, PLATFORM)?)?,
        Who::Handle(handle) if address::is_name(handle) => address::number_in_name(handle).unwrap_or(handle),
        Who::Handle(handle) => return Err(Error::NotFound { message: format!("`{handle}` is not a name on Vimeo") }),
    };
    Ok(vec!["users".to_owned(), name.to_owned()])
}

fn account_number(account: &str) -> Result<&str, Error> {
    let is_id = is_decimal_id(account);
    if is_id { Ok(account) } else { Err(Error::unsupported(format!("`{account}` is not an account number"))) }
}

fn video_number(object: &ObjectRef) -> Result<&str, Error> {
    let is_video = object.platform() == PLATFORM && is_decimal_id(object.object());
    if is_video { Ok(object.object()) } else { Err(Error::unsupported(format!("{object} is not a video"))) }
}
