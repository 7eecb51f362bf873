//! Vimeo's API as its documentation describes it: likes, profiles, videos, one page after the other.
//!
//! Owns Vimeo's manners: nobody is answered without a token, lists have an envelope whose `next` is a path, `fields`
//! trims what comes, an allowance counts per minute and names its reset as a date, errors have a number. Payloads have
//! the documented shape; see [`payload`]. Source: developer.vimeo.com (API 3.4) and its OpenAPI description.

pub mod payload;

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Post, Usage, User, World};
use super::oauth::v2;
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::Vimeo;
const MINUTE: Duration = Duration::from_secs(60);
const PER_MINUTE: u64 = 100;

/// Tokens do not end and are not renewed; proof keys are not known.
const SIGN_IN: v2::Rules = v2::Rules {
    pkce: v2::Pkce::Ignored,
    client_auth: v2::ClientAuth::Basic,
    expires_in: None,
    refresh: v2::Refresh::None,
    has_app_tokens: true,
    scopes: &[
        "public",
        "private",
        "purchased",
        "create",
        "edit",
        "delete",
        "interact",
        "upload",
        "promo_codes",
        "stats",
        "video_files",
        "email",
        "purchase",
    ],
    default_scopes: &["public"],
    ..v2::Rules::standard(PLATFORM)
};

/// Vimeo in the table of platforms.
pub struct Vimeo;

impl Simulated for Vimeo {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    fn limited(&self, world: &World, limit: Limit) -> Reply {
        let (Limit::Primary { seconds } | Limit::Secondary { seconds }) = limit;
        let usage = Usage { used: PER_MINUTE, resets_at: world.now.plus(Duration::from_secs(seconds)) };
        with_allowance(too_many(), usage)
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::ExpiredToken => problem(401, 2300, "The access token has expired."),
            Refusal::RevokedToken => problem(401, 8000, "You must provide a valid authenticated access token."),
            Refusal::MissingScope => problem(403, 1002, "Your access token does not have the needed scope."),
            Refusal::PaymentRequired => problem(402, 3300, "This needs a paid plan."),
            Refusal::CursorExpired => problem(400, 2969, "The page that was requested does not exist."),
            Refusal::ClockSkew | Refusal::DeadPlatform => problem(410, 1005, "This is gone."),
        }
    }
}

fn too_many() -> Reply {
    problem(429, 9000, "Too many API requests. Wait a moment, then try again.")
}

fn problem(status: u16, code: u32, message: &str) -> Reply {
    let body = json!({ "error": message, "developer_message": message, "error_code": code, "link": null });
    Reply::json(status, &body)
}

fn unknown(what: &str) -> Reply {
    problem(404, 5000, &format!("The requested {what} couldn't be found."))
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/oauth/authorize") => return v2::authorize(world, request, &SIGN_IN),
        ("POST", "/oauth/access_token" | "/oauth/authorize/client") => return v2::token(world, request, &SIGN_IN),
        _ => {}
    }
    let Some(token) = v2::token_in(request, &["bearer"]).map(str::to_owned) else {
        return problem(401, 8003, "No authorization was provided.");
    };
    let Ok(bearer) = v2::bearer(world, PLATFORM, &token) else {
        return problem(401, 8000, "You must provide a valid authenticated access token.");
    };
    let bucket = (PLATFORM, bearer.user.clone().unwrap_or_else(|| bearer.client.clone()));
    let fresh = Usage { used: 0, resets_at: world.now.plus(MINUTE) };
    let known = world.usage.get(&bucket).copied().filter(|usage| world.now < usage.resets_at);
    let usage = known.unwrap_or(fresh);
    if usage.used >= PER_MINUTE {
        return with_allowance(too_many(), usage);
    }
    let usage = Usage { used: usage.used + 1, ..usage };
    world.usage.insert(bucket, usage);
    let mut reply = conditional(route(world, request, &bearer, &token), request);
    reply = with_allowance(reply, usage);
    reply
}

fn with_allowance(mut reply: Reply, usage: Usage) -> Reply {
    reply.header("x-ratelimit-limit", PER_MINUTE.to_string());
    reply.header("x-ratelimit-remaining", PER_MINUTE.saturating_sub(usage.used).to_string());
    reply.header("x-ratelimit-reset", payload::date(usage.resets_at));
    reply
}

fn route(world: &mut World, request: &Request, bearer: &v2::Bearer, token: &str) -> Reply {
    let segments = request.segments();
    let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let me = bearer.user.clone();
    // `/me` is the owner of the token, whom an app's own token does not have.
    let own_path = segments.first() == Some(&"me");
    if own_path {
        let Some(user) = me.as_deref() else { return problem(401, 8003, "A valid user token must be passed.") };
        segments.splice(0..1, ["users", user]);
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["oauth", "verify"]) => verified(world, bearer),
        ("DELETE", ["tokens"]) => {
            world.tokens.remove(&(PLATFORM, token.to_owned()));
            Reply::empty(204)
        }
        ("GET", ["creativecommons"]) => paged(request, &payload::licences(), "/creativecommons", Value::clone),
        ("GET", ["videos", id]) => match video(world, id).filter(|post| is_visible(post, me.as_deref())) {
            Some(post) => trimmed(request, payload::video(world, post, me.as_deref())),
            None => unknown("video"),
        },
        ("GET", ["videos", id, "likes"]) => match video(world, id).filter(|post| is_visible(post, me.as_deref())) {
            Some(post) => {
                let path = format!("/videos/{}/likes", post.id);
                let likers = world.likes.iter().rev().filter(|like| like.platform == PLATFORM && like.post == post.id);
                let users: Vec<&User> = likers.filter_map(|like| world.user(PLATFORM, &like.user).ok()).collect();
                paged(request, &users, &path, |user| payload::user(user))
            }
            None => unknown("video"),
        },
        ("GET", ["users", name]) => match user(world, name) {
            Some(user) => trimmed(request, payload::user(user)),
            None => unknown("user"),
        },
        ("GET", ["users", name, "likes"]) => likes(world, request, name, me.as_deref(), own_path),
        ("GET", ["users", name, "videos"]) => {
            let Some(owner) = user(world, name) else { return unknown("user") };
            let of_owner = |post: &&Post| post.platform == PLATFORM && post.owner == owner.id;
            let mut posts: Vec<&Post> = world.posts.iter().filter(of_owner).collect();
            posts.retain(|post| is_visible(post, me.as_deref()));
            posts.reverse();
            paged(request, &posts, &format!("/users/{}/videos", owner.id), |post| {
                payload::video(world, post, me.as_deref())
            })
        }
        ("GET" | "PUT" | "DELETE", ["users", name, "likes", id]) => {
            let is_own = user(world, name).is_some_and(|user| Some(&user.id) == me.as_ref());
            if request.method != "GET" && !(is_own && bearer.has("interact")) {
                return problem(403, 1002, "Your access token does not have the `interact` scope for this user.");
            }
            like(world, request, name, id)
        }
        _ => problem(404, 5000, "The requested page couldn't be found."),
    }
}

/// By number, or by the name in the address of the profile.
fn user<'a>(world: &'a World, name: &str) -> Option<&'a User> {
    let is_meant = |user: &&User| user.id == name || user.handle.eq_ignore_ascii_case(name);
    world.users.iter().filter(|user| user.platform == PLATFORM).find(is_meant)
}

fn video<'a>(world: &'a World, id: &str) -> Option<&'a Post> {
    world.posts.iter().find(|post| post.platform == PLATFORM && post.id == id)
}

fn is_visible(post: &Post, me: Option<&str>) -> bool {
    !post.is_private || Some(post.owner.as_str()) == me
}

fn likes(world: &World, request: &Request, name: &str, me: Option<&str>, own_path: bool) -> Reply {
    let Some(liker) = user(world, name) else { return unknown("user") };
    let of_vimeo = world.posts.iter().filter(|post| post.platform == PLATFORM);
    let posts: HashMap<&str, &Post> = of_vimeo.map(|post| (post.id.as_str(), post)).collect();
    let listed = world.likes_of(PLATFORM, &liker.id).into_iter().filter_map(|like| posts.get(like.post.as_str()));
    let mut liked: Vec<&Post> = listed.copied().filter(|post| is_visible(post, me)).collect();
    if request.query.get("direction").is_some_and(|direction| direction == "asc") {
        liked.reverse();
    }
    let path = if own_path { "/me/likes".to_owned() } else { format!("/users/{}/likes", liker.id) };
    paged(request, &liked, &path, |post| payload::video(world, post, me))
}

/// `GET` asks whether a video is liked, `PUT` likes it, `DELETE` takes the like back.
fn like(world: &mut World, request: &Request, name: &str, id: &str) -> Reply {
    let Some(liker) = user(world, name).map(|user| user.id.clone()) else { return unknown("user") };
    let Some(post) = video(world, id).filter(|post| is_visible(post, Some(&liker))) else { return unknown("video") };
    let (post, owner) = (post.id.clone(), post.owner.clone());
    let done = match request.method.as_str() {
        "GET" if world.likes_of(PLATFORM, &liker).iter().any(|like| like.post == post) => Ok(()),
        "GET" => return unknown("like"),
        "PUT" if owner == liker => return problem(400, 3202, "You can't like your own video."),
        "PUT" => world.like(PLATFORM, &liker, &post, world.now),
        _ => world.unlike(PLATFORM, &liker, &post),
    };
    done.map_or_else(|_| unknown("video"), |()| Reply::empty(204))
}

fn verified(world: &World, bearer: &v2::Bearer) -> Reply {
    let user = bearer.user.as_ref().and_then(|id| user(world, id)).map(payload::user);
    let body = json!({
        "access_token": "-",
        "token_type": "bearer",
        "scope": bearer.scopes().join(" "),
        "app": { "name": bearer.client, "uri": "/apps/1" },
        "user": user,
    });
    Reply::json(200, &body)
}

/// One page of a list in its envelope, whose addresses are paths.
fn paged<T>(request: &Request, all: &[T], path: &str, shown: impl Fn(&T) -> Value) -> Reply {
    let number = |name: &str, usual: usize| match request.query.get(name) {
        None => Ok(usual),
        Some(text) => text.parse::<usize>().ok().filter(|number| *number >= 1).ok_or(()),
    };
    let (Ok(size), Ok(page)) = (number("per_page", 25), number("page", 1)) else {
        return problem(400, 2204, "There was a problem with one of the parameters.");
    };
    if size > 100 {
        return problem(400, 2204, "per_page is at most 100.");
    }
    let last = all.len().div_ceil(size).max(1);
    if page > last && page > 1 {
        return problem(400, 2969, "The page that was requested does not exist.");
    }
    let address = |page: usize| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(request.query.iter().filter(|(name, _)| *name != "page"));
        format!("{path}?{}", query.append_pair("page", &page.to_string()).finish())
    };
    let items = all.iter().skip((page - 1) * size).take(size).map(|item| picked(request, shown(item)));
    let body = json!({
        "total": all.len(),
        "page": page,
        "per_page": size,
        "paging": {
            "next": (page < last).then(|| address(page + 1)),
            "previous": (page > 1).then(|| address(page - 1)),
            "first": address(1),
            "last": address(last),
        },
        "data": items.collect::<Vec<Value>>(),
    });
    Reply::json(200, &body)
}

fn trimmed(request: &Request, body: Value) -> Reply {
    Reply::json(200, &picked(request, body))
}

/// `fields=uri,user.link`: only these, dots lead inside.
fn picked(request: &Request, value: Value) -> Value {
    let Some(fields) = request.query.get("fields") else { return value };
    let mut kept = Value::Object(Map::new());
    for field in fields.split(',') {
        copy(&value, &mut kept, &field.split('.').collect::<Vec<_>>());
    }
    kept
}

fn copy(from: &Value, to: &mut Value, path: &[&str]) {
    let Some((name, rest)) = path.split_first() else { return };
    let (Some(found), Some(object)) = (from.get(name), to.as_object_mut()) else { return };
    if rest.is_empty() || !found.is_object() {
        object.insert((*name).to_owned(), found.clone());
    } else {
        copy(found, object.entry(*name).or_insert_with(|| json!({})), rest);
    }
}

fn conditional(mut reply: Reply, request: &Request) -> Reply {
    if reply.status != 200 || request.method != "GET" {
        return reply;
    }
    let etag = format!("\"{}\"", hex::encode(&digest::digest(&digest::SHA256, &reply.body).as_ref()[..16]));
    if request.header("if-none-match").is_some_and(|known| known == etag) {
        reply = Reply::empty(304);
    }
    reply.header("etag", etag);
    reply
}

/// For the payloads: when somebody liked a post.
fn liked_at(world: &World, user: &str, post: &str) -> Option<Timestamp> {
    let is_meant = |like: &&super::model::Like| like.platform == PLATFORM && like.user == user && like.post == post;
    world.likes.iter().find(is_meant).map(|like| like.at)
}
