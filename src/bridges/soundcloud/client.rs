//! How SoundCloud is asked: requests, pages, addresses that have to be looked up, the instance's own token.
//!
//! Owns three rules. A token goes to the configured API and nowhere else: from a redirect nothing is taken but the id
//! in it. Every list is asked for with all kinds of access, since a track that is blocked here and now would look like
//! a like taken back. And what answers is what was asked for, by URN.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::url::{Kind, SHORT_SITE};
use super::{PAGE_SIZE, error, is_unresolved, url as address, wire};
use crate::bridges::LiveApi;
use crate::bridges::app_token::{AppToken, AppTokenConfig};
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::reference::{ParsedRef, RefKind};
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, Liker, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Quota,
    Secret, Who,
};
use crate::bridges::wire::Listed;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::SoundCloud;
/// Every state of a track, since the lists differ in which they leave out when none is named.
const ALL_ACCESS: &str = "playable,preview,blocked";

/// How this instance reaches SoundCloud.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.soundcloud.com/`, or the sandbox. A path in it is kept.
    pub base_url: Url,
    /// Where people are sent to sign in: `https://secure.soundcloud.com/authorize`, or the sandbox's page.
    pub auth_url: Url,
    /// Where tokens are given out: `https://secure.soundcloud.com/oauth/token`, or the sandbox's.
    pub token_url: Url,
    /// Where short addresses are looked up, without a token: `https://on.soundcloud.com/`, or the sandbox's.
    pub short_url: Url,
    /// The operator's app. Without both parts nothing can be asked but in the name of a person who signed in elsewhere.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub user_agent: String,
}

/// The connector; cheap to share.
pub struct SoundCloud {
    config: Config,
    http: Arc<dyn Http>,
    app: Option<AppToken>,
    pub(super) door: Option<OAuth2Door>,
}

/// The two lists that every account has: a pass reads first one, then the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Tracks,
    Playlists,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Part::Tracks => "tracks",
            Part::Playlists => "playlists",
        }
    }
}

/// What a cursor says: `playlists` is the beginning of that list, `tracks <address>` a later page of this one.
fn read_cursor(text: &str) -> Result<(Part, Option<&str>), Error> {
    let (part, address) = text.split_once(' ').map_or((text, None), |(part, address)| (part, Some(address)));
    match part {
        "tracks" => Ok((Part::Tracks, address)),
        "playlists" => Ok((Part::Playlists, address)),
        _ => Err(Error::malformed("the next page is none of SoundCloud's")),
    }
}

impl SoundCloud {
    pub(super) fn has_keys(&self) -> bool {
        self.app.is_some()
    }

    pub fn new(mut config: Config, http: Arc<dyn Http>) -> SoundCloud {
        // With a closing slash the comparison of paths below cannot take `/soundcloud-evil` for `/soundcloud`.
        if !config.base_url.path().ends_with('/') {
            let path = format!("{}/", config.base_url.path());
            config.base_url.set_path(&path);
        }
        let known = config.client_id.clone().zip(config.client_secret.clone());
        let app = known.clone().map(|(client_id, client_secret)| {
            let (token_url, user_agent) = (config.token_url.clone(), config.user_agent.clone());
            let app = AppTokenConfig { token_url, client_id, client_secret, scope: None, user_agent };
            AppToken::new(app, Arc::clone(&http))
        });
        let door = known.map(|(client_id, client_secret)| {
            let door = OAuth2Config {
                auth_url: config.auth_url.clone(),
                token_url: config.token_url.clone(),
                client_id,
                client_secret: Some(client_secret),
                // SoundCloud has no scopes.
                scopes: Vec::new(),
                scope_separator: ' ',
                uses_pkce: true,
                client_auth: ClientAuth::Body,
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            OAuth2Door::new(door, Arc::clone(&http))
        });
        SoundCloud { config, http, app, door }
    }

    /// Who likes a track, one page.
    pub async fn likers(
        &self,
        track: &ObjectRef,
        cursor: Option<&Cursor>,
        access: &Access,
    ) -> Result<(Vec<Liker>, Option<Cursor>), Error> {
        let (kind, urn) = sound(track)?;
        if kind != Kind::Track {
            return Err(Error::unsupported("SoundCloud lists who likes a track, not who likes a set"));
        }
        let url = match cursor {
            Some(cursor) => self.page_at(cursor.as_str())?,
            None => self.list(&[kind.as_str(), urn, "favoriters"]),
        };
        let page = wire::page(&self.get(url, access).await?.body)?;
        let next = self.next_address(&page)?.map(Cursor::new);
        Ok((wire::likers(page.data)?.items, next))
    }

    /// An address below the base; each segment is escaped.
    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.config.base_url.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
        url
    }

    /// The first page of a list.
    fn list(&self, segments: &[&str]) -> Url {
        let mut url = self.at(segments);
        url.query_pairs_mut()
            .append_pair("limit", &PAGE_SIZE.to_string())
            .append_pair("linked_partitioning", "true")
            .append_pair("access", ALL_ACCESS);
        url
    }

    /// The address of a page, which may have been stored before the configuration changed.
    fn page_at(&self, text: &str) -> Result<Url, Error> {
        let base = &self.config.base_url;
        let url = base.join(text).map_err(|_| Error::malformed("the next page is no address"))?;
        let is_ours = url.origin() == base.origin()
            && url.path().starts_with(base.path())
            && url.username().is_empty()
            && url.password().is_none();
        if !is_ours {
            let host = url.host_str().unwrap_or("no host").to_owned();
            return Err(Error::malformed(format!("the next page leads away from the configured API, to {host}")));
        }
        // Whether SoundCloud keeps these in the address of the next page is not documented.
        let mut url = url;
        for (name, value) in [("linked_partitioning", "true"), ("access", ALL_ACCESS)] {
            if !url.query_pairs().any(|(known, _)| known == name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url)
    }

    fn next_address(&self, page: &wire::Page) -> Result<Option<String>, Error> {
        if page.is_bare && page.data.len() >= PAGE_SIZE as usize {
            // Taken for the end, this would show likes on later pages as taken back.
            return Err(Error::malformed("a full list came that does not say whether it goes on"));
        }
        let Some(next) = &page.next else { return Ok(None) };
        self.page_at(next)?;
        Ok(Some(next.clone()))
    }

    /// One page of the two lists below `path`.
    async fn page(
        &self,
        path: &[&str],
        cursor: Option<&Cursor>,
        access: &Access,
    ) -> Result<(wire::Page, Option<Cursor>), Error> {
        let (part, address) = cursor.map_or(Ok((Part::Tracks, None)), |cursor| read_cursor(cursor.as_str()))?;
        let url = match address {
            Some(address) => self.page_at(address)?,
            None => self.list(&[path, &[part.as_str()]].concat()),
        };
        let page = wire::page(&self.get(url, access).await?.body)?;
        let next = match (self.next_address(&page)?, part) {
            (Some(address), part) => Some(Cursor::new(format!("{} {address}", part.as_str()))),
            (None, Part::Tracks) => Some(Cursor::new(Part::Playlists.as_str())),
            (None, Part::Playlists) => None,
        };
        Ok((page, next))
    }

    fn headers(&self, token: &Secret) -> Vec<Header> {
        vec![
            Header::new("accept", "application/json; charset=utf-8"),
            Header::new("user-agent", self.config.user_agent.as_str()),
            // Not `Bearer`, which is refused.
            Header::new("authorization", format!("OAuth {}", token.reveal())),
        ]
    }

    /// Asks with the right token. Statuses are not judged yet.
    async fn send(&self, url: &Url, access: &Access) -> Result<HttpReply, Error> {
        let app = match (access, &self.app) {
            (Access::User(Credential::Bearer(token)), _) => {
                return Ok(self.http.get(url, &self.headers(token)).await?);
            }
            (Access::User(Credential::Signed { .. }), _) => {
                return Err(Error::unsupported("SoundCloud takes no signed requests"));
            }
            (Access::Instance, Some(app)) => app,
            (Access::Instance, None) => {
                let message = "SoundCloud answers nobody without a token, and no app is configured".to_owned();
                return Err(Error::Unauthorized { expired: false, message });
            }
        };
        let token = app.get().await?;
        let reply = self.http.get(url, &self.headers(&token)).await?;
        if reply.status != 401 {
            app.worked(&token).await;
            return Ok(reply);
        }
        // Every token ends after an hour: another one is fetched, once.
        let Some(token) = app.renew(&token, reply.headers.sent_at()).await else { return Ok(reply) };
        let token = token?;
        let reply = self.http.get(url, &self.headers(&token)).await?;
        if reply.status != 401 {
            app.worked(&token).await;
        }
        Ok(reply)
    }

    async fn get(&self, url: Url, access: &Access) -> Result<HttpReply, Error> {
        let reply = self.send(&url, access).await?;
        match reply.status {
            200 => Ok(reply),
            301..=308 => Err(Error::malformed(format!("HTTP {}: only `resolve` redirects", reply.status))),
            _ => Err(refused(&reply, access)),
        }
    }

    /// The URN of what stands at an address of the site.
    async fn look_up(&self, page: &str, access: &Access) -> Result<(Kind, String), Error> {
        let mut url = self.at(&["resolve"]);
        url.query_pairs_mut().append_pair("url", page);
        let reply = self.send(&url, access).await?;
        match reply.status {
            301..=303 | 307 | 308 => match reply.headers.get("location") {
                Some(location) => address::urn_in(location)
                    .ok_or_else(|| Error::malformed("the address found holds no id that we know")),
                None => wire::location(&reply.body),
            },
            200 => Err(Error::malformed("`resolve` answers with a redirect")),
            _ => Err(refused(&reply, access)),
        }
    }

    /// What a short address leads to. No token is sent: the site is not the API.
    async fn expand(&self, reference: &ParsedRef) -> Result<ParsedRef, Error> {
        let Some(code) = reference.canonical_url.strip_prefix(SHORT_SITE) else { return Ok(reference.clone()) };
        let mut url = self.config.short_url.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().push(code);
        let headers = [Header::new("user-agent", self.config.user_agent.as_str())];
        let reply = self.http.get(&url, &headers).await?;
        if !matches!(reply.status, 301..=303 | 307 | 308) {
            return Err(error::classify(&reply));
        }
        let target = reply.headers.get("location").ok_or_else(|| Error::malformed("a redirect to nowhere"))?;
        let found = address::parse(target).map_err(|_| Error::malformed("the short address leads elsewhere"))?;
        if found.canonical_url.starts_with(SHORT_SITE) {
            return Err(Error::malformed("the short address leads to another one"));
        }
        Ok(found)
    }

    /// The URN of an account.
    async fn account(&self, who: &Who, access: &Access) -> Result<String, Error> {
        match who {
            Who::Id(id) => account_urn(id),
            Who::Handle(handle) if address::is_name(handle) => {
                match self.look_up(&format!("https://soundcloud.com/{handle}"), access).await? {
                    (Kind::User, urn) => Ok(urn),
                    (kind, _) => {
                        Err(Error::malformed(format!("an account was asked for, one of the {} came", kind.as_str())))
                    }
                }
            }
            Who::Handle(handle) => Err(Error::NotFound { message: format!("`{handle}` is not a name on SoundCloud") }),
            Who::TokenOwner => Ok(self.me(access).await?.id.account().to_owned()),
        }
    }

    async fn me(&self, access: &Access) -> Result<Profile, Error> {
        if *access == Access::Instance {
            return Err(Error::unsupported("the token of an app belongs to nobody: sign in first"));
        }
        wire::profile(&self.get(self.at(&["me"]), access).await?.body)
    }
}

/// A refusal of a person's token may be the end of its hour or its revocation: SoundCloud says the same of both. To
/// renew it is right in the first case, and is refused itself in the second.
fn refused(reply: &HttpReply, access: &Access) -> Error {
    match (error::classify(reply), access) {
        (Error::Unauthorized { message, .. }, Access::User(_)) => Error::Unauthorized { expired: true, message },
        (error, _) => error,
    }
}

#[async_trait]
impl LiveApi for SoundCloud {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let mut profile = if *who == Who::TokenOwner {
            self.me(access).await?
        } else {
            let urn = self.account(who, access).await?;
            let profile = wire::profile(&self.get(self.at(&["users", &urn]), access).await?.body)?;
            if profile.id.account() != urn {
                return Err(Error::malformed(format!("asked for {urn}, got {}", profile.id.account())));
            }
            profile
        };
        let links = self.at(&["users", profile.id.account(), "web-profiles"]);
        profile.links = wire::web_profiles(&self.get(links, access).await?.body)?;
        Ok(profile)
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        let urn;
        let cursor = query.cursor.as_ref();
        let path: &[&str] = match (&query.who, &query.access) {
            (Who::TokenOwner, Access::User(_)) => &["me", "likes"],
            // A later page holds its own address: nobody has to be looked up for it.
            _ if cursor.is_some_and(|cursor| cursor.as_str().contains(' ')) => &[],
            (who, access) => {
                urn = self.account(who, access).await?;
                &["users", &urn, "likes"]
            }
        };
        let (page, next) = self.page(path, cursor, &query.access).await?;
        let Listed { items, hidden, unreadable } = wire::likes(page.data)?;
        let page = LikePage { items, hidden, unreadable, next, ..LikePage::default() };
        Ok(LikesReply::Page(page))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let (page, next) = match of {
            PostsOf::Account(account) => self.page(&["users", &account_urn(account)?], cursor, access).await?,
            PostsOf::Post(set) => {
                let (Kind::Playlist, urn) = sound(set)? else {
                    return Err(Error::unsupported("nothing hangs below a track"));
                };
                let url = match cursor {
                    Some(cursor) => self.page_at(cursor.as_str())?,
                    None => self.list(&["playlists", urn, "tracks"]),
                };
                let page = wire::page(&self.get(url, access).await?.body)?;
                let next = self.next_address(&page)?.map(Cursor::new);
                (page, next)
            }
        };
        let found = wire::posts(page.data)?;
        Ok(PostPage { items: found.items, unreadable: found.unreadable, next, quota: Quota::default() })
    }

    /// The post of a URN. Of an object that a list named by its address, the post at that address, with its URN.
    async fn post(&self, object: &ObjectRef, _: Option<&str>, access: &Access) -> Result<Post, Error> {
        if is_unresolved(object) {
            let reference = address::parse(object.object()).map_err(|error| Error::unsupported(error.to_string()))?;
            return self.resolve(&reference, access).await;
        }
        let (kind, urn) = sound(object)?;
        let mut url = self.at(&[kind.as_str(), urn]);
        url.query_pairs_mut().append_pair("access", ALL_ACCESS);
        if kind == Kind::Playlist {
            url.query_pairs_mut().append_pair("show_tracks", "false");
        }
        let post = wire::post(&self.get(url, access).await?.body)?;
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        let not_a_post = || Error::unsupported(format!("{} is not a track or a set", reference.canonical_url));
        if reference.platform != PLATFORM || !matches!(reference.kind, RefKind::Post | RefKind::Set) {
            return Err(not_a_post());
        }
        let found = self.expand(reference).await?;
        let urn = match (&found.kind, &found.post_id) {
            (RefKind::Post | RefKind::Set, Some(urn)) => urn.clone(),
            (RefKind::Post | RefKind::Set, None) => match self.look_up(&found.canonical_url, access).await? {
                (Kind::User, _) => return Err(not_a_post()),
                (_, urn) => urn,
            },
            _ => return Err(not_a_post()),
        };
        self.post(&ObjectRef::new(PLATFORM, &urn)?, None, access).await
    }
}

fn account_urn(id: &ExternalId) -> Result<String, Error> {
    let urn = Who::account_on(id, PLATFORM)?;
    let is_user = address::kind_of(urn) == Some(Kind::User);
    if is_user { Ok(urn.to_owned()) } else { Err(Error::unsupported(format!("`{urn}` is not an account"))) }
}

fn sound(object: &ObjectRef) -> Result<(Kind, &str), Error> {
    match address::kind_of(object.object()) {
        Some(kind @ (Kind::Track | Kind::Playlist)) if object.platform() == PLATFORM => Ok((kind, object.object())),
        _ => Err(Error::unsupported(format!("{object} is not a track or a set"))),
    }
}
