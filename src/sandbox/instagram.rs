//! Instagram's API as it was until 2020, the part of today's that professional accounts have, and the export file.
//!
//! Owns Instagram's manners: the token in the query, an envelope with `meta` around everything, refusals of the token
//! with status 400, an allowance by the hour that never says when it comes back, and the whole address of the next page
//! with the token in it. Source: instagram.com/developer as it was, developers.facebook.com ("Instagram API with
//! Instagram Login"), the export files that people have published.

pub mod payload;
mod subscriptions;

use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Like, Missing, Post, Token, Usage, User, World};
use super::oauth::{CLIENT_SECRET, v2};
use super::push::{News, Push};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Instagram;
const HOUR: Duration = Duration::from_secs(3_600);
const PER_HOUR: u64 = 5_000;
/// What a page holds at most, and unless asked otherwise.
const PAGE_MAX: usize = 33;
const PAGE_USUAL: usize = 20;
/// The shape of the export file since 2026.
const LABELLED: &str = "labelled";

const SIGN_IN: v2::Rules = v2::Rules {
    pkce: v2::Pkce::Ignored,
    client_auth: v2::ClientAuth::Body,
    expires_in: None,
    refresh: v2::Refresh::None,
    scopes: &["basic", "public_content", "likes", "comments", "relationships", "instagram_business_basic"],
    default_scopes: &["basic"],
    scope_separator: ',',
    token: given_token,
    problem: token_problem,
    ..v2::Rules::standard(PLATFORM)
};

fn given_token(world: &World, _: &Request, issued: &v2::Issued) -> Reply {
    let user = issued.user.as_deref().and_then(|id| user_by_id(world, id)).map(payload::short_user);
    Reply::json(200, &json!({ "access_token": issued.access_token, "user": user }))
}

/// At the door refusals come without their envelope.
fn token_problem(_: &Request, problem: &v2::Problem) -> Reply {
    let body = json!({ "error_type": "OAuthException", "code": 400, "error_message": problem.description });
    Reply::json(400, &body)
}

/// Instagram in the table of platforms.
pub struct Instagram;

impl Simulated for Instagram {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    fn limited(&self, world: &World, limit: Limit) -> Reply {
        match limit {
            Limit::Primary { .. } => with_allowance(too_many(), &Usage { used: PER_HOUR, resets_at: world.now }),
            Limit::Secondary { .. } => {
                let reply = Reply::html(503, "<html><h1>503 Service Unavailable</h1></html>");
                with_allowance(reply, &Usage { used: PER_HOUR, resets_at: world.now })
            }
        }
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::ExpiredToken | Refusal::RevokedToken => bad_token(),
            Refusal::MissingScope => {
                meta(400, "OAuthPermissionsException", "This request requires scope=likes, but this token has it not.")
            }
            Refusal::CursorExpired => meta(400, "APIInvalidParametersError", "max_like_id is not valid"),
            Refusal::PaymentRequired => meta(402, "APINotAllowedError", "Payment required"),
            Refusal::ClockSkew => meta(403, "OAuthForbiddenException", "Invalid signed-request"),
            Refusal::DeadPlatform => meta(410, "APINotAllowedError", "This endpoint has been retired"),
        }
    }

    /// The shape until about 2025.
    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        exported(world, user_id, payload::liked_posts)
    }

    fn pushes(&self, world: &World, news: &News, _: u64) -> Vec<Push> {
        subscriptions::pushes(world, news)
    }

    fn export_forms(&self) -> &'static [&'static str] {
        &[LABELLED]
    }

    fn export_as(&self, form: &str, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        exported(world, user_id, if form == LABELLED { payload::labelled_posts } else { payload::liked_posts })
    }
}

fn exported(
    world: &World,
    user_id: &str,
    shown: fn(&World, &[&Like]) -> Result<Value, Missing>,
) -> Result<Vec<(String, Vec<u8>)>, Missing> {
    let user = world.user(PLATFORM, user_id)?;
    let likes = world.likes_of(PLATFORM, &user.id);
    Ok(vec![
        (
            "personal_information/personal_information/personal_information.json".to_owned(),
            payload::in_letters(&payload::personal(user)),
        ),
        ("your_instagram_activity/likes/liked_posts.json".to_owned(), payload::in_letters(&shown(world, &likes)?)),
    ])
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match (request.method.as_str(), request.path.trim_end_matches('/')) {
        ("GET", "/oauth/authorize") => return v2::authorize(world, request, &SIGN_IN),
        ("POST", "/oauth/access_token") => {
            let reply = v2::token(world, request, &SIGN_IN);
            end_soon(world);
            return reply;
        }
        ("GET", "/access_token") => return long_lived(world, request),
        ("GET", "/refresh_access_token") => return renewed(world, request),
        (_, "/v1/subscriptions") => return subscriptions::answer(world, request),
        _ => {}
    }
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_graph = segments.first() == Some(&"me");
    let Some(token) = request.query.get("access_token") else {
        return if is_graph {
            graph_error(400, 190, None, "An access token is required to request this resource.")
        } else {
            meta(400, "OAuthParameterException", "Missing client_id or access_token URL parameter.")
        };
    };
    let bearer = match v2::bearer(world, PLATFORM, token) {
        Ok(bearer) => bearer,
        Err(v2::TokenFault::Expired) if is_graph => {
            return graph_error(400, 190, Some(463), "Error validating access token: Session has expired");
        }
        Err(_) if is_graph => return graph_error(400, 190, None, "Invalid OAuth access token."),
        Err(_) => return bad_token(),
    };
    if request.query.get("sig").is_some_and(|sig| *sig != signature(request)) {
        return meta(403, "OAuthForbiddenException", "Invalid signed-request: Signature does not match");
    }
    let bucket = (PLATFORM, token.clone());
    let fresh = Usage { used: 0, resets_at: world.now.plus(HOUR) };
    let known = world.usage.get(&bucket).copied().filter(|usage| world.now < usage.resets_at);
    let mut usage = known.unwrap_or(fresh);
    if usage.used >= PER_HOUR {
        return with_allowance(too_many(), &usage);
    }
    usage.used += 1;
    world.usage.insert(bucket, usage);
    with_allowance(route(world, request, &bearer, &segments), &usage)
}

/// What marks a token that was exchanged for a short one.
const LONG: &str = "long-lived";
const LONG_LIFE: Duration = Duration::from_secs(60 * 24 * 3_600);
/// A token may be renewed from this age on.
const RENEWABLE_AGE: Duration = Duration::from_secs(24 * 3_600);

/// The tokens of today's sign-in last an hour; those of the closed one did not end.
fn end_soon(world: &mut World) {
    let end = world.now.plus(HOUR);
    let is_short = |token: &Token| {
        token.grant.as_deref() != Some(LONG)
            && token.scopes.iter().flatten().any(|scope| scope == "instagram_business_basic")
    };
    for ((platform, _), token) in &mut world.tokens {
        if *platform == PLATFORM && is_short(token) {
            token.expires_at.get_or_insert(end);
        }
    }
}

/// The token that a request of the exchange names, when it is good for today's API.
fn exchanged(world: &World, request: &Request, grant_type: &str) -> Result<Token, Reply> {
    if request.query.get("grant_type").is_none_or(|given| given != grant_type) {
        return Err(graph_error(400, 100, None, "Unsupported grant_type"));
    }
    let text = request.query.get("access_token").cloned().unwrap_or_default();
    match v2::bearer(world, PLATFORM, &text) {
        Ok(bearer) if bearer.has("instagram_business_basic") => {}
        Err(v2::TokenFault::Expired) => {
            return Err(graph_error(400, 190, Some(463), "Error validating access token: Session has expired"));
        }
        _ => return Err(graph_error(400, 190, None, "Invalid OAuth access token.")),
    }
    Ok(world.tokens[&(PLATFORM, text)].clone())
}

fn long_lived(world: &mut World, request: &Request) -> Reply {
    let token = match exchanged(world, request, "ig_exchange_token") {
        Ok(token) => token,
        Err(refused) => return refused,
    };
    let secret = world.doors.app(PLATFORM, &token.client).and_then(|app| app.secret);
    if secret.is_none() || request.query.get("client_secret") != secret.as_ref() {
        return graph_error(400, 101, None, "Error validating client secret.");
    }
    hand_out(world, token)
}

fn renewed(world: &mut World, request: &Request) -> Reply {
    let token = match exchanged(world, request, "ig_refresh_token") {
        Ok(token) => token,
        Err(refused) => return refused,
    };
    let given_at = token.expires_at.map(|end| end.minus(LONG_LIFE));
    match given_at {
        Some(at) if token.grant.as_deref() == Some(LONG) && at.plus(RENEWABLE_AGE) <= world.now => {
            hand_out(world, token)
        }
        _ => graph_error(400, 100, None, "The token is not long-lived, or younger than a day."),
    }
}

fn hand_out(world: &mut World, like: Token) -> Reply {
    let text = world.doors.fresh(PLATFORM, "access");
    let token = Token { expires_at: Some(world.now.plus(LONG_LIFE)), grant: Some(LONG.to_owned()), ..like };
    world.tokens.insert((PLATFORM, text.clone()), token);
    let body = json!({ "access_token": text, "token_type": "bearer", "expires_in": LONG_LIFE.as_secs() });
    Reply::json(200, &body)
}

/// The signature that belongs to a request: over the path without its version and the sorted parameters.
fn signature(request: &Request) -> String {
    let mut base = request.path.strip_prefix("/v1").unwrap_or(&request.path).to_owned();
    for (name, value) in request.query.iter().filter(|(name, _)| *name != "sig") {
        base.push_str(&format!("|{name}={value}"));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    hex::encode(hmac::sign(&key, base.as_bytes()))
}

fn route(world: &mut World, request: &Request, bearer: &v2::Bearer, segments: &[&str]) -> Reply {
    let own = bearer.user.clone().unwrap_or_default();
    match (request.method.as_str(), segments) {
        ("GET", ["me"]) => match user_by_id(world, &own) {
            Some(user) => Reply::json(200, &payload::graph_user(user, request)),
            None => graph_error(400, 100, Some(33), "Unsupported get request."),
        },
        ("GET", ["me", "media"]) => graph_media(world, request, &own),
        ("GET", ["v1", "users", "search"]) => {
            let wanted = request.query.get("q").map(|text| text.to_ascii_lowercase()).unwrap_or_default();
            let is_alike =
                |user: &&User| user.platform == PLATFORM && user.handle.to_ascii_lowercase().starts_with(&wanted);
            let users: Vec<Value> = world.users.iter().filter(is_alike).map(payload::short_user).collect();
            found(json!(users))
        }
        ("GET", ["v1", "users", "self", "media", "liked"]) if !bearer.has("likes") && !bearer.has("basic") => {
            meta(400, "OAuthPermissionsException", "This request requires scope=likes, but this token has it not.")
        }
        ("GET", ["v1", "users", "self", "media", "liked"]) => liked(world, request, &own),
        ("GET", ["v1", "users", id]) => {
            let id = if *id == "self" { own.as_str() } else { id };
            match user_by_id(world, id) {
                Some(user) => found(payload::user(world, user)),
                None => not_found(),
            }
        }
        ("GET", ["v1", "users", id, "media", "recent"]) => {
            let id = if *id == "self" { own.as_str() } else { id };
            match user_by_id(world, id) {
                Some(user) => recent(world, request, &user.id, &own),
                None => not_found(),
            }
        }
        ("GET", ["v1", "media", "shortcode", code]) => {
            match post_by(world, |post| payload::shortcode(&post.id) == *code) {
                Some(post) if post.is_private && post.owner != own => {
                    meta(400, "APINotAllowedError", "you cannot view this resource")
                }
                Some(post) => found(payload::media(world, post, &own)),
                None => not_found(),
            }
        }
        ("POST" | "DELETE", ["v1", "media", id, "likes"]) => {
            let id = id.split('_').next().unwrap_or_default();
            let done = match request.method.as_str() {
                "POST" => world.like(PLATFORM, &own, id, world.now),
                _ => world.unlike(PLATFORM, &own, id),
            };
            done.map_or_else(|_| not_found(), |()| found(Value::Null))
        }
        _ => not_found(),
    }
}

fn user_by_id<'a>(world: &'a World, id: &str) -> Option<&'a User> {
    world.users.iter().find(|user| user.platform == PLATFORM && user.id == id)
}

fn post_by(world: &World, is_meant: impl Fn(&Post) -> bool) -> Option<&Post> {
    world.posts.iter().find(|post| post.platform == PLATFORM && is_meant(post))
}

/// What a like is paged by: when it was given, then the post, as digits of one length.
fn like_id(like: &Like) -> String {
    format!("{:018}{:0>20}", like.at.micros(), like.post)
}

fn liked(world: &World, request: &Request, own: &str) -> Reply {
    let mut likes: Vec<(String, &Like)> =
        world.likes_of(PLATFORM, own).into_iter().map(|like| (like_id(like), like)).collect();
    likes.sort_by(|a, b| b.0.cmp(&a.0));
    if let Some(max) = request.query.get("max_like_id") {
        if max.is_empty() || !max.bytes().all(|b| b.is_ascii_digit()) {
            return meta(400, "APIInvalidParametersError", "max_like_id is not valid");
        }
        likes.retain(|(id, _)| id < max);
    }
    let size = size(request);
    let next = (likes.len() > size).then(|| likes[size - 1].0.clone());
    likes.truncate(size);
    let media: Vec<Value> = likes
        .iter()
        .filter_map(|(_, like)| post_by(world, |post| post.id == like.post))
        .map(|post| payload::media(world, post, own))
        .collect();
    page(request, media, "max_like_id", next)
}

fn recent(world: &World, request: &Request, owner: &str, viewer: &str) -> Reply {
    let is_theirs =
        |post: &&Post| post.platform == PLATFORM && post.owner == owner && (!post.is_private || owner == viewer);
    let mut posts: Vec<&Post> = world.posts.iter().filter(is_theirs).collect();
    posts.reverse();
    // `max_id` is the last of the page before, and not shown again.
    if let Some(max) = request.query.get("max_id") {
        let place = posts.iter().position(|post| *max == payload::media_id(post));
        posts.drain(..place.map_or(posts.len(), |place| place + 1));
    }
    let size = size(request);
    let next = (posts.len() > size).then(|| payload::media_id(posts[size - 1]));
    posts.truncate(size);
    page(request, posts.iter().map(|post| payload::media(world, post, viewer)).collect(), "max_id", next)
}

fn size(request: &Request) -> usize {
    let asked = request.query.get("count").and_then(|text| text.parse::<usize>().ok());
    asked.unwrap_or(PAGE_USUAL).clamp(1, PAGE_MAX)
}

/// The next page by its id, and by its whole address with the token in it.
fn page(request: &Request, data: Vec<Value>, parameter: &str, next: Option<String>) -> Reply {
    let pagination = match next {
        None => json!({}),
        Some(id) => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(request.query.iter().filter(|(name, _)| *name != parameter && *name != "sig"));
            query.append_pair(parameter, &id);
            let next_url = format!("{}{}?{}", request.base, request.path, query.finish());
            json!({ "next_url": next_url, format!("next_{parameter}"): id })
        }
    };
    Reply::json(200, &json!({ "pagination": pagination, "meta": { "code": 200 }, "data": data }))
}

fn graph_media(world: &World, request: &Request, own: &str) -> Reply {
    let mut posts: Vec<&Post> =
        world.posts.iter().filter(|post| post.platform == PLATFORM && post.owner == own).collect();
    posts.reverse();
    let start = match request.query.get("after") {
        None => 0,
        Some(after) => match posts.iter().position(|post| *after == hex::encode(&post.id)) {
            Some(place) => place + 1,
            None => return graph_error(400, 100, None, "Invalid parameter"),
        },
    };
    let limit = request.query.get("limit").and_then(|text| text.parse::<usize>().ok()).unwrap_or(25).clamp(1, 100);
    let shown: Vec<&&Post> = posts.iter().skip(start).take(limit).collect();
    let mut body =
        json!({ "data": shown.iter().map(|post| payload::graph_media(world, post, request)).collect::<Vec<_>>() });
    if let (Some(first), Some(last)) = (shown.first(), shown.last()) {
        let (before, after) = (hex::encode(&first.id), hex::encode(&last.id));
        body["paging"] = json!({ "cursors": { "before": before, "after": after } });
        if start + limit < posts.len() {
            body["paging"]["next"] = json!(format!("{}/me/media?after={after}", request.base));
        }
    }
    Reply::json(200, &body)
}

fn with_allowance(mut reply: Reply, usage: &Usage) -> Reply {
    reply.header("x-ratelimit-limit", PER_HOUR.to_string());
    reply.header("x-ratelimit-remaining", PER_HOUR.saturating_sub(usage.used).to_string());
    reply
}

fn found(data: Value) -> Reply {
    Reply::json(200, &json!({ "meta": { "code": 200 }, "data": data }))
}

fn meta(status: u16, kind: &str, message: &str) -> Reply {
    let meta = json!({ "code": status, "error_type": kind, "error_message": message });
    Reply::json(status, &json!({ "meta": meta }))
}

fn not_found() -> Reply {
    meta(400, "APINotFoundError", "invalid media id")
}

fn bad_token() -> Reply {
    meta(400, "OAuthAccessTokenException", "The access_token provided is invalid.")
}

fn too_many() -> Reply {
    meta(429, "OAuthRateLimitException", "The maximum number of requests per hour has been exceeded.")
}

fn graph_error(status: u16, code: i64, subcode: Option<i64>, message: &str) -> Reply {
    let mut error = json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "sandbox" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = json!(subcode);
    }
    Reply::json(status, &json!({ "error": error }))
}
