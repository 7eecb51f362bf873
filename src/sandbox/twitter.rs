//! Twitter's two APIs as their documentation describes them: likes, tweets, accounts.
//!
//! Owns Twitter's manners: likes that only their owner may list, allowances of a quarter of an hour for each kind of
//! question with their reset in the headers, pages by token in version 2 and by tweet id in version 1.1, refusals as
//! problem documents or numbered errors. Payloads are in [`payload`]. Source: docs.x.com (X API v2, "Rate limits",
//! "Pagination", "Response codes and errors"), developer.twitter.com (v1.1) as it was.

pub mod payload;

use std::time::Duration;

use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Like, Missing, Post, Usage, User, World};
use super::oauth::{v1, v2};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::Twitter;
const WINDOW: Duration = Duration::from_secs(900);
/// Rows in one member of the archive.
const ARCHIVE_PART: usize = 100;

/// OAuth 2 with a proof key: two hours, and a refresh token that is good once and comes with `offline.access` only.
const SIGN_IN: v2::Rules = v2::Rules {
    pkce: v2::Pkce::Required,
    client_auth: v2::ClientAuth::Basic,
    expires_in: Some(Duration::from_secs(7_200)),
    refresh: v2::Refresh::SingleUse,
    refresh_scope: Some("offline.access"),
    scopes: &["tweet.read", "users.read", "like.read", "like.write", "offline.access"],
    ..v2::Rules::standard(PLATFORM)
};

/// The token of an app alone, which does not end.
const APP_TOKEN: v2::Rules = v2::Rules {
    client_auth: v2::ClientAuth::Basic,
    expires_in: None,
    refresh: v2::Refresh::None,
    has_app_tokens: true,
    ..v2::Rules::standard(PLATFORM)
};

const SIGNED: v1::Rules = v1::Rules { extra: named, problem: signature_problem, ..v1::Rules::standard(PLATFORM) };

fn named(world: &World, user: &str) -> Vec<(String, String)> {
    let handle = world.user(PLATFORM, user).map(|user| user.handle.clone()).unwrap_or_default();
    vec![("user_id".to_owned(), user.to_owned()), ("screen_name".to_owned(), handle)]
}

fn signature_problem(problem: &v1::Problem) -> Reply {
    match problem {
        v1::Problem::TimestampRefused => numbered(401, 135, "Timestamp out of bounds."),
        v1::Problem::TokenUnknown | v1::Problem::TokenRevoked | v1::Problem::TokenExpired => {
            numbered(401, 89, "Invalid or expired token.")
        }
        v1::Problem::ParameterAbsent(_) => numbered(400, 215, "Bad Authentication data."),
        _ => numbered(401, 32, "Could not authenticate you."),
    }
}

/// Twitter in the table of platforms.
pub struct Twitter;

impl Simulated for Twitter {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    /// There is no second kind of limit: both are refused in the same words.
    fn limited(&self, world: &World, limit: Limit) -> Reply {
        let (Limit::Primary { seconds } | Limit::Secondary { seconds }) = limit;
        let usage = Usage { used: 75, resets_at: world.now.plus(Duration::from_secs(seconds)) };
        with_allowance(too_many(), 75, usage)
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            // The interface says the same for both; only renewing the token shows which it was.
            Refusal::ExpiredToken | Refusal::RevokedToken => unauthorized(),
            Refusal::MissingScope => problem(403, "about:blank", "Forbidden", "Forbidden"),
            Refusal::PaymentRequired => problem(
                402,
                "https://api.twitter.com/2/problems/credits",
                "CreditsDepleted",
                "Your enrolled account does not have any credits to fulfill this request.",
            ),
            Refusal::CursorExpired => invalid("pagination_token", "is not valid"),
            Refusal::ClockSkew => numbered(401, 135, "Timestamp out of bounds."),
            Refusal::DeadPlatform => problem(410, "about:blank", "Gone", "This interface has been shut down."),
        }
    }

    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        let user = world.user(PLATFORM, user_id)?;
        let likes = world.likes_of(PLATFORM, &user.id);
        let mut members = vec![
            ("Your archive.html".to_owned(), b"<!DOCTYPE html><html></html>".to_vec()),
            assigned("data/manifest.js", "__THAR_CONFIG", &payload::manifest(user, world.now)),
            assigned("data/account.js", "YTD.account.part0", &payload::account(user)),
        ];
        let parts: Vec<&[&Like]> = if likes.is_empty() { vec![&[]] } else { likes.chunks(ARCHIVE_PART).collect() };
        for (number, part) in parts.into_iter().enumerate() {
            let rows = part.iter().map(|like| payload::archived_like(world, like)).collect::<Result<Vec<_>, _>>()?;
            let path = if number == 0 { "data/like.js".to_owned() } else { format!("data/like-part{number}.js") };
            members.push(assigned(&path, &format!("YTD.like.part{number}"), &Value::Array(rows)));
        }
        Ok(members)
    }
}

fn assigned(path: &str, name: &str, value: &Value) -> (String, Vec<u8>) {
    (path.to_owned(), format!("window.{name} = {value:#}").into_bytes())
}

/// In whose name a request comes.
struct Caller {
    user: Option<String>,
    bearer: v2::Bearer,
    is_signed: bool,
}

impl Caller {
    /// Signed requests have no scopes: what the app may do, they may.
    fn has(&self, scope: &str) -> bool {
        self.is_signed || self.bearer.has(scope)
    }
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/i/oauth2/authorize") => return v2::authorize(world, request, &SIGN_IN),
        ("POST", "/2/oauth2/token") => return v2::token(world, request, &SIGN_IN),
        ("POST", "/oauth2/token") => return v2::token(world, request, &APP_TOKEN),
        ("POST", "/oauth/request_token") => return v1::request_token(world, request, &SIGNED),
        ("GET", "/oauth/authorize" | "/oauth/authenticate") => return v1::authorize(world, request, &SIGNED),
        ("POST", "/oauth/access_token") => return v1::access_token(world, request, &SIGNED),
        _ => {}
    }
    let caller = match caller(world, request) {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (family, limit) = family(&request.method, &segments);
    let who = caller.user.clone().unwrap_or_else(|| format!("app:{}", caller.bearer.client));
    let bucket = (PLATFORM, format!("{who}:{family}"));
    let fresh = Usage { used: 0, resets_at: world.now.plus(WINDOW) };
    let known = world.usage.get(&bucket).copied().filter(|usage| world.now < usage.resets_at);
    let mut usage = known.unwrap_or(fresh);
    if usage.used >= limit {
        return with_allowance(too_many(), limit, usage);
    }
    usage.used += 1;
    world.usage.insert(bucket, usage);
    with_allowance(route(world, request, &caller, &segments), limit, usage)
}

/// The kind of question, and how often in a window it may be asked.
fn family(method: &str, segments: &[&str]) -> (&'static str, u64) {
    match (method, segments) {
        ("GET", ["2", "users", "me"]) => ("me", 75),
        ("GET", ["2", "users", _, "liked_tweets"]) => ("liked_tweets", 75),
        ("GET", ["2", "users", _, "tweets"]) => ("user_tweets", 1_500),
        (_, ["2", "users", _, "likes", ..]) => ("likes", 50),
        ("GET", ["2", "users", ..]) => ("users", 300),
        ("GET", ["2", "tweets", _, "liking_users"]) => ("liking_users", 75),
        ("GET", ["2", "tweets", ..]) => ("tweets", 300),
        ("GET", ["1.1", "favorites", ..]) => ("favorites", 75),
        (_, ["1.1", ..]) => ("older", 900),
        _ => ("other", 900),
    }
}

fn caller(world: &mut World, request: &Request) -> Result<Caller, Reply> {
    if v1::is_signed(request) {
        let bearer = v1::verify(world, request, &SIGNED).map_err(|problem| signature_problem(&problem))?;
        return Ok(Caller { user: bearer.user.clone(), bearer, is_signed: true });
    }
    let is_older = request.path.starts_with("/1.1/");
    let Some(token) = v2::token_in(request, &["bearer"]) else {
        return Err(if is_older { numbered(400, 215, "Bad Authentication data.") } else { unauthorized() });
    };
    match v2::bearer(world, PLATFORM, token) {
        Ok(bearer) => Ok(Caller { user: bearer.user.clone(), bearer, is_signed: false }),
        Err(_) if is_older => Err(numbered(401, 89, "Invalid or expired token.")),
        Err(_) => Err(unauthorized()),
    }
}

fn route(world: &mut World, request: &Request, caller: &Caller, segments: &[&str]) -> Reply {
    match (request.method.as_str(), segments) {
        ("GET", ["2", "users", "me"]) => match &caller.user {
            Some(user) => one_user(world, request, user, "id", user_by_id),
            None => app_only(),
        },
        ("GET", ["2", "users", "by", "username", name]) => one_user(world, request, name, "username", user_by_name),
        ("GET", ["2", "users", id]) => one_user(world, request, id, "id", user_by_id),
        ("GET", ["2", "users", id, "liked_tweets"]) => liked(world, request, caller, id),
        ("GET", ["2", "users", id, "tweets"]) => tweets_of(world, request, id),
        ("POST", ["2", "users", id, "likes"]) => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            match body.get("tweet_id").and_then(Value::as_str) {
                Some(tweet) => like(world, caller, id, tweet, true),
                None => invalid("tweet_id", "is missing"),
            }
        }
        ("DELETE", ["2", "users", id, "likes", tweet]) => like(world, caller, id, tweet, false),
        ("GET", ["2", "tweets", id]) => match tweet(world, id) {
            Some(post) if is_visible(post, caller) => payload::envelope(world, request, &[post], None, true),
            Some(_) => problem_200("not-authorized-for-resource", "Authorization Error", "tweet", id),
            None => problem_200("resource-not-found", "Not Found Error", "tweet", id),
        },
        ("GET", ["2", "tweets", id, "liking_users"]) => liking_users(world, request, caller, id),
        (_, ["1.1", ..]) => older(world, request, caller, &segments[1..]),
        _ => problem(404, "about:blank", "Not Found", "Not Found"),
    }
}

/// Version 1.1.
fn older(world: &mut World, request: &Request, caller: &Caller, segments: &[&str]) -> Reply {
    let not_found = || numbered(404, 144, "No status found with that ID.");
    let id = request.query.get("id").cloned().unwrap_or_default();
    match (request.method.as_str(), segments) {
        ("GET", ["users", "show.json"]) => match named_user(world, request) {
            Some(user) => Reply::json(200, &payload::older_user(user)),
            None => numbered(404, 50, "User not found."),
        },
        ("GET", ["account", "verify_credentials.json"]) => {
            match caller.user.as_deref().and_then(|id| user_by_id(world, id)) {
                Some(user) => Reply::json(200, &payload::older_user(user)),
                None => numbered(403, 220, "Your credentials do not allow access to this resource."),
            }
        }
        ("GET", ["favorites", "list.json"]) => {
            let Some(own) = caller.user.as_deref() else {
                return numbered(403, 220, "Your credentials do not allow access to this resource.");
            };
            let is_named = request.query.contains_key("user_id") || request.query.contains_key("screen_name");
            let asked = if is_named { named_user(world, request) } else { user_by_id(world, own) };
            match asked {
                None => numbered(404, 34, "Sorry, that page does not exist."),
                Some(user) if user.id != own => numbered(403, 179, "Sorry, you are not authorized to see this."),
                Some(user) => {
                    let likes = world.likes_of(PLATFORM, &user.id);
                    let posts = likes.iter().filter_map(|like| tweet(world, &like.post)).collect();
                    older_page(world, request, posts, own)
                }
            }
        }
        ("GET", ["statuses", "user_timeline.json"]) => match named_user(world, request) {
            None => numbered(404, 34, "Sorry, that page does not exist."),
            Some(user) => {
                let is_theirs = |post: &&Post| post.platform == PLATFORM && post.owner == user.id;
                let posts = world.posts.iter().filter(is_theirs).filter(|post| is_visible(post, caller)).collect();
                older_page(world, request, posts, caller.user.as_deref().unwrap_or_default())
            }
        },
        ("GET", ["statuses", "show.json"]) => match tweet(world, &id) {
            Some(post) if is_visible(post, caller) => {
                Reply::json(200, &payload::status(world, post, request, caller.user.as_deref().unwrap_or_default()))
            }
            Some(_) => numbered(403, 179, "Sorry, you are not authorized to see this status."),
            None => not_found(),
        },
        ("POST", ["favorites", verb @ ("create.json" | "destroy.json")]) => {
            let Some(user) = caller.user.clone() else {
                return numbered(403, 220, "Your credentials do not allow it.");
            };
            let Some(post) = tweet(world, &id).map(|post| post.id.clone()) else { return not_found() };
            let is_liked = world.likes_of(PLATFORM, &user).iter().any(|like| like.post == post);
            let done = match (*verb, is_liked) {
                ("create.json", true) => return numbered(403, 139, "You have already favorited this status."),
                ("create.json", false) => world.like(PLATFORM, &user, &post, world.now),
                (_, false) => return not_found(),
                (_, true) => world.unlike(PLATFORM, &user, &post),
            };
            match done.ok().and_then(|()| tweet(world, &post)) {
                Some(post) => Reply::json(200, &payload::status(world, post, request, &user)),
                None => not_found(),
            }
        }
        _ => numbered(404, 34, "Sorry, that page does not exist."),
    }
}

fn user_by_id<'a>(world: &'a World, id: &str) -> Option<&'a User> {
    world.users.iter().find(|user| user.platform == PLATFORM && user.id == id)
}

/// A number in place of a name must find nobody.
fn user_by_name<'a>(world: &'a World, name: &str) -> Option<&'a User> {
    world.users.iter().find(|user| user.platform == PLATFORM && user.handle.eq_ignore_ascii_case(name))
}

fn named_user<'a>(world: &'a World, request: &Request) -> Option<&'a User> {
    match (request.query.get("user_id"), request.query.get("screen_name")) {
        (Some(id), _) => user_by_id(world, id),
        (None, Some(name)) => user_by_name(world, name),
        (None, None) => None,
    }
}

fn tweet<'a>(world: &'a World, id: &str) -> Option<&'a Post> {
    world.posts.iter().find(|post| post.platform == PLATFORM && post.id == id)
}

fn is_visible(post: &Post, caller: &Caller) -> bool {
    !post.is_private || caller.user.as_ref() == Some(&post.owner)
}

fn one_user(
    world: &World,
    request: &Request,
    name: &str,
    parameter: &str,
    find: for<'a> fn(&'a World, &str) -> Option<&'a User>,
) -> Reply {
    match find(world, name) {
        Some(user) => Reply::json(200, &json!({ "data": payload::user(user, false, request) })),
        None => {
            let mut body = problem_200("resource-not-found", "Not Found Error", "user", name);
            let text = String::from_utf8_lossy(&body.body)
                .replace("\"parameter\":\"id\"", &format!("\"parameter\":\"{parameter}\""));
            body.body = text.into_bytes();
            body
        }
    }
}

fn liked(world: &World, request: &Request, caller: &Caller, id: &str) -> Reply {
    if caller.user.is_none() {
        return app_only();
    }
    if !["tweet.read", "users.read", "like.read"].iter().all(|scope| caller.has(scope)) {
        return problem(403, "about:blank", "Forbidden", "Forbidden");
    }
    // Likes are private since June 2024.
    if caller.user.as_deref() != Some(id) {
        let kind = "https://api.twitter.com/2/problems/not-authorized-for-resource";
        return problem(403, kind, "Forbidden", "You are not permitted to see the likes of this user.");
    }
    let likes = world.likes_of(PLATFORM, id);
    let places: Vec<(Timestamp, &str)> = likes.iter().map(|like| (like.at, like.post.as_str())).collect();
    paged(world, request, &places, 100)
}

fn tweets_of(world: &World, request: &Request, id: &str) -> Reply {
    if user_by_id(world, id).is_none() {
        return problem_200("resource-not-found", "Not Found Error", "user", id);
    }
    let is_theirs = |post: &&Post| post.platform == PLATFORM && post.owner == id && !post.is_private;
    let mut places: Vec<(Timestamp, &str)> =
        world.posts.iter().filter(is_theirs).map(|post| (post.created_at, post.id.as_str())).collect();
    places.reverse();
    places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    paged(world, request, &places, 10)
}

/// One page, newest first. Its token names the last item shown, so what comes above does not move the rest.
fn paged(world: &World, request: &Request, places: &[(Timestamp, &str)], size: usize) -> Reply {
    let size = match request.query.get("max_results").map(|text| text.parse::<usize>()) {
        None => size,
        Some(Ok(size)) if (5..=100).contains(&size) => size,
        Some(_) => return invalid("max_results", "is not between 5 and 100"),
    };
    let start = match request.query.get("pagination_token") {
        None => 0,
        Some(token) => match read_token(token) {
            Some((at, id)) => match places.iter().position(|(_, known)| *known == id) {
                Some(place) => place + 1,
                None => places.iter().take_while(|(known, _)| *known >= at).count(),
            },
            None => return invalid("pagination_token", "is not valid"),
        },
    };
    let shown = &places[start.min(places.len())..places.len().min(start + size)];
    let posts: Vec<&Post> = shown.iter().filter_map(|(_, id)| tweet(world, id)).collect();
    let has_more = start + size < places.len();
    let next = shown.last().filter(|_| has_more).map(|(at, id)| hex::encode(format!("{}|{id}", at.micros())));
    payload::envelope(world, request, &posts, next, false)
}

fn read_token(token: &str) -> Option<(Timestamp, String)> {
    let text = String::from_utf8(hex::decode(token).ok()?).ok()?;
    let (at, id) = text.split_once('|')?;
    Some((Timestamp::from_micros(at.parse().ok()?), id.to_owned()))
}

/// Newest tweet first, by id: `max_id` and what is older.
fn older_page(world: &World, request: &Request, mut posts: Vec<&Post>, viewer: &str) -> Reply {
    let number = |name: &str| request.query.get(name).and_then(|text| text.parse::<u64>().ok());
    let id = |post: &Post| post.id.parse::<u64>().unwrap_or_default();
    posts.sort_by_key(|post| std::cmp::Reverse(id(post)));
    posts.retain(|post| number("max_id").is_none_or(|max| id(post) <= max));
    posts.retain(|post| number("since_id").is_none_or(|since| id(post) > since));
    posts.truncate(usize::try_from(number("count").unwrap_or(20).clamp(1, 200)).expect("at most 200"));
    Reply::json(200, &posts.into_iter().map(|post| payload::status(world, post, request, viewer)).collect())
}

fn liking_users(world: &World, request: &Request, caller: &Caller, id: &str) -> Reply {
    let Some(post) = tweet(world, id) else { return problem_200("resource-not-found", "Not Found Error", "tweet", id) };
    // Today only for tweets of the token's own account.
    if caller.user.as_ref() != Some(&post.owner) {
        let kind = "https://api.twitter.com/2/problems/not-authorized-for-resource";
        return problem(403, kind, "Forbidden", "You are not permitted to see who likes this.");
    }
    let likes = world.likes.iter().filter(|like| like.platform == PLATFORM && like.post == id);
    let users: Vec<Value> = likes
        .filter_map(|like| user_by_id(world, &like.user))
        .map(|user| payload::user(user, false, request))
        .collect();
    let meta = json!({ "result_count": users.len() });
    Reply::json(200, &if users.is_empty() { json!({ "meta": meta }) } else { json!({ "data": users, "meta": meta }) })
}

fn like(world: &mut World, caller: &Caller, user: &str, id: &str, is_given: bool) -> Reply {
    if caller.user.as_deref() != Some(user) || !caller.has("like.write") {
        return problem(403, "about:blank", "Forbidden", "Forbidden");
    }
    let done = if is_given { world.like(PLATFORM, user, id, world.now) } else { world.unlike(PLATFORM, user, id) };
    match done {
        Ok(()) => Reply::json(200, &json!({ "data": { "liked": is_given } })),
        Err(_) => {
            problem(404, "https://api.twitter.com/2/problems/resource-not-found", "Not Found Error", "no such tweet")
        }
    }
}

fn with_allowance(mut reply: Reply, limit: u64, usage: Usage) -> Reply {
    reply.header("x-rate-limit-limit", limit.to_string());
    reply.header("x-rate-limit-remaining", limit.saturating_sub(usage.used).to_string());
    reply.header("x-rate-limit-reset", usage.resets_at.seconds().to_string());
    reply
}

fn problem(status: u16, kind: &str, title: &str, detail: &str) -> Reply {
    Reply::json(status, &json!({ "title": title, "detail": detail, "type": kind, "status": status }))
}

fn unauthorized() -> Reply {
    problem(401, "about:blank", "Unauthorized", "Unauthorized")
}

fn too_many() -> Reply {
    problem(429, "about:blank", "Too Many Requests", "Too Many Requests")
}

fn app_only() -> Reply {
    problem(
        403,
        "https://api.twitter.com/2/problems/unsupported-authentication",
        "Unsupported Authentication",
        "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.",
    )
}

fn invalid(parameter: &str, what: &str) -> Reply {
    let errors =
        json!([{ "parameters": { parameter: [] }, "message": format!("The `{parameter}` query parameter {what}") }]);
    let body = json!({
        "errors": errors,
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.twitter.com/2/problems/invalid-request",
    });
    Reply::json(400, &body)
}

/// A thing that is not there is told with status 200 and without data.
fn problem_200(kind: &str, title: &str, what: &str, id: &str) -> Reply {
    let error = json!({
        "value": id,
        "detail": format!("Could not find {what} with id: [{id}]."),
        "title": title,
        "resource_type": what,
        "parameter": "id",
        "resource_id": id,
        "type": format!("https://api.twitter.com/2/problems/{kind}"),
    });
    Reply::json(200, &json!({ "errors": [error] }))
}

fn numbered(status: u16, code: i64, message: &str) -> Reply {
    Reply::json(status, &json!({ "errors": [{ "code": code, "message": message }] }))
}
