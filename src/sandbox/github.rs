//! GitHub's REST API as its documentation describes it: stars, profiles, repositories, releases.
//!
//! Owns GitHub's manners: `Link` paging by number, conditional requests that cost nothing when authorised, 60 requests
//! an hour without a token and 5,000 with one, 301 for a renamed repository, and addresses in `Link` that go by number
//! where the request went by name. Payloads have the full documented shape; see [`payload`]. Source:
//! docs.github.com/rest (activity/starring, users/users, repos/repos, releases/releases, using-the-rest-api).

mod hooks;
pub mod payload;

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Like, Post, Usage, User, World};
use super::oauth::{form_reply, v2};
use super::push::{News, Push};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::GitHub;
const HOUR: Duration = Duration::from_secs(3_600);
const PER_HOUR_ANONYMOUS: u64 = 60;
const PER_HOUR_WITH_TOKEN: u64 = 5_000;
const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// The door of an OAuth app: a token that does not end, and is not renewed. Scopes are a comma apart.
const SIGN_IN: v2::Rules = v2::Rules {
    client_auth: v2::ClientAuth::Body,
    expires_in: None,
    refresh: v2::Refresh::None,
    scope_separator: ',',
    token: given_token,
    problem: token_problem,
    ..v2::Rules::standard(PLATFORM)
};

/// In whose name a request comes, and on whose allowance.
struct Caller {
    user: Option<String>,
    bucket: String,
    per_hour: u64,
}

/// GitHub in the table of platforms.
pub struct GitHub;

impl Simulated for GitHub {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    fn limited(&self, world: &World, limit: Limit) -> Reply {
        limited(world, limit)
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::ExpiredToken => problem(401, "The token has expired"),
            Refusal::RevokedToken => problem(401, "Bad credentials"),
            Refusal::MissingScope => problem(403, "Resource not accessible by integration"),
            Refusal::PaymentRequired => problem(402, "Payment Required"),
            Refusal::CursorExpired => problem(422, "Validation Failed: this page is not available"),
            Refusal::ClockSkew | Refusal::DeadPlatform => problem(410, "Gone"),
        }
    }

    fn pushes(&self, world: &World, news: &News, number: u64) -> Vec<Push> {
        hooks::pushes(world, news, number)
    }
}

/// Answers one request; its path is below the prefix.
fn answer(world: &mut World, request: &Request) -> Reply {
    if request.header("user-agent").is_none_or(str::is_empty) {
        return problem(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
        );
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/login/oauth/authorize") => return v2::authorize(world, request, &SIGN_IN),
        ("POST", "/login/oauth/access_token") => return v2::token(world, request, &SIGN_IN),
        _ => {}
    }
    let Some(caller) = caller(world, request) else { return problem(401, "Bad credentials") };
    let usage = usage(world, &caller);
    if usage.used >= caller.per_hour {
        let message = "API rate limit exceeded for 127.0.0.1. (But here's the good news: Authenticated requests get a \
                       higher rate limit. Check out the documentation for more details.)";
        return with_allowance(problem(403, message), &caller, usage);
    }
    let mut reply = conditional(route(world, request, &caller), request);
    // "a 304 does not count against your primary rate limit if the request was made while correctly authorized"
    let is_free = reply.status == 304 && caller.user.is_some();
    let usage = Usage { used: usage.used + u64::from(!is_free), ..usage };
    world.usage.insert((PLATFORM, caller.bucket.clone()), usage);
    reply = with_allowance(reply, &caller, usage);
    reply.header("x-github-media-type", "github.v3; format=json");
    reply
}

/// The reply under a limit that a fault imposes.
fn limited(world: &World, limit: Limit) -> Reply {
    match limit {
        Limit::Primary { seconds } => {
            let resets_at = world.now.plus(Duration::from_secs(seconds));
            let caller = Caller { user: None, bucket: String::new(), per_hour: PER_HOUR_ANONYMOUS };
            let usage = Usage { used: PER_HOUR_ANONYMOUS, resets_at };
            with_allowance(problem(403, "API rate limit exceeded for 127.0.0.1."), &caller, usage)
        }
        Limit::Secondary { seconds } => {
            let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            let mut reply = problem(429, message);
            reply.header("retry-after", seconds.to_string());
            reply
        }
    }
}

fn route(world: &mut World, request: &Request, caller: &Caller) -> Reply {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let base = request.base.as_str();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["user"]) => match &caller.user {
            Some(user) => found_user(world, base, user, By::Id),
            None => problem(401, "Requires authentication"),
        },
        ("GET", ["users", login]) => found_user(world, base, login, By::Login),
        ("GET", ["user", "starred"]) => match &caller.user {
            Some(user) => starred(world, request, user, By::Id, "/user/starred", true),
            None => problem(401, "Requires authentication"),
        },
        ("GET" | "PUT" | "DELETE", ["user", "starred", owner, name]) => star(world, request, caller, owner, name),
        ("GET", ["user", id]) => found_user(world, base, id, By::Id),
        ("GET", ["users", login, "starred"]) => starred(world, request, login, By::Login, "", false),
        ("GET", ["user", id, "starred"]) => starred(world, request, id, By::Id, "", false),
        ("GET", ["users", login, "repos"]) => repositories(world, request, login, By::Login),
        ("GET", ["user", id, "repos"]) => repositories(world, request, id, By::Id),
        (_, ["repos", owner, name, "hooks", below @ ..]) => {
            hooks::answer(world, request, caller.user.as_deref(), &format!("{owner}/{name}"), below)
        }
        ("GET", ["repos", owner, name, below @ ..]) => {
            let path = format!("{owner}/{name}");
            if let Some(post) = repository_at(world, &path) {
                return below_repository(world, request, post, below);
            }
            match moved(world, &path) {
                Some(post) => {
                    let tail = below.iter().map(|segment| format!("/{segment}")).collect::<String>();
                    let url = format!("{base}/repositories/{}{tail}", post.id);
                    let mut reply = Reply::json(
                        301,
                        &json!({ "message": "Moved Permanently", "url": url, "documentation_url": DOCUMENTATION }),
                    );
                    reply.header("location", url);
                    reply
                }
                None => problem(404, "Not Found"),
            }
        }
        ("GET", ["repositories", id, below @ ..]) => match by_id(world, id) {
            Some(post) => below_repository(world, request, post, below),
            None => problem(404, "Not Found"),
        },
        _ => problem(404, "Not Found"),
    }
}

/// Login and number are different doors: a number in place of a login must find nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Id,
    Login,
}

fn user_by<'a>(world: &'a World, name: &str, by: By) -> Option<&'a User> {
    world.users.iter().find(|user| {
        user.platform == PLATFORM
            && match by {
                By::Id => user.id == name,
                By::Login => user.handle.eq_ignore_ascii_case(name),
            }
    })
}

fn found_user(world: &World, base: &str, name: &str, by: By) -> Reply {
    match user_by(world, name, by) {
        Some(user) => Reply::json(200, &payload::full_user(world, user, base)),
        None => problem(404, "Not Found"),
    }
}

fn is_repository(post: &Post) -> bool {
    post.platform == PLATFORM && post.parent.is_none()
}

/// A private repository is not there for others: 404, not 403.
fn repository_at<'a>(world: &'a World, path: &str) -> Option<&'a Post> {
    let is_meant = |post: &&Post| is_repository(post) && world.path_of(post).eq_ignore_ascii_case(path);
    world.posts.iter().find(is_meant).filter(|post| !post.is_private)
}

fn by_id<'a>(world: &'a World, id: &str) -> Option<&'a Post> {
    world.posts.iter().find(|post| is_repository(post) && post.id == id && !post.is_private)
}

fn moved<'a>(world: &'a World, path: &str) -> Option<&'a Post> {
    let path = path.to_ascii_lowercase();
    world.posts.iter().find(|post| is_repository(post) && !post.is_private && post.former_paths.contains(&path))
}

fn starred(world: &World, request: &Request, name: &str, by: By, own_path: &str, shows_private: bool) -> Reply {
    let Some(user) = user_by(world, name, by) else { return problem(404, "Not Found") };
    let posts: HashMap<&str, &Post> =
        world.posts.iter().filter(|post| post.platform == PLATFORM).map(|post| (post.id.as_str(), post)).collect();
    let is_visible = |like: &&Like| posts.get(like.post.as_str()).is_some_and(|post| shows_private || !post.is_private);
    let mut likes: Vec<&Like> = world.likes_of(PLATFORM, &user.id).into_iter().filter(is_visible).collect();
    if request.query.get("direction").is_some_and(|direction| direction == "asc") {
        likes.reverse();
    }
    let path = if own_path.is_empty() { format!("/user/{}/starred", user.id) } else { own_path.to_owned() };
    paged(request, &path, &likes, |like| {
        let repo = payload::repository(world, posts[like.post.as_str()], &request.base);
        if wants_times(request) { json!({ "starred_at": like.at.to_string(), "repo": repo }) } else { repo }
    })
}

fn repositories(world: &World, request: &Request, name: &str, by: By) -> Reply {
    let Some(user) = user_by(world, name, by) else { return problem(404, "Not Found") };
    let mut posts: Vec<&Post> =
        world.posts.iter().filter(|post| is_repository(post) && post.owner == user.id && !post.is_private).collect();
    posts.reverse();
    paged(request, &format!("/user/{}/repos", user.id), &posts, |post| payload::repository(world, post, &request.base))
}

fn below_repository(world: &World, request: &Request, post: &Post, below: &[&str]) -> Reply {
    let path = |tail: &str| format!("/repositories/{}/{tail}", post.id);
    let mut releases: Vec<&Post> = world
        .posts
        .iter()
        .filter(|release| release.platform == PLATFORM && release.parent.as_ref() == Some(&post.id))
        .collect();
    releases.reverse();
    match below {
        [] => Reply::json(200, &payload::repository(world, post, &request.base)),
        ["stargazers"] => {
            let likes: Vec<&Like> =
                world.likes.iter().filter(|like| like.platform == PLATFORM && like.post == post.id).collect();
            paged(request, &path("stargazers"), &likes, |like| {
                let user = user_by(world, &like.user, By::Id).expect("a like ends with its user");
                let user = payload::simple_user(user, &request.base);
                if wants_times(request) { json!({ "starred_at": like.at.to_string(), "user": user }) } else { user }
            })
        }
        ["releases"] => paged(request, &path("releases"), &releases, |release| {
            payload::release(world, post, release, &request.base)
        }),
        ["releases", "tags", tag @ ..] => {
            let tag = tag.join("/");
            match releases.into_iter().find(|release| release.name == tag) {
                Some(release) => Reply::json(200, &payload::release(world, post, release, &request.base)),
                None => problem(404, "Not Found"),
            }
        }
        _ => problem(404, "Not Found"),
    }
}

/// `GET` asks whether the caller stars it, `PUT` stars, `DELETE` takes the star back.
fn star(world: &mut World, request: &Request, caller: &Caller, owner: &str, name: &str) -> Reply {
    let Some(user) = caller.user.clone() else { return problem(401, "Requires authentication") };
    let Some(post) = repository_at(world, &format!("{owner}/{name}")).map(|post| post.id.clone()) else {
        return problem(404, "Not Found");
    };
    let is_liked = world.likes_of(PLATFORM, &user).iter().any(|like| like.post == post);
    let done = match request.method.as_str() {
        "GET" if is_liked => Ok(()),
        "GET" => return problem(404, "Not Found"),
        "PUT" => world.like(PLATFORM, &user, &post, world.now),
        _ => world.unlike(PLATFORM, &user, &post),
    };
    done.map_or_else(|_| problem(404, "Not Found"), |()| Reply::empty(204))
}

fn wants_times(request: &Request) -> bool {
    request.header("accept").is_some_and(|accept| accept.contains("application/vnd.github.star+json"))
}

/// One page of a list, with the `Link` header that leads to the others.
fn paged<T>(request: &Request, path: &str, all: &[T], shown: impl Fn(&T) -> Value) -> Reply {
    let number = |name: &str| request.query.get(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(30).clamp(1, 100);
    let page = number("page").unwrap_or(1).max(1);
    let last = all.len().div_ceil(size).max(1);
    let items: Vec<Value> = all.iter().skip((page - 1).saturating_mul(size)).take(size).map(shown).collect();
    let mut reply = Reply::json(200, &Value::Array(items));
    let address = |page: usize| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(request.query.iter().filter(|(name, _)| *name != "page"));
        query.append_pair("page", &page.to_string());
        format!("{}{path}?{}", request.base, query.finish())
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(format!("<{}>; rel=\"prev\"", address((page - 1).min(last))));
    }
    if page < last {
        links.push(format!("<{}>; rel=\"next\"", address(page + 1)));
        links.push(format!("<{}>; rel=\"last\"", address(last)));
    }
    if page > 1 {
        links.push(format!("<{}>; rel=\"first\"", address(1)));
    }
    if !links.is_empty() {
        reply.header("link", links.join(", "));
    }
    reply
}

/// Gives a successful `GET` its etag, and answers 304 when the caller has it already.
fn conditional(mut reply: Reply, request: &Request) -> Reply {
    if reply.status != 200 || request.method != "GET" {
        return reply;
    }
    // `Link` is part of what the caller would miss: the same page may have got a next one.
    let mut seen = digest::Context::new(&digest::SHA256);
    seen.update(&reply.body);
    seen.update(reply.headers.get("link").map(String::as_bytes).unwrap_or_default());
    let etag = format!("W/\"{}\"", hex::encode(seen.finish()));
    let is_known = request.header("if-none-match").is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag));
    if is_known {
        reply = Reply::empty(304);
    }
    reply.header("etag", etag);
    reply.header("cache-control", "public, max-age=60, s-maxage=60");
    reply
}

/// Who asks. `None` for a token that nobody has.
fn caller(world: &World, request: &Request) -> Option<Caller> {
    if request.header("authorization").is_none() {
        return Some(Caller { user: None, bucket: "address:127.0.0.1".to_owned(), per_hour: PER_HOUR_ANONYMOUS });
    }
    let token = v2::token_in(request, &["bearer", "token"])?;
    let user = v2::bearer(world, PLATFORM, token).ok()?.user?;
    Some(Caller { bucket: format!("user:{user}"), user: Some(user), per_hour: PER_HOUR_WITH_TOKEN })
}

/// The caller's use in the current window; a new window begins with the first request after the last one's end.
fn usage(world: &World, caller: &Caller) -> Usage {
    let fresh = Usage { used: 0, resets_at: world.now.plus(HOUR) };
    let known = world.usage.get(&(PLATFORM, caller.bucket.clone())).copied();
    known.filter(|usage| world.now < usage.resets_at).unwrap_or(fresh)
}

fn with_allowance(mut reply: Reply, caller: &Caller, usage: Usage) -> Reply {
    reply.header("x-ratelimit-limit", caller.per_hour.to_string());
    reply.header("x-ratelimit-remaining", caller.per_hour.saturating_sub(usage.used).to_string());
    reply.header("x-ratelimit-used", usage.used.to_string());
    reply.header("x-ratelimit-reset", usage.resets_at.seconds().to_string());
    reply.header("x-ratelimit-resource", "core");
    reply
}

/// By default a form, and JSON only for who asks for it; so are the refusals, which come with status 200.
fn given_token(_: &World, request: &Request, issued: &v2::Issued) -> Reply {
    let scope = issued.scopes.join(",");
    token_reply(request, &[("access_token", &issued.access_token), ("scope", &scope), ("token_type", "bearer")])
}

fn token_problem(request: &Request, problem: &v2::Problem) -> Reply {
    let (error, described) = match problem.error {
        "invalid_client" => {
            ("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
        }
        "invalid_grant" if problem.description.starts_with("redirect_uri") => {
            ("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")
        }
        "invalid_grant" => ("bad_verification_code", "The code passed is incorrect or expired."),
        other => (other, problem.description.as_str()),
    };
    token_reply(request, &[("error", error), ("error_description", described), ("error_uri", DOCUMENTATION)])
}

fn token_reply(request: &Request, pairs: &[(&str, &str)]) -> Reply {
    if request.header("accept").is_some_and(|accept| accept.contains("json")) {
        let object: serde_json::Map<String, Value> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Reply::json(200, &Value::Object(object))
    } else {
        form_reply(200, pairs)
    }
}

fn problem(status: u16, message: &str) -> Reply {
    let body = json!({ "message": message, "documentation_url": DOCUMENTATION, "status": status.to_string() });
    Reply::json(status, &body)
}
