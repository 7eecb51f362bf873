//! How App.net and pnut.io are asked: people, posts and likes, page by page.
//!
//! Owns two rules. A token goes to the configured API and nowhere else: no address out of a reply is followed, and a
//! redirect is an error. And a listing belongs to one account: asked by name, it is looked up first and read by number
//! from then on, because a name may change hands between two pages.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::url::is_name;
use super::{Dialect, PAGE_SIZE, PLATFORM, error, wire};
use crate::bridges::LiveApi;
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http, HttpReply};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::reference::ParsedRef;
use crate::bridges::value::{
    Access, Credential, Cursor, LikePage, LikesQuery, LikesReply, Post, PostPage, PostsOf, Profile, Secret, Who,
};
use crate::domain::identity::ObjectRef;

/// How this instance reaches App.net or pnut.io.
#[derive(Clone, Debug)]
pub struct Config {
    pub dialect: Dialect,
    /// `https://api.pnut.io/v1/`, or the sandbox. App.net's own is gone: without an address only export files are read.
    pub base_url: Option<Url>,
    /// A token of the operator's, for more requests; public likes need none.
    pub token: Option<Secret>,
    pub user_agent: String,
    /// As which app people sign in; without it the door is closed.
    pub app: Option<App>,
}

/// An app of the operator's.
#[derive(Clone, Debug)]
pub struct App {
    /// `https://pnut.io/oauth/authenticate`, or the sandbox.
    pub auth_url: Url,
    /// `https://api.pnut.io/v1/oauth/access_token`, or the sandbox.
    pub token_url: Url,
    pub client_id: String,
    pub client_secret: Secret,
}

/// The connector; cheap to share.
pub struct AppNet {
    config: Config,
    http: Arc<dyn Http>,
    pub(super) door: Option<OAuth2Door>,
}

impl AppNet {
    pub fn new(config: Config, http: Arc<dyn Http>) -> AppNet {
        // Without an API to ask, nobody could be recognised after signing in.
        let app = config.app.as_ref().filter(|_| config.base_url.is_some());
        let door = app.map(|app| {
            let config = OAuth2Config {
                auth_url: app.auth_url.clone(),
                token_url: app.token_url.clone(),
                client_id: app.client_id.clone(),
                client_secret: Some(app.client_secret.clone()),
                // To know who somebody is, and to read what everybody may.
                scopes: vec!["basic".to_owned()],
                scope_separator: ' ',
                uses_pkce: false,
                client_auth: ClientAuth::Body,
                extra: Vec::new(),
                user_agent: config.user_agent.clone(),
            };
            OAuth2Door::new(config, Arc::clone(&http))
        });
        AppNet { config, http, door }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.config.dialect
    }

    pub(super) fn is_live(&self) -> bool {
        self.config.base_url.is_some()
    }

    /// An address below the base; each segment is escaped.
    fn at(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Url, Error> {
        let base = self.config.base_url.as_ref().ok_or_else(|| Error::unsupported("App.net has closed"))?;
        let mut url = base.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    async fn get(&self, url: Url, access: &Access) -> Result<HttpReply, Error> {
        let mut headers =
            vec![Header::new("accept", "application/json"), Header::new("user-agent", self.config.user_agent.as_str())];
        let token = match access {
            Access::Instance => self.config.token.as_ref(),
            Access::User(Credential::Bearer(token)) => Some(token),
            Access::User(Credential::Signed { .. }) => {
                return Err(Error::unsupported("this platform takes no signed requests"));
            }
        };
        if let Some(token) = token {
            headers.push(Header::new("authorization", format!("Bearer {}", token.reveal())));
        }
        let reply = self.http.get(&url, &headers).await?;
        if reply.status == 200 { Ok(reply) } else { Err(error::classify(&reply)) }
    }

    /// What makes annotations come along.
    fn noted(&self, of_people: bool) -> (&'static str, &'static str) {
        match (self.dialect(), of_people) {
            (Dialect::AppNet, true) => ("include_user_annotations", "1"),
            (Dialect::AppNet, false) => ("include_post_annotations", "1"),
            (Dialect::Pnut, true) => ("include_user_raw", "1"),
            (Dialect::Pnut, false) => ("include_post_raw", "1"),
        }
    }

    fn number<'a>(&self, id: &'a str) -> Result<&'a str, Error> {
        let dialect = self.dialect();
        dialect.number(id).ok_or_else(|| Error::unsupported(format!("`{id}` is no id of `{}`", dialect.as_str())))
    }

    /// Whose list is read: a number, or `me`.
    async fn list_of(&self, who: &Who, access: &Access) -> Result<String, Error> {
        match who {
            Who::TokenOwner => Ok("me".to_owned()),
            Who::Id(id) => Ok(self.number(Who::account_on(id, PLATFORM)?)?.to_owned()),
            Who::Handle(_) => {
                let profile = self.profile(who, access).await?;
                Ok(self.number(profile.id.account())?.to_owned())
            }
        }
    }

    async fn page(&self, of: &str, list: &str, before: Option<&str>, access: &Access) -> Result<HttpReply, Error> {
        let size = PAGE_SIZE.to_string();
        let mut query = vec![("count", size.as_str()), self.noted(false)];
        query.extend(before.map(|before| ("before_id", before)));
        self.get(self.at(&["users", of, list], &query)?, access).await
    }
}

/// `<whose list>/<id of the page>`
fn cursor_of(of: &str, next: Option<String>) -> Option<Cursor> {
    next.map(|next| Cursor::new(format!("{of}/{next}")))
}

/// The two halves of a cursor, which may have been stored long ago.
fn halves(cursor: &Cursor) -> Result<(&str, &str), Error> {
    let (of, before) =
        cursor.as_str().split_once('/').ok_or_else(|| Error::malformed("the cursor has an unknown form"))?;
    if of == "me" || crate::bridges::wire::is_decimal_id(of) {
        Ok((of, wire::checked_page_id(before)?))
    } else {
        Err(Error::malformed("the cursor names nobody"))
    }
}

#[async_trait]
impl LiveApi for AppNet {
    async fn profile(&self, who: &Who, access: &Access) -> Result<Profile, Error> {
        let name = match who {
            Who::Id(id) => self.number(Who::account_on(id, PLATFORM)?)?.to_owned(),
            Who::Handle(handle) if is_name(handle) => format!("@{handle}"),
            Who::Handle(handle) => return Err(Error::NotFound { message: format!("`{handle}` is not a name") }),
            Who::TokenOwner => "me".to_owned(),
        };
        let reply = self.get(self.at(&["users", &name], &[self.noted(true)])?, access).await?;
        let profile = wire::profile(&reply.body, self.dialect())?;
        match who {
            Who::Id(id) if *id != profile.id => Err(Error::malformed(format!("asked for {id}, got {}", profile.id))),
            Who::Handle(handle) if !handle.eq_ignore_ascii_case(&profile.handle) => {
                Err(Error::malformed(format!("asked for `{handle}`, got `{}`", profile.handle)))
            }
            _ => Ok(profile),
        }
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, Error> {
        let (of, before) = match &query.cursor {
            None => (self.list_of(&query.who, &query.access).await?, None),
            Some(cursor) => {
                let (of, before) = halves(cursor)?;
                let fits = match &query.who {
                    Who::Id(id) => self.number(Who::account_on(id, PLATFORM)?)? == of,
                    Who::TokenOwner => of == "me",
                    Who::Handle(_) => of != "me",
                };
                if !fits {
                    return Err(Error::malformed("the cursor belongs to another account"));
                }
                (of.to_owned(), Some(before))
            }
        };
        let reply = self.page(&of, self.dialect().likes(), before, &query.access).await?;
        let page = wire::likes(&reply.body, self.dialect())?;
        Ok(LikesReply::Page(LikePage {
            items: page.found.items,
            hidden: page.found.hidden,
            unreadable: page.found.unreadable,
            next: cursor_of(&of, page.next),
            quota: error::quota(&reply.headers),
            etag: None,
        }))
    }

    async fn posts(&self, of: &PostsOf, cursor: Option<&Cursor>, access: &Access) -> Result<PostPage, Error> {
        let PostsOf::Account(account) = of else {
            return Err(Error::unsupported("nothing hangs below a post here"));
        };
        let number = self.number(Who::account_on(account, PLATFORM)?)?;
        let before = match cursor.map(halves).transpose()? {
            Some((of, _)) if of != number => return Err(Error::malformed("the cursor belongs to another account")),
            halves => halves.map(|(_, before)| before),
        };
        let reply = self.page(number, "posts", before, access).await?;
        let page = wire::posts(&reply.body, self.dialect())?;
        Ok(PostPage {
            items: page.found.items,
            unreadable: page.found.unreadable,
            next: cursor_of(number, page.next),
            quota: error::quota(&reply.headers),
        })
    }

    async fn post(&self, object: &ObjectRef, _hint_url: Option<&str>, access: &Access) -> Result<Post, Error> {
        if object.platform() != PLATFORM {
            return Err(Error::unsupported(format!("{object} is not a post on {PLATFORM}")));
        }
        let number = self.number(object.object())?;
        let reply = self.get(self.at(&["posts", number], &[self.noted(false)])?, access).await?;
        let post = wire::post(&reply.body, self.dialect())?;
        if post.id == *object {
            Ok(post)
        } else {
            Err(Error::malformed(format!("asked for {object}, got {}", post.id)))
        }
    }

    async fn resolve(&self, reference: &ParsedRef, access: &Access) -> Result<Post, Error> {
        match &reference.post_id {
            Some(id) if reference.platform == PLATFORM => self.post(&ObjectRef::new(PLATFORM, id)?, None, access).await,
            _ => Err(Error::unsupported(format!("{} is not a post", reference.canonical_url))),
        }
    }
}
