//! How Instagram is asked, where there is something to ask: the API of today, or the one that closed.
//!
//! Owns four rules. The token stands in the query of every request, so no address that a reply names is ever followed:
//! a page is asked for by its id alone, and nothing redirects. The list of likes does not say whose it is, so the
//! account behind the token is looked up first. An answer counts only for the account or post that was asked for. And a
//! signature, where the operator demands one, covers all that is sent.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use url::Url;

use super::door::GraphDoor;
use super::{PAGE_SIZE_GRAPH, PAGE_SIZE_LEGACY, error, graph, url as address, wire};
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::reference::{ParsedRef, RefKind};
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Secret, Who,
};
use crate::bridges::wire::is_decimal_id;
use crate::bridges::{LiveApi, SignInApi};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::Instagram;

/// Which API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Instagram Login of today: sign-in and own posts of professional accounts, no likes.
    Graph,
    /// The one that ended on 2020-06-29, as the sandbox serves it.
    Legacy,
}

/// How this instance reads Instagram.
#[derive(Clone, Debug)]
pub struct Config {
    /// Without one the export file alone is read, which is all that works for likes today.
    pub api: Option<ApiConfig>,
    pub user_agent: String,
}

/// How this instance reaches an API of Instagram.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    pub api: Api,
    /// `https://graph.instagram.com/`, or the sandbox. A path in it is kept.
    pub base_url: Url,
    /// Where people are sent to sign in: `https://www.instagram.com/oauth/authorize`.
    pub authorize_url: Url,
    /// Where codes are exchanged: `https://api.instagram.com/oauth/access_token`.
    pub token_url: Url,
    /// Without it the door is closed.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// The operator's own token, to ask for posts and profiles with; the old API alone has use for it.
    pub token: Option<Secret>,
    /// Sign each request with the client's secret (`sig`), which the old API could be told to demand.
    pub signs_requests: bool,
}

/// The connector; cheap to share.
pub struct Instagram {
    config: Config,
    http: Arc<dyn Http>,
    pub(super) door: Option<Box<dyn SignInApi>>,
}

fn door(config: &Config, http: &Arc<dyn Http>) -> Option<Box<dyn SignInApi>> {
    let api = config.api.as_ref()?;
    let (scopes, scope_separator): (&[&str], char) = match api.api {
        Api::Graph => (&["instagram_business_basic"], ','),
        Api::Legacy => (&["basic", "public_content", "likes"], ' '),
    };
    let client_secret = api.client_secret.clone()?;
    let door = OAuth2Config {
        auth_url: api.authorize_url.clone(),
        token_url: api.token_url.clone(),
        client_id: api.client_id.clone()?,
        client_secret: Some(client_secret.clone()),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        scope_separator,
        uses_pkce: false,
        client_auth: ClientAuth::Body,
        extra: Vec::new(),
        user_agent: config.user_agent.clone(),
    };
    let door = OAuth2Door::new(door, Arc::clone(http));
    Some(match api.api {
        Api::Legacy => Box::new(door),
        Api::Graph => Box::new(GraphDoor {
            door,
            http: Arc::clone(http),
            base_url: api.base_url.clone(),
            client_secret,
            user_agent: config.user_agent.clone(),
        }),
    })
}

impl Instagram {
    pub fn new(config: Config, http: Arc<dyn Http>) -> Instagram {
        let door = door(&config, &http);
        Instagram { config, http, door }
    }

    pub(super) fn api(&self) -> Option<Api> {
        self.config.api.as_ref().map(|api| api.api)
    }

    pub(super) fn has_keys(&self) -> bool {
        self.door.is_some() || self.config.api.as_ref().is_some_and(|api| api.token.is_some())
    }

    fn config(&self) -> Result<&ApiConfig, Error> {
        self.config.api.as_ref().ok_or_else(|| Error::unsupported("no API of Instagram is set: use the export file"))
    }

    /// Asks one question of the API.
    ///
    /// - `path`: below the version, such as `["users", "self"]`.
    async fn get(&self, path: &[&str], query: &[(&str, &str)], access: &Access) -> Result<HttpReply, Error> {
        let config = self.config()?;
        let token = match access {
            Access::User(Credential::Bearer(token)) => token.reveal(),
            Access::User(Credential::Signed { .. }) => {
                return Err(Error::unsupported("Instagram takes no requests of OAuth 1.0a"));
            }
            Access::Instance => match &config.token {
                Some(token) => token.reveal(),
                None => return Err(Error::unsupported("Instagram answers only in the name of an account")),
            },
        };
        let mut url = config.base_url.clone();
        {
            let mut segments = url.path_segments_mut().expect("an http address has a path");
            segments.pop_if_empty();
            if config.api == Api::Legacy {
                segments.push("v1");
            }
            segments.extend(path);
        }
        let mut fields = query.to_vec();
        fields.push(("access_token", token));
        let signature = match (&config.client_secret, config.signs_requests) {
            (Some(secret), true) => Some(signature(secret, path, &fields)),
            _ => None,
        };
        fields.extend(signature.as_deref().map(|signature| ("sig", signature)));
        url.query_pairs_mut().extend_pairs(fields);
        let headers =
            [Header::new("accept", "application/json"), Header::new("user-agent", self.config.user_agent.as_str())];
        let reply = self.http.get(&url, &headers).await?;
        match reply.status {
            200 => Ok(reply),
            300..=399 => Err(Error::malformed("Instagram's API does not redirect, and this reply does")),
            _ => Err(error::classify(&reply)),
        }
    }

    async fn token_owner(&self, access: &Access) -> Result<Profile, Error> {
        match self.config()?.api {
            Api::Legacy => wire::profile(&self.get(&["users", "self"], &[], access).await?.body),
            Api::Graph => {
                let asked = [("fields", graph::PROFILE_FIELDS)];
                graph::profile(&self.get(&["me"], &asked, access).await?.body)
            }
        }
    }

    /// The account behind the token, when it is the one that is meant.
    async fn token_owner_is(&self, account: &ExternalId, access: &Access) -> Result<Profile, Error> {
        Who::account_on(account, PLATFORM)?;
        let owner = self.token_owner(access).await?;
        if owner.id == *account {
            Ok(owner)
        } else {
            Err(Error::Forbidden { message: format!("the token belongs to {}, not to {account}", owner.id) })
        }
    }

    async fn legacy_profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let id = match who {
            Who::TokenOwner => return self.token_owner(access).await,
            Who::Id(id) => id.clone(),
            Who::Handle(handle) if address::is_handle(handle) => {
                let reply = self.get(&["users", "search"], &[("q", handle)], access).await?;
                let not_found = || Error::NotFound { message: format!("nobody is called {handle}") };
                wire::found_by_name(&reply.body, handle)?.ok_or_else(not_found)?
            }
            Who::Handle(handle) => return Err(Error::NotFound { message: format!("`{handle}` is not a handle") }),
        };
        let profile = wire::profile(&self.get(&["users", number(&id)?], &[], access).await?.body)?;
        if profile.id == id {
            Ok(profile)
        } else {
            Err(Error::malformed(format!("asked for {id}, got {}", profile.id)))
        }
    }
}

/// The hex form of HMAC-SHA256 over the path without its version and the parameters in the order of their names.
/// Source: Instagram's documentation of "Secure Requests", as it was.
fn signature(secret: &Secret, path: &[&str], fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut base = format!("/{}", path.join("/"));
    for (name, value) in sorted {
        base = format!("{base}|{name}={value}");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    hex::encode(hmac::sign(&key, base.as_bytes()))
}

#[async_trait]
impl LiveApi for Instagram {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        match (self.config()?.api, who) {
            (Api::Legacy, who) => self.legacy_profile(who, access).await,
            (Api::Graph, Who::TokenOwner) => self.token_owner(access).await,
            (Api::Graph, Who::Id(id)) => self.token_owner_is(id, access).await,
            (Api::Graph, Who::Handle(_)) => Err(Error::unsupported("Instagram looks nobody up by name")),
        }
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        if self.config()?.api == Api::Graph {
            return Err(Error::unsupported("no API of Instagram tells what somebody likes: use the export file"));
        }
        let account = match &query.who {
            Who::Id(id) => Some(number(id)?),
            Who::TokenOwner => None,
            Who::Handle(_) => return Err(Error::unsupported("Instagram lists likes only of the token's own account")),
        };
        let place = query.cursor.as_ref().map(Place::read).transpose()?;
        match (&place, &query.who) {
            (Some(place), _) if place.account.as_deref() != account => {
                return Err(Error::malformed("the cursor belongs to another account"));
            }
            // The list itself does not say whose likes they are.
            (None, Who::Id(id)) => drop(self.token_owner_is(id, &query.access).await?),
            _ => {}
        }
        let count = PAGE_SIZE_LEGACY.to_string();
        let mut asked = vec![("count", count.as_str())];
        asked.extend(place.as_ref().map(|place| ("max_like_id", place.max_id.as_str())));
        let reply = self.get(&["users", "self", "media", "liked"], &asked, &query.access).await?;
        let wire::Page { found, next } = wire::liked(&reply.body)?;
        Ok(LikesReply::Page(LikePage {
            items: found.items,
            hidden: found.hidden,
            unreadable: found.unreadable,
            next: next.map(|max_id| Place { account: account.map(str::to_owned), max_id }.cursor()),
            quota: error::quota(&reply.headers),
            etag: None,
        }))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(account) = of else {
            return Err(Error::unsupported("nothing hangs below a post of Instagram"));
        };
        let number = number(account)?;
        let place = cursor.map(Place::read).transpose()?;
        if place.as_ref().is_some_and(|place| place.account.as_deref() != Some(number)) {
            return Err(Error::malformed("the cursor belongs to another account"));
        }
        let after = place.as_ref().map(|place| place.max_id.as_str());
        let (wire::Page { found, next }, reply) = match self.config()?.api {
            Api::Legacy => {
                let count = PAGE_SIZE_LEGACY.to_string();
                let mut asked = vec![("count", count.as_str())];
                asked.extend(after.map(|after| ("max_id", after)));
                let reply = self.get(&["users", number, "media", "recent"], &asked, access).await?;
                (wire::posts(&reply.body)?, reply)
            }
            Api::Graph => {
                self.token_owner_is(account, access).await?;
                let limit = PAGE_SIZE_GRAPH.to_string();
                let mut asked = vec![("fields", graph::MEDIA_FIELDS), ("limit", limit.as_str())];
                asked.extend(after.map(|after| ("after", after)));
                let reply = self.get(&["me", "media"], &asked, access).await?;
                (graph::posts(&reply.body, Some(account))?, reply)
            }
        };
        let count = found.items.len();
        let items: Vec<Post> = found.items.into_iter().filter(|post| post.owner.as_ref() == Some(account)).collect();
        let foreign = u32::try_from(count - items.len()).expect("a bounded body holds fewer items");
        Ok(PostPage {
            items,
            unreadable: found.unreadable + foreign,
            next: next.map(|max_id| Place { account: Some(number.to_owned()), max_id }.cursor()),
            quota: error::quota(&reply.headers),
        })
    }

    async fn post(&self, object: &ObjectRef, _hint_url: Option<&str>, access: &Access) -> Result<Post, Error> {
        if object.platform() != PLATFORM || !address::is_shortcode(object.object()) {
            return Err(Error::unsupported(format!("{object} is not the shortcode of a post")));
        }
        if self.config()?.api == Api::Graph {
            return Err(Error::unsupported("Instagram finds no post by its shortcode any more"));
        }
        let post = wire::media(&self.get(&["media", "shortcode", object.object()], &[], access).await?.body)?;
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        let code = reference.post_id.as_deref().filter(|_| reference.kind == RefKind::Post);
        let code = code.filter(|_| reference.platform == PLATFORM);
        let code = code.ok_or_else(|| Error::unsupported(format!("{} is not a post", reference.canonical_url)))?;
        self.post(&ObjectRef::new(PLATFORM, code)?, None, access).await
    }
}

/// Where a listing goes on, and of whose account it was proved to be.
struct Place {
    account: Option<String>,
    max_id: String,
}

impl Place {
    fn cursor(&self) -> Cursor {
        Cursor::new(format!("{}:{}", self.account.as_deref().unwrap_or_default(), self.max_id))
    }

    fn read(cursor: &Cursor) -> Result<Place, Error> {
        match cursor.as_str().split_once(':') {
            Some((account, max_id)) if (account.is_empty() || is_decimal_id(account)) && !max_id.is_empty() => {
                let account = Some(account).filter(|account| !account.is_empty()).map(str::to_owned);
                Ok(Place { account, max_id: max_id.to_owned() })
            }
            _ => Err(Error::malformed("the cursor is not one of this API")),
        }
    }
}

fn number(id: &ExternalId) -> Result<&str, Error> {
    let account = Who::account_on(id, PLATFORM)?;
    let is_id = is_decimal_id(account);
    if is_id { Ok(account) } else { Err(Error::unsupported(format!("`{account}` is not the number of an account"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_documentation() {
        // Instagram's documentation, "Secure Requests": the two examples of the endpoint /users/self and /media.
        let secret = Secret::new("6dc1787668c64c939929c17683d7cb74");
        let token = "fb2e77d.47a0479900504cb3ab4a1f626d174d2d";
        let own = signature(&secret, &["users", "self"], &[("access_token", token)]);
        assert_eq!(own, "cbf5a1f41db44412506cb6563a3218b50f45a710c7a8a65a3e9b18315bb338bf");
        let media = ["media", "657988443280050001_25025320"];
        let counted = signature(&secret, &media, &[("count", "10"), ("access_token", token)]);
        assert_eq!(counted, "260634b241a6cfef5e4644c205fb30246ff637591142781b86e2075faf1b163a");
    }
}
