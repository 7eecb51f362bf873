//! A server of the fediverse as Mastodon documents it: apps, OAuth, favourites, accounts, posts, WebFinger, and the
//! ActivityStreams documents of accounts and posts.
//!
//! Owns Mastodon's manners: an app of one's own at each server, favourites of the token's owner alone and paged by ids
//! that stand nowhere but in `Link`, 300 requests in five minutes whose end is written out, and posts of other servers
//! among one's own favourites. A whole host is one server, so this is the one platform without a prefix: its paths are
//! those of the sandbox's own root. Source: docs.joinmastodon.org (methods/{apps,oauth,accounts,favourites,statuses},
//! entities/{Account,Status}, api/{guidelines,rate-limits,oauth-scopes}, spec/{activitypub,webfinger}).
//!
//! What a test may set by [`World::kept`]: `server:<user id>`, the address of another server on which an account and its
//! posts are; `payment:<user id>`, a payment link (FEP-0ea0); `version`, `4.1` for a server that tells no URIs of accounts;
//! `uri:<post id>`, the URI of a post that other software made.

pub mod payload;

use std::time::Duration;

use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Like, Post, Usage, User, World};
use super::oauth::{self, App, v2};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::Fediverse;
const WINDOW_SECONDS: i64 = 300;
const PER_WINDOW: u64 = 300;
const PAGE_USUAL: usize = 20;
const PAGE_MAX: usize = 40;

/// Tokens do not end and are not renewed; apps get some for themselves.
const SIGN_IN: v2::Rules = v2::Rules {
    expires_in: None,
    refresh: v2::Refresh::None,
    has_app_tokens: true,
    scopes: &[
        "read",
        "write",
        "follow",
        "push",
        "profile",
        "read:accounts",
        "read:favourites",
        "read:statuses",
        "write:favourites",
        "write:statuses",
    ],
    default_scopes: &["read"],
    token: given_token,
    problem: token_problem,
    ..v2::Rules::standard(PLATFORM)
};

/// A server of the fediverse in the table of platforms.
pub struct Fediverse;

impl Simulated for Fediverse {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    fn limited(&self, world: &World, limit: Limit) -> Reply {
        let (Limit::Primary { seconds } | Limit::Secondary { seconds }) = limit;
        let resets_at = world.now.plus(Duration::from_secs(seconds));
        with_allowance(problem(429, "Too many requests"), Usage { used: PER_WINDOW, resets_at })
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::ExpiredToken => problem(401, "The access token expired"),
            Refusal::RevokedToken => problem(401, "The access token was revoked"),
            Refusal::MissingScope => problem(403, "This action is outside the authorized scopes"),
            Refusal::PaymentRequired => problem(402, "Payment Required"),
            Refusal::CursorExpired => problem(422, "Validation failed"),
            Refusal::ClockSkew => problem(401, "Signed request date outside acceptable time window"),
            Refusal::DeadPlatform => problem(410, "Gone"),
        }
    }
}

/// Whether a path of the sandbox's root is this server's.
pub fn has(path: &str) -> bool {
    ["/.well-known/webfinger", "/api/v1/", "/oauth/", "/users/", "/@"].iter().any(|start| path.starts_with(start))
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", [".well-known", "webfinger"]) => webfinger(world, request),
        ("GET", ["oauth", "authorize"]) => authorize(world, request),
        ("POST", ["oauth", "token"]) => v2::token(world, request, &SIGN_IN),
        ("GET", ["users", name]) => actor(world, request, name),
        ("GET", ["users", name, "statuses", id]) => note(world, request, name, id),
        ("GET", [name]) => page(world, request, name, None),
        ("GET", [name, id]) if name.starts_with('@') => page(world, request, name, Some(id)),
        (_, ["api", "v1", rest @ ..]) => limited_api(world, request, rest),
        _ => problem(404, "Record not found"),
    }
}

fn problem(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({ "error": text }))
}

/// In whose name a request comes: nobody's without a token.
fn bearer(world: &World, request: &Request) -> Result<Option<v2::Bearer>, Reply> {
    if request.header("authorization").is_none() {
        return Ok(None);
    }
    let token = v2::token_in(request, &["bearer"]).unwrap_or_default();
    v2::bearer(world, PLATFORM, token).map(Some).map_err(|fault| match fault {
        v2::TokenFault::Unknown => problem(401, "The access token is invalid"),
        v2::TokenFault::Expired => problem(401, "The access token expired"),
        v2::TokenFault::Revoked => problem(401, "The access token was revoked"),
    })
}

/// The id of the person whose token has one of these scopes.
fn person(bearer: Option<&v2::Bearer>, scopes: &[&str]) -> Result<String, Reply> {
    let bearer = bearer.ok_or_else(|| problem(401, "The access token is invalid"))?;
    if !scopes.iter().any(|scope| bearer.has(scope)) {
        return Err(problem(403, "This action is outside the authorized scopes"));
    }
    bearer.user.clone().ok_or_else(|| problem(422, "This method requires an authenticated user"))
}

/// Everything below `/api` counts against the allowance of the account, or of the address.
fn limited_api(world: &mut World, request: &Request, path: &[&str]) -> Reply {
    let bearer = match bearer(world, request) {
        Ok(bearer) => bearer,
        Err(refusal) => return refusal,
    };
    let bucket = bearer.as_ref().and_then(|bearer| bearer.user.clone()).unwrap_or_else(|| "127.0.0.1".to_owned());
    let key = (PLATFORM, bucket);
    // Windows are cut by the clock, not by the first request.
    let resets_at = Timestamp::from_seconds((world.now.seconds() / WINDOW_SECONDS + 1) * WINDOW_SECONDS);
    let known = world.usage.get(&key).copied().filter(|usage| usage.resets_at == resets_at);
    let mut usage = known.unwrap_or(Usage { used: 0, resets_at });
    if usage.used >= PER_WINDOW {
        return with_allowance(problem(429, "Too many requests"), usage);
    }
    usage.used += 1;
    world.usage.insert(key, usage);
    with_allowance(api(world, request, path, bearer.as_ref()), usage)
}

fn with_allowance(mut reply: Reply, usage: Usage) -> Reply {
    reply.header("x-ratelimit-limit", PER_WINDOW.to_string());
    reply.header("x-ratelimit-remaining", PER_WINDOW.saturating_sub(usage.used).to_string());
    reply.header("x-ratelimit-reset", payload::time(usage.resets_at, 6));
    reply
}

fn api(world: &mut World, request: &Request, path: &[&str], bearer: Option<&v2::Bearer>) -> Reply {
    match (request.method.as_str(), path) {
        ("POST", ["apps"]) => register(world, request),
        ("GET", ["accounts", "verify_credentials"]) => match person(bearer, &["read", "read:accounts", "profile"]) {
            Ok(user) => found_account(world, request, world.user(PLATFORM, &user).ok(), true),
            Err(refusal) => refusal,
        },
        ("GET", ["accounts", "lookup"]) => {
            let acct = request.query.get("acct").map(String::as_str).unwrap_or_default();
            let name = acct.strip_suffix(&format!("@{}", payload::host(&request.base))).unwrap_or(acct);
            found_account(world, request, local_user(world, name), false)
        }
        ("GET", ["accounts", id]) => found_account(world, request, by_id(world, id), false),
        ("GET", ["accounts", id, "statuses"]) => statuses(world, request, id),
        ("GET", ["favourites"]) => match person(bearer, &["read", "read:favourites"]) {
            Ok(user) => favourites(world, request, &user),
            Err(refusal) => refusal,
        },
        ("GET", ["statuses", id]) => match world.post(PLATFORM, id).ok().filter(|post| post.id == **id) {
            Some(post) if !post.is_private => Reply::json(200, &payload::status(world, post, &request.base)),
            _ => problem(404, "Record not found"),
        },
        ("POST", ["statuses", id, verb @ ("favourite" | "unfavourite")]) => {
            match person(bearer, &["write", "write:favourites"]) {
                Ok(user) => favourite(world, request, &user, id, *verb == "favourite"),
                Err(refusal) => refusal,
            }
        }
        _ => problem(404, "Record not found"),
    }
}

fn by_id<'w>(world: &'w World, id: &str) -> Option<&'w User> {
    world.user(PLATFORM, id).ok().filter(|user| user.id == id)
}

/// A user of this server, by the name alone.
fn local_user<'w>(world: &'w World, name: &str) -> Option<&'w User> {
    let user = world.user(PLATFORM, name).ok().filter(|user| user.handle.eq_ignore_ascii_case(name))?;
    payload::other_server(world, &user.id).is_none().then_some(user)
}

fn found_account(world: &World, request: &Request, user: Option<&User>, is_own: bool) -> Reply {
    match user {
        Some(user) => Reply::json(200, &payload::account(world, user, &request.base, is_own)),
        None => problem(404, "Record not found"),
    }
}

/// The number by which favourites are paged: it grows with each, and stands in no document.
fn favourite_id(like: &Like) -> u128 {
    let seconds = u128::try_from(like.at.seconds()).unwrap_or_default();
    let post: u64 = like.post.parse().unwrap_or_default();
    seconds * 1_000_000 + u128::from(post % 1_000_000)
}

fn favourites(world: &World, request: &Request, user: &str) -> Reply {
    let mut likes: Vec<(u128, &Like)> =
        world.likes_of(PLATFORM, user).into_iter().map(|like| (favourite_id(like), like)).collect();
    likes.sort_by_key(|like| std::cmp::Reverse(like.0));
    paged(
        request,
        &likes,
        |like| like.0,
        |(_, like)| {
            let post = world.post(PLATFORM, &like.post).expect("a like ends with its post");
            payload::status(world, post, &request.base)
        },
    )
}

fn statuses(world: &World, request: &Request, id: &str) -> Reply {
    let Some(user) = by_id(world, id) else { return problem(404, "Record not found") };
    let mut posts: Vec<&Post> = world
        .posts
        .iter()
        .filter(|post| post.platform == PLATFORM && post.owner == user.id && !post.is_private)
        .collect();
    posts.reverse();
    let number = |post: &&Post| post.id.parse::<u128>().unwrap_or_default();
    paged(request, &posts, number, |post| payload::status(world, post, &request.base))
}

/// One page of a list, newest first, with the `Link` header that leads to the others.
fn paged<T>(request: &Request, all: &[T], id: impl Fn(&T) -> u128, shown: impl Fn(&T) -> Value) -> Reply {
    let limit = request.query.get("limit").and_then(|text| text.parse::<usize>().ok());
    let limit = limit.unwrap_or(PAGE_USUAL).clamp(1, PAGE_MAX);
    let below = request.query.get("max_id").and_then(|text| text.parse::<u128>().ok());
    let items: Vec<&T> = all.iter().filter(|item| below.is_none_or(|below| id(item) < below)).take(limit).collect();
    let mut reply = Reply::json(200, &items.iter().map(|item| shown(item)).collect());
    let address = |name: &str, item: &T| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = request.query.iter().filter(|(name, _)| !matches!(name.as_str(), "max_id" | "min_id" | "since_id"));
        query.extend_pairs(kept).append_pair(name, &id(item).to_string());
        format!("{}{}?{}", request.base, request.path, query.finish())
    };
    let mut links = Vec::new();
    // A full page may be the last one: only the next says so, by being empty.
    if let Some(last) = items.last().filter(|_| items.len() == limit) {
        links.push(format!("<{}>; rel=\"next\"", address("max_id", last)));
    }
    if let Some(first) = items.first() {
        links.push(format!("<{}>; rel=\"prev\"", address("min_id", first)));
    }
    if !links.is_empty() {
        reply.header("link", links.join(", "));
    }
    reply
}

fn favourite(world: &mut World, request: &Request, user: &str, id: &str, is_liked: bool) -> Reply {
    let Some(post) = world.post(PLATFORM, id).ok().filter(|post| post.id == id).map(|post| post.id.clone()) else {
        return problem(404, "Record not found");
    };
    let done =
        if is_liked { world.like(PLATFORM, user, &post, world.now) } else { world.unlike(PLATFORM, user, &post) };
    match (done, world.post(PLATFORM, &post)) {
        (Ok(()), Ok(post)) => Reply::json(200, &payload::status(world, post, &request.base)),
        _ => problem(404, "Record not found"),
    }
}

// --- Apps and signing in ---

/// The fields of a form or of a JSON document: both are taken.
fn fields(request: &Request) -> Value {
    if let Ok(document) = serde_json::from_slice::<Value>(&request.body) {
        return document;
    }
    oauth::body_pairs(request).into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

fn register(world: &mut World, request: &Request) -> Reply {
    let fields = fields(request);
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, scopes) = (text("client_name"), text("scopes"));
    let uris: Vec<String> = match fields.get("redirect_uris") {
        Some(Value::Array(uris)) => uris.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => text("redirect_uris").split_whitespace().map(str::to_owned).collect(),
    };
    if name.is_empty() {
        return problem(422, "Validation failed: Application name can't be blank");
    }
    if uris.is_empty() || uris.iter().any(|uri| url::Url::parse(uri).is_err()) {
        return problem(422, "Validation failed: Redirect URI must be an absolute URI.");
    }
    let scopes = if scopes.is_empty() { "read".to_owned() } else { scopes };
    if scopes.split(' ').any(|scope| !SIGN_IN.scopes.contains(&scope)) {
        return problem(422, "Validation failed: Scopes doesn't match configured on the server.");
    }
    let (id, secret) = (world.doors.fresh(PLATFORM, "client"), world.doors.fresh(PLATFORM, "secret"));
    world.doors.add_app(PLATFORM, App { id: id.clone(), secret: Some(secret.clone()), redirect_uris: uris.clone() });
    world.kept.insert((PLATFORM, format!("scopes:{id}")), json!(scopes));
    let scopes: Vec<&str> = scopes.split(' ').collect();
    Reply::json(
        200,
        &json!({
            "id": id,
            "name": name,
            "website": fields.get("website"),
            "scopes": scopes,
            "redirect_uri": uris.join("\n"),
            "redirect_uris": uris,
            "client_id": id,
            "client_secret": secret,
            "client_secret_expires_at": 0,
            "vapid_key": "",
        }),
    )
}

/// An app may ask for what it was registered with, and for no more.
fn authorize(world: &mut World, request: &Request) -> Reply {
    let client = request.query.get("client_id").cloned().unwrap_or_default();
    let granted = world.kept.get(&(PLATFORM, format!("scopes:{client}"))).and_then(Value::as_str);
    let asked = request.query.get("scope").map(String::as_str).unwrap_or("read");
    if granted.is_some_and(|granted| asked.split(' ').any(|scope| !granted.split(' ').any(|it| it == scope))) {
        return Reply::html(400, "<!DOCTYPE html><p>The requested scope is invalid, unknown, or malformed.</p>");
    }
    v2::authorize(world, request, &SIGN_IN)
}

fn given_token(world: &World, _: &Request, issued: &v2::Issued) -> Reply {
    Reply::json(
        200,
        &json!({
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "scope": issued.scopes.join(" "),
            "created_at": world.now.seconds(),
        }),
    )
}

fn token_problem(_: &Request, problem: &v2::Problem) -> Reply {
    Reply::json(problem.status, &json!({ "error": problem.error, "error_description": problem.description }))
}

// --- What the rest of the fediverse sees ---

fn activity(document: &Value) -> Reply {
    let mut reply = Reply::json(200, document);
    reply.header("content-type", "application/activity+json; charset=utf-8");
    reply
}

fn wants_activity(request: &Request) -> bool {
    request
        .header("accept")
        .is_some_and(|accept| accept.contains("application/activity+json") || accept.contains("application/ld+json"))
}

fn webfinger(world: &World, request: &Request) -> Reply {
    let host = payload::host(&request.base);
    let resource = request.query.get("resource").map(String::as_str).unwrap_or_default();
    let name = resource.strip_prefix("acct:").and_then(|acct| acct.strip_suffix(&format!("@{host}")));
    let Some(user) = name.and_then(|name| local_user(world, name)) else { return Reply::empty(404) };
    let uri = payload::actor_uri(world, user, &request.base);
    let page = format!("{}/@{}", request.base, user.handle);
    let mut reply = Reply::json(
        200,
        &json!({
            "subject": format!("acct:{}@{host}", user.handle),
            "aliases": [page, uri],
            "links": [
                { "rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": page },
                { "rel": "self", "type": "application/activity+json", "href": uri },
                {
                    "rel": "http://ostatus.org/schema/1.0/subscribe",
                    "template": format!("{}/authorize_interaction?uri={{uri}}", request.base),
                },
            ],
        }),
    );
    reply.header("content-type", "application/jrd+json; charset=utf-8");
    reply
}

fn actor(world: &World, request: &Request, name: &str) -> Reply {
    match local_user(world, name) {
        Some(user) if wants_activity(request) => activity(&payload::actor(world, user, &request.base)),
        Some(user) => to_page(request, &format!("/@{}", user.handle)),
        None => problem(404, "Record not found"),
    }
}

fn local_post<'w>(world: &'w World, name: &str, id: &str) -> Option<&'w Post> {
    let user = local_user(world, name)?;
    let post = world.post(PLATFORM, id).ok().filter(|post| post.id == id && post.owner == user.id)?;
    (!post.is_private).then_some(post)
}

fn note(world: &World, request: &Request, name: &str, id: &str) -> Reply {
    match local_post(world, name, id) {
        Some(post) if wants_activity(request) => activity(&payload::note(world, post, &request.base)),
        Some(_) => to_page(request, &format!("/@{name}/{id}")),
        None => problem(404, "Record not found"),
    }
}

fn to_page(request: &Request, path: &str) -> Reply {
    let mut reply = Reply::empty(302);
    reply.header("location", format!("{}{path}", request.base));
    reply
}

/// A page for people; whoever asks for the document there gets that.
fn page(world: &World, request: &Request, name: &str, id: Option<&str>) -> Reply {
    let Some(name) = name.strip_prefix('@') else { return problem(404, "Record not found") };
    match (local_user(world, name), id) {
        (Some(user), None) if wants_activity(request) => activity(&payload::actor(world, user, &request.base)),
        (Some(_), Some(id)) if wants_activity(request) => note(world, request, name, id),
        (Some(user), None) => Reply::html(200, &format!("<!DOCTYPE html><title>{}</title>", user.handle)),
        (Some(_), Some(id)) if local_post(world, name, id).is_some() => {
            Reply::html(200, &format!("<!DOCTYPE html><title>{name}: {id}</title>"))
        }
        _ => problem(404, "Record not found"),
    }
}
