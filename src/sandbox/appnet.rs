//! App.net's API as its documentation describes it, and pnut.io's where that differs.
//!
//! Owns the manners of the two: the envelope of `data` and `meta`, pages by `before_id` and `since_id` with a negative
//! `count`, annotations only on demand, 5,000 requests an hour with a token and 50 a minute without, and a reset in
//! seconds to go. `/stream/0` speaks the words of App.net, `/v1` those of pnut.io, over one world. Source:
//! appdotnet/api-spec (content/reference); for pnut.io the public clients ex_pnut and PnutKit.

pub mod payload;

use std::time::Duration;

use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Missing, Post, Usage, User, World};
use super::oauth::v2::{self, TokenFault};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;
use payload::{Dialect, Notes};

const PLATFORM: Platform = Platform::AppNet;
const PER_HOUR_WITH_TOKEN: u64 = 5_000;
const PER_MINUTE_ANONYMOUS: u64 = 50;
const PAGE_USUAL: usize = 20;
const PAGE_MAX: usize = 200;

/// Tokens do not end by themselves and are not renewed; the client may show itself either way.
const SIGN_IN: v2::Rules = v2::Rules {
    pkce: v2::Pkce::Ignored,
    expires_in: None,
    refresh: v2::Refresh::None,
    has_app_tokens: true,
    scopes: &[
        "basic",
        "stream",
        "write_post",
        "follow",
        "update_profile",
        "messages",
        "public_messages",
        "files",
        "export",
    ],
    default_scopes: &["basic"],
    token: given_token,
    ..v2::Rules::standard(PLATFORM)
};

/// App.net in the table of platforms.
pub struct AppNet;

impl Simulated for AppNet {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    fn limited(&self, _: &World, limit: Limit) -> Reply {
        let (Limit::Primary { seconds } | Limit::Secondary { seconds }) = limit;
        let mut reply = too_fast(seconds);
        reply.header("x-ratelimit-limit", PER_HOUR_WITH_TOKEN.to_string());
        reply.header("x-ratelimit-remaining", "0");
        reply.header("x-ratelimit-reset", seconds.to_string());
        reply
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::ExpiredToken => problem(401, "token-expired", "The token has reached the end of its life."),
            Refusal::RevokedToken => problem(401, "not-authorized", "The user has revoked access."),
            Refusal::MissingScope => problem(403, "", "The token lacks a scope."),
            Refusal::PaymentRequired => problem(402, "", "Payment required."),
            Refusal::CursorExpired => problem(400, "", "before_id is not known."),
            Refusal::ClockSkew => problem(400, "", "Bad request."),
            // Since 2017 there is nothing but a farewell.
            Refusal::DeadPlatform => Reply::html(410, "<!DOCTYPE html><html><h1>App.net has shut down</h1></html>"),
        }
    }

    fn lists(&self) -> &'static [&'static str] {
        &["/data"]
    }

    /// A person's own account, posts and stars, in the form of the API.
    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        let user = world.user(PLATFORM, user_id)?;
        let stars: Vec<Value> = stars_of(world, user)
            .into_iter()
            .map(|post| payload::post(world, post, Some(user), Dialect::AppNet, Notes::ALL))
            .collect();
        let posts: Vec<Value> = posts_of(world, user)
            .into_iter()
            .map(|post| payload::post(world, post, Some(user), Dialect::AppNet, Notes::ALL))
            .collect();
        let owner = enveloped(payload::user(world, user, Dialect::AppNet, Notes::ALL));
        let members = [("user.json", owner), ("posts.json", json!(posts)), ("stars.json", json!(stars))];
        Ok(members.into_iter().map(|(path, body)| (path.to_owned(), body.to_string().into_bytes())).collect())
    }
}

/// In whose name a request comes, and on whose allowance.
struct Caller {
    bearer: Option<v2::Bearer>,
    bucket: String,
    limit: u64,
    window: Duration,
}

impl Caller {
    fn user<'a>(&self, world: &'a World) -> Option<&'a User> {
        world.user(PLATFORM, self.bearer.as_ref()?.user.as_deref()?).ok()
    }
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["oauth", "authenticate" | "authorize"]) => return v2::authorize(world, request, &SIGN_IN),
        ("POST", ["oauth", "access_token"] | ["v1", "oauth", "access_token"]) => {
            return v2::token(world, request, &SIGN_IN);
        }
        _ => {}
    }
    let (dialect, below) = match segments.as_slice() {
        ["stream", "0", below @ ..] => (Dialect::AppNet, below),
        ["v1", below @ ..] => (Dialect::Pnut, below),
        _ => return problem(404, "", "There is no such page."),
    };
    let caller = match caller(world, request) {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    let fresh = Usage { used: 0, resets_at: world.now.plus(caller.window) };
    let known = world.usage.get(&(PLATFORM, caller.bucket.clone())).copied();
    let usage = known.filter(|usage| world.now < usage.resets_at).unwrap_or(fresh);
    let seconds = u64::try_from(usage.resets_at.seconds() - world.now.seconds()).unwrap_or(0);
    let (mut reply, used) = if usage.used >= caller.limit {
        (too_fast(seconds), usage.used)
    } else {
        (route(world, request, &caller, dialect, below), usage.used + 1)
    };
    world.usage.insert((PLATFORM, caller.bucket.clone()), Usage { used, ..usage });
    reply.header("x-ratelimit-limit", caller.limit.to_string());
    reply.header("x-ratelimit-remaining", (caller.limit - used).to_string());
    reply.header("x-ratelimit-reset", seconds.to_string());
    if let Some(bearer) = &caller.bearer {
        reply.header("x-oauth-scopes", bearer.scopes().join(" "));
    }
    reply
}

fn caller(world: &World, request: &Request) -> Result<Caller, Reply> {
    if request.header("authorization").is_none() {
        let bucket = "address:127.0.0.1".to_owned();
        let window = Duration::from_secs(60);
        return Ok(Caller { bearer: None, bucket, limit: PER_MINUTE_ANONYMOUS, window });
    }
    let token = v2::token_in(request, &["bearer"])
        .ok_or_else(|| problem(401, "invalid-token", "The Authorization header is not Bearer."))?;
    let bearer = v2::bearer(world, PLATFORM, token).map_err(|fault| match fault {
        TokenFault::Unknown => problem(401, "invalid-token", "The token is not valid."),
        TokenFault::Expired => problem(401, "token-expired", "The token has reached the end of its life."),
        TokenFault::Revoked => problem(401, "not-authorized", "The user has revoked access."),
    })?;
    let window = Duration::from_secs(3_600);
    Ok(Caller { bearer: Some(bearer), bucket: format!("token:{token}"), limit: PER_HOUR_WITH_TOKEN, window })
}

fn route(world: &mut World, request: &Request, caller: &Caller, dialect: Dialect, below: &[&str]) -> Reply {
    let asked = Notes::asked(request);
    match (request.method.as_str(), below) {
        ("GET", ["token"]) => match caller.user(world) {
            Some(user) => Reply::json(200, &enveloped(payload::token(world, user, caller.bearer.as_ref(), dialect))),
            None => token_required(),
        },
        ("GET", ["users", "me", "interactions"]) if dialect == Dialect::AppNet => match caller.user(world) {
            Some(user) => interactions(world, request, user),
            None => token_required(),
        },
        ("GET", ["users", name]) => match named(world, caller, name) {
            Ok(user) => Reply::json(200, &enveloped(payload::user(world, user, dialect, asked))),
            Err(refused) => refused,
        },
        ("GET", ["users", name, list]) => {
            let user = match named(world, caller, name) {
                Ok(user) => user,
                Err(refused) => return refused,
            };
            let posts = match *list {
                "posts" => posts_of(world, user),
                list if list == dialect.likes() => stars_of(world, user),
                _ => return problem(404, "", "There is no such list."),
            };
            paged(request, &posts, |post| payload::post(world, post, caller.user(world), dialect, asked))
        }
        ("GET", ["posts", id]) => match post_of(world, id) {
            Some(post) => shown(world, post, caller, dialect, asked),
            None => problem(404, "", "The post was not found."),
        },
        ("GET", ["posts", id, list]) if *list == dialect.likes() => match post_of(world, id) {
            Some(post) => {
                let likers: Vec<Value> = world
                    .likes
                    .iter()
                    .filter(|like| like.platform == PLATFORM && like.post == post.id)
                    .filter_map(|like| world.user(PLATFORM, &like.user).ok())
                    .map(|user| payload::user(world, user, dialect, asked))
                    .collect();
                Reply::json(200, &json!({ "data": likers, "meta": { "code": 200, "more": false } }))
            }
            None => problem(404, "", "The post was not found."),
        },
        ("POST" | "DELETE", ["posts", id, "star"]) if dialect == Dialect::AppNet => {
            let is_on = request.method == "POST";
            star(world, caller, id, is_on, dialect)
        }
        ("PUT" | "DELETE", ["posts", id, "bookmark"]) if dialect == Dialect::Pnut => {
            star(world, caller, id, request.method == "PUT", dialect)
        }
        _ => problem(404, "", "There is no such page."),
    }
}

/// `me`, `@name` or a number; a number in place of a name must find nobody.
fn named<'a>(world: &'a World, caller: &Caller, name: &str) -> Result<&'a User, Reply> {
    if name == "me" {
        return caller.user(world).ok_or_else(token_required);
    }
    let found = world.users.iter().filter(|user| user.platform == PLATFORM).find(|user| match name.strip_prefix('@') {
        Some(handle) => user.handle.eq_ignore_ascii_case(handle),
        None => user.id == name,
    });
    found.ok_or_else(|| problem(404, "", "The user was not found."))
}

fn post_of<'a>(world: &'a World, id: &str) -> Option<&'a Post> {
    world.posts.iter().find(|post| post.platform == PLATFORM && post.id == id && !post.is_private)
}

/// Newest post first, by number: a longer number is a larger one.
fn by_number(posts: &mut [&Post]) {
    posts.sort_by(|a, b| (b.id.len(), &b.id).cmp(&(a.id.len(), &a.id)));
}

/// "In reverse post order": the time of the star plays no part.
fn stars_of<'a>(world: &'a World, user: &User) -> Vec<&'a Post> {
    let liked: std::collections::BTreeSet<&str> =
        world.likes_of(PLATFORM, &user.id).into_iter().map(|like| like.post.as_str()).collect();
    let mut posts: Vec<&Post> = world
        .posts
        .iter()
        .filter(|post| post.platform == PLATFORM && !post.is_private && liked.contains(post.id.as_str()))
        .collect();
    by_number(&mut posts);
    posts
}

fn posts_of<'a>(world: &'a World, user: &User) -> Vec<&'a Post> {
    let is_theirs = |post: &&Post| post.platform == PLATFORM && post.owner == user.id && !post.is_private;
    let mut posts: Vec<&Post> = world.posts.iter().filter(is_theirs).collect();
    by_number(&mut posts);
    posts
}

/// One page of posts, newest first.
fn paged(request: &Request, all: &[&Post], shown: impl Fn(&Post) -> Value) -> Reply {
    let count = match request.query.get("count").map(|text| text.parse::<i64>()) {
        None => i64::try_from(PAGE_USUAL).expect("it is small"),
        Some(Ok(count)) if count != 0 => count,
        Some(_) => return problem(400, "", "count is a number between -200 and 200."),
    };
    let size = usize::try_from(count.unsigned_abs()).map_or(PAGE_MAX, |size| size.min(PAGE_MAX));
    let bound = |name: &str| request.query.get(name).map(|id| (id.len(), id.as_str()));
    let (before, since) = (bound("before_id"), bound("since_id"));
    let is_within = |post: &&&Post| {
        let place = (post.id.len(), post.id.as_str());
        before.is_none_or(|before| place < before) && since.is_none_or(|since| place > since)
    };
    let matching: Vec<&Post> = all.iter().filter(is_within).copied().collect();
    // A negative count takes the oldest of what matches, and lists them newest first all the same.
    let skipped = if count < 0 { matching.len().saturating_sub(size) } else { 0 };
    let page: Vec<&Post> = matching.iter().skip(skipped).take(size).copied().collect();
    let mut meta = json!({ "code": 200, "more": matching.len() > page.len() });
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        meta["max_id"] = json!(first.id);
        meta["min_id"] = json!(last.id);
    }
    let items: Vec<Value> = page
        .iter()
        .map(|post| {
            let mut item = shown(post);
            item["pagination_id"] = json!(post.id);
            item
        })
        .collect();
    Reply::json(200, &json!({ "data": items, "meta": meta }))
}

/// What others did to one's posts, grouped by post; the only place that dates a star, and only for its receiver.
fn interactions(world: &World, request: &Request, user: &User) -> Reply {
    let wanted = request.query.get("interaction_actions").map(String::as_str).unwrap_or("star");
    let mut events: Vec<(String, Value)> = Vec::new();
    for post in posts_of(world, user).into_iter().filter(|_| wanted.split(',').any(|action| action == "star")) {
        let likes: Vec<_> = world.likes.iter().filter(|it| it.platform == PLATFORM && it.post == post.id).collect();
        let Some(latest) = likes.iter().map(|like| like.at).max() else { continue };
        let users: Vec<Value> = likes
            .iter()
            .filter_map(|like| world.user(PLATFORM, &like.user).ok())
            .map(|user| payload::user(world, user, Dialect::AppNet, Notes::NONE))
            .collect();
        let object = payload::post(world, post, Some(user), Dialect::AppNet, Notes::NONE);
        let event = json!({ "action": "star", "event_date": latest.to_string(), "objects": [object], "users": users });
        events.push((latest.to_string(), event));
    }
    events.sort_by(|a, b| b.0.cmp(&a.0));
    let events: Vec<Value> = events.into_iter().map(|(_, event)| event).collect();
    Reply::json(200, &json!({ "data": events, "meta": { "code": 200, "more": false } }))
}

fn star(world: &mut World, caller: &Caller, id: &str, is_on: bool, dialect: Dialect) -> Reply {
    let Some(user) = caller.user(world).map(|user| user.id.clone()) else { return token_required() };
    if !caller.bearer.as_ref().is_some_and(|bearer| bearer.has("write_post")) {
        return problem(403, "", "The token lacks the scope write_post.");
    }
    if post_of(world, id).is_none() {
        return problem(404, "", "The post was not found.");
    }
    let at = world.now;
    let done = if is_on { world.like(PLATFORM, &user, id, at) } else { world.unlike(PLATFORM, &user, id) };
    match (done, post_of(world, id)) {
        (Ok(()), Some(post)) => shown(world, post, caller, dialect, Notes::NONE),
        _ => problem(404, "", "The post was not found."),
    }
}

fn shown(world: &World, post: &Post, caller: &Caller, dialect: Dialect, notes: Notes) -> Reply {
    Reply::json(200, &enveloped(payload::post(world, post, caller.user(world), dialect, notes)))
}

/// Not the standard's form: whose token it is comes along.
fn given_token(world: &World, request: &Request, issued: &v2::Issued) -> Reply {
    let dialect = if request.path.starts_with("/v1/") { Dialect::Pnut } else { Dialect::AppNet };
    let bearer = v2::bearer(world, PLATFORM, &issued.access_token).ok();
    let user = issued.user.as_deref().and_then(|user| world.user(PLATFORM, user).ok());
    let mut body = json!({ "access_token": issued.access_token });
    if let Some(user) = user {
        body["token"] = payload::token(world, user, bearer.as_ref(), dialect);
        body["user_id"] = json!(user.id);
        body["username"] = json!(user.handle);
    }
    Reply::json(200, &body)
}

fn enveloped(data: Value) -> Value {
    json!({ "data": data, "meta": { "code": 200 } })
}

fn token_required() -> Reply {
    problem(401, "", "Authentication is required.")
}

fn too_fast(seconds: u64) -> Reply {
    let mut reply = problem(429, "", "Too many requests.");
    reply.header("retry-after", seconds.to_string());
    reply
}

fn problem(status: u16, slug: &str, message: &str) -> Reply {
    let mut meta = json!({ "code": status, "error_message": message });
    if !slug.is_empty() {
        meta["error_slug"] = json!(slug);
    }
    Reply::json(status, &json!({ "meta": meta }))
}
