//! How GitHub is asked: requests, pages, redirects, conditional requests.
//!
//! Owns two rules. A token goes to the configured API and nowhere else: an address in a `Link` or `Location` header
//! that leaves it is refused. And an account is asked for by its number: a login is looked up just before it is used,
//! because it may belong to somebody else by now.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::{PAGE_SIZE, error, url as address, wire};
use crate::bridges::LiveApi;
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::reference::ParsedRef;
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, Liker, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Secret, Who,
};
use crate::bridges::wire::{is_decimal_id, next_link};
use crate::domain::identity::{ObjectRef, Platform};

const PLATFORM: Platform = Platform::GitHub;
const API_VERSION: &str = "2022-11-28";
const ACCEPT_JSON: &str = "application/vnd.github+json";
/// The form of a list of stars that carries their times.
const ACCEPT_STARS: &str = "application/vnd.github.star+json";
/// A renamed repository takes one hop; more than a few are a loop.
const REDIRECTS_MAX: usize = 3;

/// How this instance reaches GitHub.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.github.com/`, a GitHub Enterprise server, or the sandbox. A path in it is kept.
    pub base_url: Url,
    /// The operator's own token: 5,000 requests an hour instead of 60. It needs no scope.
    pub token: Option<Secret>,
    /// GitHub refuses requests without one, and asks that it names whom to write to.
    pub user_agent: String,
    /// As which app people sign in; without it the door is closed.
    pub app: Option<App>,
}

/// An OAuth app of the operator's.
#[derive(Clone, Debug)]
pub struct App {
    /// `https://github.com/login/oauth/`, or the sandbox.
    pub auth_url: Url,
    pub client_id: String,
    pub client_secret: Secret,
}

/// The connector; cheap to share.
pub struct GitHub {
    config: Config,
    http: Arc<dyn Http>,
    pub(super) door: Option<OAuth2Door>,
}

fn below(url: &Url, segment: &str) -> Url {
    let mut url = url.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().push(segment);
    url
}

/// A successful reply to a conditional request.
enum Fetched {
    Fresh(HttpReply),
    NotModified(HttpReply),
}

impl GitHub {
    pub fn new(mut config: Config, http: Arc<dyn Http>) -> GitHub {
        // With a closing slash the comparison of paths below cannot take `/github-evil` for `/github`.
        if !config.base_url.path().ends_with('/') {
            let path = format!("{}/", config.base_url.path());
            config.base_url.set_path(&path);
        }
        let door = config.app.as_ref().map(|app| {
            // Public stars need no scope: to know who somebody is, nothing has to be granted.
            let config = OAuth2Config {
                auth_url: below(&app.auth_url, "authorize"),
                token_url: below(&app.auth_url, "access_token"),
                client_id: app.client_id.clone(),
                client_secret: Some(app.client_secret.clone()),
                scopes: Vec::new(),
                scope_separator: ',',
                uses_pkce: true,
                client_auth: ClientAuth::Body,
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            OAuth2Door::new(config, Arc::clone(&http))
        });
        GitHub { config, http, door }
    }

    /// Who stars a repository, one page; the way to see the likes of a claimed creator's work at once.
    pub async fn likers(
        &self,
        repository: &ObjectRef,
        cursor: Option<&Cursor>,
        access: &Access,
    ) -> Result<(Vec<Liker>, Option<Cursor>), Error> {
        let url = match cursor {
            Some(cursor) => self.page(cursor)?,
            None => self.at(&["repositories", repository_number(repository)?, "stargazers"], &[("per_page", "100")]),
        };
        let reply = self.get(url, ACCEPT_STARS, access).await?;
        let found = wire::stargazers(&reply.body)?;
        Ok((found.items, self.next(&reply)?))
    }

    /// An address below the base; each segment is escaped.
    fn at(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.config.base_url.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Whether our token may go to this address.
    fn is_ours(&self, url: &Url) -> bool {
        let base = &self.config.base_url;
        url.origin() == base.origin()
            && url.path().starts_with(base.path())
            && url.username().is_empty()
            && url.password().is_none()
    }

    fn ours(&self, text: &str, from: &str) -> Result<Url, Error> {
        let url = self.config.base_url.join(text).map_err(|_| Error::malformed(format!("{from} is no address")))?;
        if self.is_ours(&url) {
            Ok(url)
        } else {
            let host = url.host_str().unwrap_or("no host").to_owned();
            Err(Error::malformed(format!("{from} leads away from the configured API, to {host}")))
        }
    }

    /// The address in a cursor, which may have been stored before the configuration changed.
    fn page(&self, cursor: &Cursor) -> Result<Url, Error> {
        self.ours(cursor.as_str(), "the next page")
    }

    fn next(&self, reply: &HttpReply) -> Result<Option<Cursor>, Error> {
        let Some(link) = reply.headers.get("link").and_then(next_link) else { return Ok(None) };
        Ok(Some(Cursor::new(self.ours(link, "the next page")?)))
    }

    fn headers(&self, accept: &str, access: &Access, etag: Option<&str>) -> Result<Vec<Header>, Error> {
        let mut headers = vec![
            Header::new("accept", accept),
            Header::new("user-agent", self.config.user_agent.as_str()),
            Header::new("x-github-api-version", API_VERSION),
        ];
        let token = match access {
            Access::Instance => self.config.token.as_ref(),
            Access::User(Credential::Bearer(token)) => Some(token),
            Access::User(Credential::Signed { .. }) => {
                return Err(Error::unsupported("GitHub takes no signed requests"));
            }
        };
        if let Some(token) = token {
            headers.push(Header::new("authorization", format!("Bearer {}", token.reveal())));
        }
        if let Some(etag) = etag {
            headers.push(Header::new("if-none-match", etag));
        }
        Ok(headers)
    }

    /// Asks, follows redirects inside the base, and turns failing statuses into errors.
    async fn fetch(&self, mut url: Url, accept: &str, access: &Access, etag: Option<&str>) -> Result<Fetched, Error> {
        let headers = self.headers(accept, access, etag)?;
        for _ in 0..=REDIRECTS_MAX {
            let reply = self.http.get(&url, &headers).await?;
            match reply.status {
                200 => return Ok(Fetched::Fresh(reply)),
                304 if etag.is_some() => return Ok(Fetched::NotModified(reply)),
                301 | 302 | 307 | 308 => {
                    let target =
                        reply.headers.get("location").ok_or_else(|| Error::malformed("a redirect to nowhere"))?;
                    url = self.ours(target, "a redirect")?;
                }
                _ => return Err(error::classify(&reply)),
            }
        }
        Err(Error::malformed("the redirects do not come to an end"))
    }

    async fn get(&self, url: Url, accept: &str, access: &Access) -> Result<HttpReply, Error> {
        match self.fetch(url, accept, access, None).await? {
            Fetched::Fresh(reply) => Ok(reply),
            Fetched::NotModified(_) => unreachable!("only a request with an etag is answered by 304"),
        }
    }

    async fn repository_at(&self, segments: &[&str], access: &Access) -> Result<Post, Error> {
        wire::repository(&self.get(self.at(segments, &[]), ACCEPT_JSON, access).await?.body)
    }

    /// The login that an account bears now.
    async fn login_of(&self, who: &Who, access: &Access) -> Result<String, Error> {
        match who {
            Who::Handle(handle) => checked_login(handle),
            Who::Id(_) | Who::TokenOwner => checked_login(&self.profile(who, access).await?.handle),
        }
    }
}

#[async_trait]
impl LiveApi for GitHub {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let url = match who {
            Who::Id(id) => self.at(&["user", checked_number(Who::account_on(id, PLATFORM)?)?], &[]),
            Who::Handle(handle) => self.at(&["users", &checked_login(handle)?], &[]),
            Who::TokenOwner => self.at(&["user"], &[]),
        };
        let profile = wire::profile(&self.get(url, ACCEPT_JSON, access).await?.body)?;
        match who {
            Who::Id(id) if *id != profile.id => Err(Error::malformed(format!("asked for {id}, got {}", profile.id))),
            _ => Ok(profile),
        }
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        let url = match (&query.cursor, &query.who) {
            (Some(cursor), _) => self.page(cursor)?,
            (None, who) => {
                let size = PAGE_SIZE.to_string();
                let paging = [("sort", "created"), ("direction", "desc"), ("per_page", size.as_str())];
                if *who == Who::TokenOwner {
                    self.at(&["user", "starred"], &paging)
                } else {
                    let login = self.login_of(who, &query.access).await?;
                    self.at(&["users", &login, "starred"], &paging)
                }
            }
        };
        match self.fetch(url, ACCEPT_STARS, &query.access, query.etag.as_deref()).await? {
            Fetched::NotModified(reply) => Ok(LikesReply::NotModified { quota: error::quota(&reply.headers) }),
            Fetched::Fresh(reply) => {
                let found = wire::starred(&reply.body)?;
                Ok(LikesReply::Page(LikePage {
                    items: found.items,
                    hidden: found.hidden,
                    unreadable: found.unreadable,
                    next: self.next(&reply)?,
                    quota: error::quota(&reply.headers),
                    etag: reply.headers.get("etag").map(str::to_owned),
                }))
            }
        }
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let size = PAGE_SIZE.to_string();
        let (found, reply) = match of {
            PostsOf::Account(account) => {
                let url = match cursor {
                    Some(cursor) => self.page(cursor)?,
                    None => {
                        let login = self.login_of(&Who::Id(account.clone()), access).await?;
                        self.at(&["users", &login, "repos"], &[("sort", "pushed"), ("per_page", &size)])
                    }
                };
                let reply = self.get(url, ACCEPT_JSON, access).await?;
                (wire::repositories(&reply.body)?, reply)
            }
            PostsOf::Post(repository) => {
                let number = repository_number(repository)?;
                let parent = self.repository_at(&["repositories", number], access).await?;
                let url = match cursor {
                    Some(cursor) => self.page(cursor)?,
                    None => self.at(&["repositories", number, "releases"], &[("per_page", &size)]),
                };
                let reply = self.get(url, ACCEPT_JSON, access).await?;
                (wire::releases(&reply.body, Some(&parent))?, reply)
            }
        };
        Ok(PostPage {
            items: found.items,
            unreadable: found.unreadable,
            next: self.next(&reply)?,
            quota: error::quota(&reply.headers),
        })
    }

    async fn post(&self, object: &ObjectRef, hint_url: Option<&str>, access: &Access) -> Result<Post, Error> {
        let post = match (release_number(object), hint_url) {
            // GitHub has no way to ask for a release without its repository, which only the address tells.
            (Some(_), Some(hint)) => {
                let reference = address::parse(hint).map_err(|error| Error::unsupported(error.to_string()))?;
                self.resolve(&reference, access).await?
            }
            _ => self.repository_at(&["repositories", repository_number(object)?], access).await?,
        };
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        let not_a_post = || Error::unsupported(format!("{} is not a repository or release", reference.canonical_url));
        let (owner, name, tag) = address::path_of(reference).ok_or_else(not_a_post)?;
        let repository = self.repository_at(&["repos", owner, name], access).await?;
        let Some(tag) = tag else { return Ok(repository) };
        // By number from here on: the name in the address may be an old one.
        let url = self.at(&["repositories", repository.id.object(), "releases", "tags", tag], &[]);
        wire::release(&self.get(url, ACCEPT_JSON, access).await?.body, Some(&repository))
    }
}

/// The number of a repository. A release id names no repository, and GitHub has no way to ask for a release without
/// one.
fn repository_number(object: &ObjectRef) -> Result<&str, Error> {
    if object.platform() == PLATFORM && is_decimal_id(object.object()) {
        Ok(object.object())
    } else {
        Err(Error::unsupported(format!("{object} is not the number of a repository on {PLATFORM}")))
    }
}

fn release_number(object: &ObjectRef) -> Option<&str> {
    let number = object.object().strip_prefix("release-")?;
    (object.platform() == PLATFORM && is_decimal_id(number)).then_some(number)
}

fn checked_number(account: &str) -> Result<&str, Error> {
    let is_id = is_decimal_id(account);
    if is_id { Ok(account) } else { Err(Error::unsupported(format!("`{account}` is not an account number"))) }
}

fn checked_login(handle: &str) -> Result<String, Error> {
    let is_login = address::is_login(handle);
    if is_login {
        Ok(handle.to_owned())
    } else {
        Err(Error::NotFound { message: format!("`{handle}` is not a login") })
    }
}
