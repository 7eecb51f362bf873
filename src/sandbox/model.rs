//! The state of all platforms: people, posts, likes, tokens, and a clock that stands still until it is moved.
//!
//! Owns that everything is repeatable: ids are counted, times come from the virtual clock, and nothing is random. Knows
//! no wire format; what is peculiar to a platform is in its own file.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::ids::{self, Ids};
use super::push::{News, Pushes};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// 2013-06-01T00:00:00Z: where the clock of a fresh world stands.
const BEGINNING: Timestamp = Timestamp::from_seconds(1_370_044_800);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserKind {
    #[default]
    Person,
    Organization,
    Bot,
}

/// What a post is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostKind {
    Text,
    Image,
    Video,
    Audio,
    Collection,
    Repository,
    Release,
}

impl PostKind {
    /// What people mostly post there.
    pub const fn usual_on(platform: Platform) -> PostKind {
        match platform {
            Platform::Twitter | Platform::AppNet | Platform::Fediverse => PostKind::Text,
            Platform::Instagram | Platform::Flickr | Platform::FiveHundredPx => PostKind::Image,
            Platform::Vimeo => PostKind::Video,
            Platform::SoundCloud => PostKind::Audio,
            Platform::GitHub => PostKind::Repository,
        }
    }
}

#[derive(Clone, Debug)]
pub struct User {
    pub platform: Platform,
    pub id: String,
    pub handle: String,
    pub kind: UserKind,
    pub name: Option<String>,
    pub bio: Option<String>,
    pub website: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Post {
    pub platform: Platform,
    pub id: String,
    pub kind: PostKind,
    /// The id of the user who owns it.
    pub owner: String,
    /// The id of the post that it hangs below: the repository of a release.
    pub parent: Option<String>,
    /// The name in addresses: of a repository, or the tag of a release.
    pub name: String,
    /// What people call it, where that is not its name.
    pub title: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub licence: Option<String>,
    pub is_private: bool,
    pub is_sensitive: bool,
    pub created_at: Timestamp,
    /// Earlier addresses, `handle/name` in lower case, which the platform still redirects.
    pub former_paths: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Like {
    pub platform: Platform,
    pub user: String,
    pub post: String,
    pub at: Timestamp,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Speaks for a person.
    Access,
    /// Gets a new access token.
    Refresh,
    /// Speaks for an app alone.
    App,
    /// Of OAuth 1.0a: signs, and is not shown alone.
    Signed,
}

/// A token that a platform gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The id of a user; `None` for an app alone.
    pub user: Option<String>,
    pub client: String,
    pub kind: TokenKind,
    /// Of a signed one.
    pub secret: Option<String>,
    /// `None` for all there are.
    pub scopes: Option<Vec<String>>,
    pub expires_at: Option<Timestamp>,
    pub is_revoked: bool,
    /// The code that it goes back to.
    pub grant: Option<String>,
}

impl Token {
    /// One of the sandbox's own app that has every scope and does not end.
    pub fn of(user_id: &str) -> Token {
        Token {
            user: Some(user_id.to_owned()),
            client: super::oauth::CLIENT_ID.to_owned(),
            kind: TokenKind::Access,
            secret: None,
            scopes: None,
            expires_at: None,
            is_revoked: false,
            grant: None,
        }
    }

    pub fn signed(user_id: &str, secret: &str) -> Token {
        Token { kind: TokenKind::Signed, secret: Some(secret.to_owned()), ..Token::of(user_id) }
    }
}

/// A request as the log keeps it. Tokens are not kept, only whether there was one.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    pub platform: &'static str,
    pub method: String,
    pub path: String,
    pub query: String,
    pub is_authorized: bool,
    pub is_conditional: bool,
    pub status: u16,
    pub at: String,
}

/// How much of an allowance is used in the current window.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub used: u64,
    pub resets_at: Timestamp,
}

/// Everything there is.
#[derive(Clone)]
pub struct World {
    pub now: Timestamp,
    pub users: Vec<User>,
    pub posts: Vec<Post>,
    pub likes: Vec<Like>,
    /// By (platform, text of the token).
    pub tokens: BTreeMap<(Platform, String), Token>,
    /// Apps, codes and sign-ins under way.
    pub doors: super::oauth::Doors,
    pub usage: BTreeMap<(Platform, String), Usage>,
    /// What a platform keeps for itself by a name of its own: codes, request tokens, secrets, galleries.
    pub kept: BTreeMap<(Platform, String), serde_json::Value>,
    pub faults: Faults,
    /// What a platform showed last: a fault repeats its end.
    pub last_pages: BTreeMap<Platform, Reply>,
    pub requests: Vec<LoggedRequest>,
    /// Who is told what happens.
    pub pushes: Pushes,
    /// The bank behind the sandbox rail.
    pub bank: super::bank::Bank,
    ids: Ids,
}

/// A name in a command or a scenario that fits nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}` on {platform}")]
pub struct Missing {
    pub what: &'static str,
    pub name: String,
    pub platform: Platform,
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

impl World {
    pub fn new() -> World {
        World {
            now: BEGINNING,
            users: Vec::new(),
            posts: Vec::new(),
            likes: Vec::new(),
            tokens: BTreeMap::new(),
            doors: super::oauth::Doors::default(),
            usage: BTreeMap::new(),
            kept: BTreeMap::new(),
            faults: Faults::default(),
            last_pages: BTreeMap::new(),
            requests: Vec::new(),
            pushes: Pushes::default(),
            bank: super::bank::Bank::default(),
            ids: Ids::default(),
        }
    }

    /// An id that nothing else has.
    pub fn fresh_id(&mut self, platform: Platform, is_user: bool) -> String {
        match (platform, is_user) {
            (Platform::Twitter, false) => self.ids.tweet(self.now),
            _ => ids::written(platform, self.ids.number(), is_user),
        }
    }

    /// A number that nothing else has.
    pub fn fresh_number(&mut self) -> u64 {
        self.ids.number()
    }

    /// Adds a person with an id of its own. The rest is there to be changed.
    pub fn add_user(&mut self, platform: Platform, handle: &str) -> &mut User {
        let id = self.fresh_id(platform, true);
        self.users.push(User {
            platform,
            id,
            handle: handle.to_owned(),
            kind: UserKind::Person,
            name: None,
            bio: None,
            website: None,
            created_at: self.now,
        });
        self.users.last_mut().expect("just pushed")
    }

    /// Adds a post of a user, named by id or handle.
    pub fn add_post(&mut self, platform: Platform, owner: &str, name: &str) -> Result<&mut Post, Missing> {
        let owner = self.user(platform, owner)?.id.clone();
        let id = self.fresh_id(platform, false);
        self.posts.push(Post {
            platform,
            id,
            kind: PostKind::usual_on(platform),
            owner,
            parent: None,
            name: name.to_owned(),
            title: None,
            description: None,
            tags: Vec::new(),
            licence: None,
            is_private: false,
            is_sensitive: false,
            created_at: self.now,
            former_paths: Vec::new(),
        });
        Ok(self.posts.last_mut().expect("just pushed"))
    }

    /// A user by id, or by handle without regard to case.
    pub fn user(&self, platform: Platform, name: &str) -> Result<&User, Missing> {
        let place = self.user_place(platform, name)?;
        Ok(&self.users[place])
    }

    pub fn user_mut(&mut self, platform: Platform, name: &str) -> Result<&mut User, Missing> {
        let place = self.user_place(platform, name)?;
        Ok(&mut self.users[place])
    }

    fn user_place(&self, platform: Platform, name: &str) -> Result<usize, Missing> {
        let is_meant = |user: &User| user.id == name || user.handle.eq_ignore_ascii_case(name);
        let place = self.users.iter().position(|user| user.platform == platform && is_meant(user));
        place.ok_or_else(|| Missing { what: "user", name: name.to_owned(), platform })
    }

    /// A post by id, or by `handle/name` as it is now.
    pub fn post(&self, platform: Platform, name: &str) -> Result<&Post, Missing> {
        let place = self.post_place(platform, name)?;
        Ok(&self.posts[place])
    }

    pub fn post_mut(&mut self, platform: Platform, name: &str) -> Result<&mut Post, Missing> {
        let place = self.post_place(platform, name)?;
        Ok(&mut self.posts[place])
    }

    fn post_place(&self, platform: Platform, name: &str) -> Result<usize, Missing> {
        // By id first: building every path for each look-up is what made large worlds slow.
        let by_id = self.posts.iter().position(|post| post.id == name && post.platform == platform);
        let is_at = |post: &Post| post.parent.is_none() && self.path_of(post).eq_ignore_ascii_case(name);
        let by_path = || self.posts.iter().position(|post| post.platform == platform && is_at(post));
        by_id.or_else(by_path).ok_or_else(|| Missing { what: "post", name: name.to_owned(), platform })
    }

    /// `handle/name`
    pub fn path_of(&self, post: &Post) -> String {
        let owner = self.user(post.platform, &post.owner).expect("the owner of a post is never deleted without it");
        format!("{}/{}", owner.handle, post.name)
    }

    /// Records a like; a repeat changes nothing, not even the time.
    pub fn like(&mut self, platform: Platform, user: &str, post: &str, at: Timestamp) -> Result<(), Missing> {
        let user = self.user(platform, user)?.id.clone();
        let post = self.post(platform, post)?.id.clone();
        if !self.likes.iter().any(|like| like.platform == platform && like.user == user && like.post == post) {
            self.pushes.note(News::Liked { platform, user: user.clone(), post: post.clone(), at });
            self.likes.push(Like { platform, user, post, at });
        }
        Ok(())
    }

    pub fn unlike(&mut self, platform: Platform, user: &str, post: &str) -> Result<(), Missing> {
        let user = self.user(platform, user)?.id.clone();
        let post = self.post(platform, post)?.id.clone();
        let before = self.likes.len();
        self.likes.retain(|like| !(like.platform == platform && like.user == user && like.post == post));
        if self.likes.len() < before {
            self.pushes.note(News::Unliked { platform, user, post });
        }
        Ok(())
    }

    /// The busiest liker of a platform likes a new post of a creator they liked before. Nothing where nobody likes.
    pub fn like_one_more(&mut self, platform: Platform) {
        let mut counts: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for like in self.likes.iter().filter(|like| like.platform == platform) {
            counts.entry(&like.user).or_insert((0, &like.post)).0 += 1;
        }
        let busiest = counts.iter().max_by_key(|(_, (count, _))| *count);
        let Some((user, post)) = busiest.map(|(user, (_, post))| ((*user).to_owned(), (*post).to_owned())) else {
            return;
        };
        let owner = self.post(platform, &post).expect("a like ends with its post").owner.clone();
        let name = format!("inserted-{}", self.fresh_number());
        let post = self.add_post(platform, &owner, &name).expect("an owner stays with the post").id.clone();
        self.like(platform, &user, &post, self.now).expect("both are there");
    }

    /// The likes of a user, newest first; of those of one second, the later one first.
    pub fn likes_of(&self, platform: Platform, user_id: &str) -> Vec<&Like> {
        let mut likes: Vec<&Like> =
            self.likes.iter().filter(|like| like.platform == platform && like.user == user_id).collect();
        likes.reverse();
        likes.sort_by_key(|like| std::cmp::Reverse(like.at));
        likes
    }

    /// Gives a user another handle, which frees the old one. Addresses of posts move along and leave a redirect.
    pub fn rename_user(&mut self, platform: Platform, user: &str, to: &str) -> Result<(), Missing> {
        let id = self.user(platform, user)?.id.clone();
        let moves: Vec<usize> = (0..self.posts.len())
            .filter(|place| self.posts[*place].platform == platform && self.posts[*place].owner == id)
            .collect();
        for place in moves {
            let path = self.path_of(&self.posts[place]).to_ascii_lowercase();
            self.posts[place].former_paths.push(path);
        }
        self.user_mut(platform, &id)?.handle = to.to_owned();
        Ok(())
    }

    pub fn rename_post(&mut self, platform: Platform, post: &str, to: &str) -> Result<(), Missing> {
        let path = self.path_of(self.post(platform, post)?).to_ascii_lowercase();
        let post = self.post_mut(platform, post)?;
        post.former_paths.push(path);
        post.name = to.to_owned();
        Ok(())
    }

    /// Deletes a post, what hangs below it, and its likes.
    pub fn delete_post(&mut self, platform: Platform, post: &str) -> Result<(), Missing> {
        let id = self.post(platform, post)?.id.clone();
        self.posts.retain(|post| !(post.platform == platform && (post.id == id || post.parent.as_ref() == Some(&id))));
        self.likes.retain(|like| !(like.platform == platform && like.post == id));
        Ok(())
    }

    /// Deletes a user with posts, likes and tokens.
    pub fn delete_user(&mut self, platform: Platform, user: &str) -> Result<(), Missing> {
        let id = self.user(platform, user)?.id.clone();
        while let Some(post) = self.posts.iter().find(|post| post.platform == platform && post.owner == id) {
            let post = post.id.clone();
            self.delete_post(platform, &post)?;
        }
        self.likes.retain(|like| !(like.platform == platform && like.user == id));
        self.tokens.retain(|(of, _), token| !(*of == platform && token.user.as_ref() == Some(&id)));
        self.users.retain(|user| !(user.platform == platform && user.id == id));
        Ok(())
    }

    /// Takes back every token that a user gave out, as people do in the settings of their account.
    pub fn revoke_tokens(&mut self, platform: Platform, user: &str) -> Result<(), Missing> {
        let id = self.user(platform, user)?.id.clone();
        for ((of, _), token) in &mut self.tokens {
            token.is_revoked |= *of == platform && token.user.as_ref() == Some(&id);
        }
        Ok(())
    }

    /// Ends a token before its time, as a platform may. Nothing where there is no such token.
    pub fn expire_token(&mut self, platform: Platform, text: &str) {
        let now = self.now;
        if let Some(token) = self.tokens.get_mut(&(platform, text.to_owned())) {
            token.expires_at = Some(now);
        }
    }

    /// Takes back a token and all that came with it, as people do in the settings of their account.
    pub fn revoke_token(&mut self, platform: Platform, text: &str) {
        let Some(token) = self.tokens.get_mut(&(platform, text.to_owned())) else { return };
        token.is_revoked = true;
        let Some(grant) = token.grant.clone() else { return };
        for ((of, _), token) in &mut self.tokens {
            token.is_revoked |= *of == platform && token.grant.as_ref() == Some(&grant);
        }
    }

    pub fn advance(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    pub(super) fn log(&mut self, platform: Platform, request: &Request, status: u16) {
        self.requests.push(LoggedRequest {
            platform: platform.slug(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: without_secrets(&request.query_text),
            is_authorized: request.header("authorization").is_some()
                || ["access_token", "oauth_token"].iter().any(|name| request.query.contains_key(*name)),
            is_conditional: request.header("if-none-match").is_some(),
            status,
            at: self.now.to_string(),
        });
    }
}

/// A query as the log keeps it: as sent, but for the values that open something.
fn without_secrets(query: &str) -> String {
    const SECRET: [&str; 8] = [
        "access_token",
        "client_secret",
        "code",
        "code_verifier",
        "oauth_signature",
        "oauth_token",
        "oauth_verifier",
        "refresh_token",
    ];
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if SECRET.contains(&name) => format!("{name}=-"),
        _ => pair.to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<String>>().join("&")
}

/// A moment as an HTTP header says it.
pub fn http_date(at: Timestamp) -> String {
    let seconds = u64::try_from(at.seconds()).expect("the sandbox lives after 1970");
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
