//! How Twitter is asked: which of its two APIs, in whose name, page by page.
//!
//! Owns four rules. A token goes to the configured API and nowhere else, so no redirect is followed. An account and a
//! tweet are asked for by number, and the answer counts only when it bears that number. Likes are asked for only in the
//! name of a person, since Twitter shows them to nobody else. And nothing is asked for twice: every item is billed.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::wire::{self, Tweet};
use super::{PAGE_SIZE_V1, PAGE_SIZE_V2, error, url as address, v1, v2};
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply, Method};
use crate::bridges::oauth1::{self, Consumer, OAuth1Config, OAuth1Door, Token};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::reference::{ParsedRef, RefKind};
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Quota, Secret, Who,
};
use crate::bridges::wire::Listed;
use crate::bridges::{LiveApi, SignInApi};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::Twitter;
/// What a connected account is asked to allow; `offline.access` is what brings a refresh token.
const SCOPES: [&str; 4] = ["tweet.read", "users.read", "like.read", "offline.access"];
/// A short address leads to the tweet in one hop, or by an older short address in two.
const SHORT_HOPS_MAX: usize = 3;

/// Which API is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Version 2, with OAuth 2 and a proof key.
    #[default]
    V2,
    /// Version 1.1, with requests signed by OAuth 1.0a. New apps do not get it any more.
    V1,
}

/// How this instance reaches Twitter.
#[derive(Clone, Debug)]
pub struct Config {
    pub api: Api,
    /// `https://api.x.com/`, `https://api.twitter.com/` or the sandbox. A path in it is kept.
    pub base_url: Url,
    /// Where people are sent to sign in: `https://x.com/i/oauth2/authorize` for version 2,
    /// `https://api.twitter.com/oauth/authorize` for version 1.1.
    pub authorize_url: Url,
    /// The OAuth 2 client id for version 2, the API key for version 1.1. Without it the door is closed.
    pub client_id: Option<String>,
    /// Its secret. Version 2 knows clients without one; version 1.1 does not.
    pub client_secret: Option<Secret>,
    /// The operator's app-only token: reads public profiles and tweets, and is billed for them.
    pub token: Option<Secret>,
    pub user_agent: String,
}

/// The connector; cheap to share.
pub struct Twitter {
    config: Config,
    http: Arc<dyn Http>,
    door: Option<Door>,
}

enum Door {
    OAuth2(OAuth2Door),
    OAuth1(OAuth1Door),
}

fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
    url
}

fn door(config: &Config, http: &Arc<dyn Http>) -> Option<Door> {
    let client_id = config.client_id.clone()?;
    match config.api {
        Api::V2 => {
            let config = OAuth2Config {
                auth_url: config.authorize_url.clone(),
                token_url: below(&config.base_url, &["2", "oauth2", "token"]),
                client_id,
                client_secret: config.client_secret.clone(),
                scopes: SCOPES.map(str::to_owned).to_vec(),
                scope_separator: ' ',
                uses_pkce: true,
                // A client with a secret has to show it in the header; one without names itself in the form.
                client_auth: if config.client_secret.is_some() { ClientAuth::Basic } else { ClientAuth::Body },
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            Some(Door::OAuth2(OAuth2Door::new(config, Arc::clone(http))))
        }
        Api::V1 => {
            let config = OAuth1Config {
                request_token_url: below(&config.base_url, &["oauth", "request_token"]),
                authorize_url: config.authorize_url.clone(),
                access_token_url: below(&config.base_url, &["oauth", "access_token"]),
                consumer: Consumer { key: client_id, secret: config.client_secret.clone()? },
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            Some(Door::OAuth1(OAuth1Door::new(config, Arc::clone(http))))
        }
    }
}

impl Twitter {
    pub fn new(config: Config, http: Arc<dyn Http>) -> Twitter {
        let door = door(&config, &http);
        Twitter { config, http, door }
    }

    pub(super) fn api(&self) -> Api {
        self.config.api
    }

    pub(super) fn has_keys(&self) -> bool {
        self.config.token.is_some() || self.door.is_some()
    }

    pub(super) fn door(&self) -> Option<&dyn SignInApi> {
        match self.door.as_ref()? {
            Door::OAuth2(door) => Some(door),
            Door::OAuth1(door) => Some(door),
        }
    }

    fn at(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = below(&self.config.base_url, segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn authorization(&self, url: &Url, access: &Access) -> Result<String, Error> {
        let credential = match access {
            Access::Instance => {
                let message = "Twitter answers nobody without a token, and none is configured".to_owned();
                let token = self.config.token.as_ref().ok_or(Error::Unauthorized { expired: false, message })?;
                return Ok(format!("Bearer {}", token.reveal()));
            }
            Access::User(credential) => credential,
        };
        match (self.config.api, credential) {
            (_, Credential::Bearer(token)) => Ok(format!("Bearer {}", token.reveal())),
            (Api::V2, Credential::Signed { .. }) => {
                Err(Error::unsupported("this account was connected by OAuth 1.0a, and version 2 of the API is set"))
            }
            (Api::V1, Credential::Signed { .. }) => {
                let (Some(key), Some(secret)) = (&self.config.client_id, &self.config.client_secret) else {
                    return Err(Error::unsupported("signing a request needs the key and the secret of the app"));
                };
                let consumer = Consumer { key: key.clone(), secret: secret.clone() };
                let token = Token::of(credential)?;
                Ok(oauth1::authorization(&consumer, Some(token), Method::Get, url, &[]))
            }
        }
    }

    async fn get(&self, url: Url, access: &Access) -> Result<HttpReply, Error> {
        let mut headers =
            vec![Header::new("accept", "application/json"), Header::new("user-agent", self.config.user_agent.as_str())];
        headers.push(Header::new("authorization", self.authorization(&url, access)?));
        let reply = self.http.get(&url, &headers).await?;
        match reply.status {
            200 => Ok(reply),
            300..=399 => Err(Error::malformed("Twitter's API does not redirect, and this reply does")),
            _ => Err(error::classify(&reply)),
        }
    }

    /// The number of the account whose token is used.
    async fn own_number(&self, access: &Access) -> Result<String, Error> {
        Ok(self.profile(&Who::TokenOwner, access).await?.id.account().to_owned())
    }

    async fn likes_v2(&self, query: &LikesQuery, place: Option<Place>) -> Result<LikePage, Error> {
        let (number, token) = match (place, &query.who) {
            (Some(Place::V2 { account, token }), _) => (account, Some(token)),
            (Some(Place::V1 { .. }), _) => return Err(stale_cursor()),
            (None, Who::Id(id)) => (number(id)?.to_owned(), None),
            (None, Who::TokenOwner) => (self.own_number(&query.access).await?, None),
            (None, Who::Handle(_)) => (self.profile(&query.who, &query.access).await?.id.account().to_owned(), None),
        };
        let size = PAGE_SIZE_V2.to_string();
        let url = self.list_v2(&["2", "users", checked_number(&number)?, "liked_tweets"], &size, token.as_deref(), &[]);
        let reply = self.get(url, &query.access).await?;
        let v2::Page { found, next_token } = v2::tweets(&reply.body)?;
        let next = next_token.map(|token| Place::V2 { account: number, token }.cursor());
        Ok(page(wire::likes(found), next, error::quota(&reply.headers)))
    }

    async fn likes_v1(&self, query: &LikesQuery, place: Option<Place>) -> Result<LikePage, Error> {
        let max_id = match place {
            None => None,
            Some(Place::V1 { max_id }) => Some(max_id.to_string()),
            Some(Place::V2 { .. }) => return Err(stale_cursor()),
        };
        let size = PAGE_SIZE_V1.to_string();
        let mut asked = vec![("count", size.as_str()), ("tweet_mode", "extended"), ("include_ext_alt_text", "true")];
        match &query.who {
            Who::Id(id) => asked.push(("user_id", number(id)?)),
            Who::Handle(handle) => asked.push(("screen_name", checked_handle(handle)?)),
            Who::TokenOwner => {}
        }
        asked.extend(max_id.as_deref().map(|max_id| ("max_id", max_id)));
        let reply = self.get(self.at(&["1.1", "favorites", "list.json"], &asked), &query.access).await?;
        let found = v1::statuses(&reply.body)?;
        let next = v1::next_max_id(&found)?.map(|max_id| Place::V1 { max_id }.cursor());
        Ok(page(wire::likes(found), next, error::quota(&reply.headers)))
    }

    fn list_v2(&self, segments: &[&str], size: &str, token: Option<&str>, more: &[(&str, &str)]) -> Url {
        let mut asked = vec![("max_results", size)];
        asked.extend_from_slice(&TWEET_QUERY);
        asked.extend_from_slice(more);
        asked.extend(token.map(|token| ("pagination_token", token)));
        self.at(segments, &asked)
    }

    async fn tweet(&self, number: &str, access: &Access) -> Result<Tweet, Error> {
        match self.config.api {
            Api::V2 => {
                let url = self.at(&["2", "tweets", number], &TWEET_QUERY);
                v2::tweet(&self.get(url, access).await?.body)
            }
            Api::V1 => {
                let asked = [("id", number), ("tweet_mode", "extended"), ("include_ext_alt_text", "true")];
                let url = self.at(&["1.1", "statuses", "show.json"], &asked);
                v1::status(&self.get(url, access).await?.body)
            }
        }
    }

    /// Where a short address leads. No token is shown on the way, and only the shortener is asked.
    async fn spelt_out(&self, short: &str) -> Result<ParsedRef, Error> {
        let malformed = |what: &str| Error::malformed(format!("the short address {what}"));
        let mut url = Url::parse(short).map_err(|_| malformed("is no address"))?;
        for _ in 0..SHORT_HOPS_MAX {
            if url.scheme() != "https" || url.host_str() != Some("t.co") || url.port().is_some() {
                return Err(malformed("is not one of t.co"));
            }
            let headers = [Header::new("user-agent", self.config.user_agent.as_str())];
            let reply = self.http.get(&url, &headers).await?;
            let target = match (reply.status, reply.headers.get("location")) {
                (300..=399, Some(target)) => target,
                (200..=399, _) => return Err(malformed("leads nowhere")),
                _ => return Err(error::classify(&reply)),
            };
            let found =
                address::parse(target).map_err(|_| Error::unsupported("the short address leads to no tweet"))?;
            if !found.needs_resolve {
                return Ok(found);
            }
            url = Url::parse(&found.canonical_url).map_err(|_| malformed("leads nowhere"))?;
        }
        Err(malformed("leads in circles"))
    }
}

const TWEET_QUERY: [(&str, &str); 4] = [
    ("tweet.fields", v2::TWEET_FIELDS),
    ("expansions", v2::EXPANSIONS),
    ("user.fields", v2::USER_FIELDS),
    ("media.fields", v2::MEDIA_FIELDS),
];

fn page(found: Listed<crate::bridges::LikeItem>, next: Option<Cursor>, quota: Quota) -> LikePage {
    LikePage { items: found.items, hidden: found.hidden, unreadable: found.unreadable, next, quota, etag: None }
}

#[async_trait]
impl LiveApi for Twitter {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let fields = [("user.fields", v2::USER_FIELDS)];
        let url = match (self.config.api, who) {
            (Api::V2, Who::Id(id)) => self.at(&["2", "users", number(id)?], &fields),
            (Api::V2, Who::Handle(handle)) => {
                self.at(&["2", "users", "by", "username", checked_handle(handle)?], &fields)
            }
            (Api::V2, Who::TokenOwner) => self.at(&["2", "users", "me"], &fields),
            (Api::V1, Who::Id(id)) => self.at(&["1.1", "users", "show.json"], &[("user_id", number(id)?)]),
            (Api::V1, Who::Handle(handle)) => {
                self.at(&["1.1", "users", "show.json"], &[("screen_name", checked_handle(handle)?)])
            }
            (Api::V1, Who::TokenOwner) => self.at(&["1.1", "account", "verify_credentials.json"], &[]),
        };
        let reply = self.get(url, access).await?;
        let profile = match self.config.api {
            Api::V2 => v2::profile(&reply.body)?,
            Api::V1 => v1::profile(&reply.body)?,
        };
        match who {
            Who::Id(id) if *id != profile.id => Err(Error::malformed(format!("asked for {id}, got {}", profile.id))),
            Who::Handle(handle) if !handle.eq_ignore_ascii_case(&profile.handle) => {
                Err(Error::malformed(format!("asked for {handle}, got {}", profile.handle)))
            }
            _ => Ok(profile),
        }
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        if query.access == Access::Instance {
            return Err(Error::unsupported("Twitter shows likes to nobody but the person: connect the account"));
        }
        let place = query.cursor.as_ref().map(Place::read).transpose()?;
        if let (Some(Place::V2 { account, .. }), Who::Id(id)) = (&place, &query.who)
            && id.account() != account
        {
            return Err(Error::malformed("the cursor belongs to another account"));
        }
        let page = match self.config.api {
            Api::V2 => self.likes_v2(query, place).await?,
            Api::V1 => self.likes_v1(query, place).await?,
        };
        Ok(LikesReply::Page(page))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(account) = of else {
            return Err(Error::unsupported("nothing hangs below a tweet"));
        };
        let number = number(account)?;
        let (found, next, quota) = match (self.config.api, cursor.map(Place::read).transpose()?) {
            (Api::V2, place) => {
                let token = match place {
                    None => None,
                    Some(Place::V2 { account, token }) if account == number => Some(token),
                    Some(_) => return Err(stale_cursor()),
                };
                let size = PAGE_SIZE_V2.to_string();
                let more = [("exclude", "retweets,replies")];
                let url = self.list_v2(&["2", "users", number, "tweets"], &size, token.as_deref(), &more);
                let reply = self.get(url, access).await?;
                let v2::Page { found, next_token } = v2::tweets(&reply.body)?;
                let next = next_token.map(|token| Place::V2 { account: number.to_owned(), token }.cursor());
                (found, next, error::quota(&reply.headers))
            }
            (Api::V1, place) => {
                let max_id = match place {
                    None => None,
                    Some(Place::V1 { max_id }) => Some(max_id.to_string()),
                    Some(Place::V2 { .. }) => return Err(stale_cursor()),
                };
                let size = PAGE_SIZE_V1.to_string();
                let mut asked = vec![("user_id", number), ("count", size.as_str()), ("tweet_mode", "extended")];
                asked.extend([("include_ext_alt_text", "true"), ("include_rts", "false"), ("exclude_replies", "true")]);
                asked.extend(max_id.as_deref().map(|max_id| ("max_id", max_id)));
                let url = self.at(&["1.1", "statuses", "user_timeline.json"], &asked);
                let reply = self.get(url, access).await?;
                let found = v1::statuses(&reply.body)?;
                let next = v1::next_max_id(&found)?.map(|max_id| Place::V1 { max_id }.cursor());
                (found, next, error::quota(&reply.headers))
            }
        };
        let mut unreadable = found.unreadable;
        let mut items = Vec::with_capacity(found.items.len());
        for tweet in found.items {
            let is_retweet = tweet.post.alias_url.is_some();
            match &tweet.post.owner {
                Some(owner) if owner == account && !is_retweet && !tweet.is_protected => items.push(tweet.post),
                Some(owner) if owner != account && !is_retweet => unreadable += 1,
                _ => {}
            }
        }
        Ok(PostPage { items, unreadable, next, quota })
    }

    async fn post(&self, object: &ObjectRef, _hint_url: Option<&str>, access: &Access) -> Result<Post, Error> {
        if object.platform() != PLATFORM || !address::is_id(object.object()) {
            return Err(Error::unsupported(format!("{object} is not the number of a tweet")));
        }
        let post = self.tweet(object.object(), access).await?.public()?;
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        let not_a_tweet = || Error::unsupported(format!("{} is not a tweet", reference.canonical_url));
        if reference.platform != PLATFORM || reference.kind != RefKind::Post {
            return Err(not_a_tweet());
        }
        let number = match &reference.post_id {
            Some(number) => number.clone(),
            None => self.spelt_out(&reference.canonical_url).await?.post_id.ok_or_else(not_a_tweet)?,
        };
        self.post(&ObjectRef::new(PLATFORM, &number)?, None, access).await
    }
}

/// Where a listing goes on. The two APIs page differently, and a stored place must not be taken for the other's.
enum Place {
    V2 { account: String, token: String },
    V1 { max_id: u64 },
}

impl Place {
    fn cursor(&self) -> Cursor {
        Cursor::new(match self {
            Place::V2 { account, token } => format!("2:{account}:{token}"),
            Place::V1 { max_id } => format!("1:{max_id}"),
        })
    }

    fn read(cursor: &Cursor) -> Result<Place, Error> {
        match cursor.as_str().splitn(3, ':').collect::<Vec<_>>().as_slice() {
            ["2", account, token] if address::is_id(account) && !token.is_empty() => {
                Ok(Place::V2 { account: (*account).to_owned(), token: (*token).to_owned() })
            }
            ["1", max_id] => max_id.parse().map(|max_id| Place::V1 { max_id }).map_err(|_| stale_cursor()),
            _ => Err(stale_cursor()),
        }
    }
}

fn stale_cursor() -> Error {
    Error::malformed("the cursor is not one of this API")
}

fn number(id: &ExternalId) -> Result<&str, Error> {
    checked_number(Who::account_on(id, PLATFORM)?)
}

fn checked_number(text: &str) -> Result<&str, Error> {
    let is_id = address::is_id(text);
    if is_id { Ok(text) } else { Err(Error::unsupported(format!("`{text}` is not the number of an account"))) }
}

fn checked_handle(text: &str) -> Result<&str, Error> {
    let is_handle = address::is_handle(text);
    if is_handle { Ok(text) } else { Err(Error::NotFound { message: format!("`{text}` is not a handle") }) }
}
