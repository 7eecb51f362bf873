//! SoundCloud's API as its documentation describes it: likes of tracks and sets, profiles, addresses looked up.
//!
//! Owns SoundCloud's manners: the scheme `OAuth` and no other, tokens of an hour and refresh tokens that are good once,
//! lists that have an envelope only for who asks for one, pages that go on from the last item, blocked tracks left out
//! of other people's lists unless asked for, limits told in the body. Payloads are in [`payload`].
//! Source: developers.soundcloud.com and its OpenAPI description.
//!
//! What the world has no field for is kept under names: `access:<track>` is `playable`, `preview` or `blocked`;
//! `web-profiles:<user>` is a list of addresses; `short:<code>` is where a short address leads.

pub mod payload;

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Missing, Post, User, World};
use super::oauth::v2;
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::SoundCloud;
const SITE: &str = "https://soundcloud.com";
const LINK: &str = "https://developers.soundcloud.com/docs/api/explorer/open-api";

/// OAuth 2.1: a proof key is demanded, a refresh token is good once. There are no scopes.
const SIGN_IN: v2::Rules = v2::Rules {
    pkce: v2::Pkce::Required,
    expires_in: Some(Duration::from_secs(3_599)),
    refresh: v2::Refresh::SingleUse,
    has_app_tokens: true,
    problem: token_problem,
    ..v2::Rules::standard(PLATFORM)
};

fn token_problem(_: &Request, problem: &v2::Problem) -> Reply {
    refusal(problem.status, problem.error)
}

/// SoundCloud in the table of platforms.
pub struct SoundCloud;

impl Simulated for SoundCloud {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        answer(world, request)
    }

    fn limited(&self, world: &World, limit: Limit) -> Reply {
        match limit {
            Limit::Primary { seconds } => {
                let reset = payload::date(world.now.plus(Duration::from_secs(seconds)));
                let limit = json!({ "group": "plays", "max_nr_of_requests": 15_000, "time_window": "PT24H" });
                let meta = json!({ "rate_limit": limit, "remaining_requests": 0, "reset_time": reset });
                Reply::json(429, &json!({ "errors": [{ "meta": meta }] }))
            }
            Limit::Secondary { .. } => {
                let body = json!({
                    "code": 429,
                    "message": "Too many requests",
                    "spam_warning_urn": "soundcloud:spam-warnings:1",
                    "link": LINK,
                });
                Reply::json(429, &body)
            }
        }
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            // Both look the same.
            Refusal::ExpiredToken | Refusal::RevokedToken => unauthorized(),
            Refusal::MissingScope => self::refusal(403, "Forbidden"),
            Refusal::PaymentRequired => self::refusal(402, "Payment Required"),
            Refusal::CursorExpired => self::refusal(400, "The cursor is not valid"),
            Refusal::ClockSkew | Refusal::DeadPlatform => self::refusal(410, "Gone"),
        }
    }

    /// SoundCloud's own file of likes is not known: this is a table such as people make.
    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        let user = world.user(PLATFORM, user_id)?;
        let mut table = "Title,Link,Liked at\n".to_owned();
        for like in world.likes_of(PLATFORM, &user.id) {
            let post = world.post(PLATFORM, &like.post)?;
            let title = post.title.as_ref().unwrap_or(&post.name).replace('"', "\"\"");
            table.push_str(&format!("\"{title}\",{},{}\n", payload::page(world, post), like.at));
        }
        Ok(vec![("likes.csv".to_owned(), table.into_bytes())])
    }
}

fn refusal(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "code": status, "message": message, "link": LINK }))
}

fn unauthorized() -> Reply {
    let status = "401 - Unauthorized";
    let body = json!({ "code": 401, "message": "", "link": LINK, "status": status, "errors": [], "error": null });
    Reply::json(401, &body)
}

fn unknown() -> Reply {
    refusal(404, "Not found")
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["authorize"]) => return v2::authorize(world, request, &SIGN_IN),
        ("POST", ["oauth", "token"]) => return v2::token(world, request, &SIGN_IN),
        // The short site is another host, open to every browser.
        ("GET", ["on", code]) => {
            let target = world.kept.get(&(PLATFORM, format!("short:{code}"))).and_then(Value::as_str);
            return target.map_or_else(unknown, |target| found(target.to_owned()));
        }
        _ => {}
    }
    let token = v2::token_in(request, &["oauth"]);
    let Some(Ok(bearer)) = token.map(|token| v2::bearer(world, PLATFORM, token)) else { return unauthorized() };
    route(world, request, &segments, bearer.user.as_deref())
}

fn route(world: &mut World, request: &Request, segments: &[&str], me: Option<&str>) -> Reply {
    let mut segments = segments.to_vec();
    let is_own = segments.first() == Some(&"me");
    if is_own {
        // A token of an app alone has no `me`.
        let Some(me) = me else { return unauthorized() };
        segments.splice(0..1, ["users", me]);
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["resolve"]) => resolve(world, request),
        ("GET", ["users", id]) => user(world, id).map_or_else(unknown, |user| Reply::json(200, &payload::user(user))),
        ("GET", ["users", id, "web-profiles"]) => user(world, id).map_or_else(unknown, |user| {
            let kept = world.kept.get(&(PLATFORM, format!("web-profiles:{}", user.id)));
            let links = kept.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            Reply::json(200, &links.iter().map(payload::web_profile).collect())
        }),
        ("GET", ["users", id, kind @ ("tracks" | "playlists")]) => {
            let Some(owner) = user(world, id) else { return unknown() };
            let of_owner = |post: &&Post| post.platform == PLATFORM && post.owner == owner.id;
            let mut posts: Vec<&Post> = world.posts.iter().filter(of_owner).collect();
            posts.reverse();
            sounds(world, request, posts, kind, me, is_own)
        }
        ("GET", ["users", id, "likes", kind @ ("tracks" | "playlists")]) => {
            user(world, id).map_or_else(unknown, |user| sounds(world, request, liked(world, user), kind, me, is_own))
        }
        // The older interface: a list without an envelope.
        ("GET", ["users", id, "favorites"]) => user(world, id).map_or_else(unknown, |user| {
            let bare = Request { query: Default::default(), ..request.clone() };
            sounds(world, &bare, liked(world, user), "tracks", me, is_own)
        }),
        ("GET", [kind @ ("tracks" | "playlists"), id]) => match sound(world, kind, id, me) {
            Some(post) => Reply::json(200, &payload::sound(world, post)),
            None => unknown(),
        },
        ("GET", ["playlists", id, "tracks"]) => match sound(world, "playlists", id, me) {
            Some(set) => {
                let in_set = |post: &&Post| post.platform == PLATFORM && post.parent.as_ref() == Some(&set.id);
                sounds(world, request, world.posts.iter().filter(in_set).collect(), "tracks", me, is_own)
            }
            None => unknown(),
        },
        ("GET", ["tracks", id, "favoriters"]) => match sound(world, "tracks", id, me) {
            Some(post) => {
                let of_post = world.likes.iter().filter(|like| like.platform == PLATFORM && like.post == post.id);
                let users: Vec<&User> = of_post.filter_map(|like| user(world, &like.user)).collect();
                paged(request, &users, |user| user.id.clone(), |user| payload::user(user))
            }
            None => unknown(),
        },
        ("POST" | "DELETE", ["likes", kind @ ("tracks" | "playlists"), id]) => {
            let Some(me) = me else { return unauthorized() };
            let Some(post) = sound(world, kind, id, Some(me)).map(|post| post.id.clone()) else { return unknown() };
            let done = match request.method.as_str() {
                "POST" => world.like(PLATFORM, me, &post, world.now),
                _ => world.unlike(PLATFORM, me, &post),
            };
            done.map_or_else(|_| unknown(), |()| Reply::json(200, &json!({ "status": "200 - OK" })))
        }
        _ => unknown(),
    }
}

/// Whether an id in a path is this URN, as a whole or by its number.
fn names(id: &str, urn: &str) -> bool {
    id == urn || urn.rsplit(':').next() == Some(id)
}

fn user<'a>(world: &'a World, id: &str) -> Option<&'a User> {
    world.users.iter().find(|user| user.platform == PLATFORM && names(id, &user.id))
}

/// `soundcloud:playlists:7` is a set.
fn is_of_kind(post: &Post, kind: &str) -> bool {
    post.platform == PLATFORM && post.id.split(':').nth(1) == Some(kind)
}

fn sound<'a>(world: &'a World, kind: &str, id: &str, me: Option<&str>) -> Option<&'a Post> {
    let found = world.posts.iter().find(|post| is_of_kind(post, kind) && names(id, &post.id))?;
    (!found.is_private || me == Some(found.owner.as_str())).then_some(found)
}

fn liked<'a>(world: &'a World, user: &User) -> Vec<&'a Post> {
    let likes = world.likes_of(PLATFORM, &user.id);
    likes.into_iter().filter_map(|like| world.posts.iter().find(|post| post.id == like.post)).collect()
}

/// A list of tracks or sets. Other people's lists leave blocked tracks out unless they are asked for.
fn sounds(
    world: &World,
    request: &Request,
    mut posts: Vec<&Post>,
    kind: &str,
    me: Option<&str>,
    is_own: bool,
) -> Reply {
    let usual = if is_own { "playable,preview,blocked" } else { "playable,preview" };
    let wanted: Vec<&str> = request.query.get("access").map_or(usual, String::as_str).split(',').collect();
    posts.retain(|post| {
        is_of_kind(post, kind)
            && (!post.is_private || me == Some(post.owner.as_str()))
            && (kind == "playlists" || wanted.contains(&payload::access(world, post)))
    });
    paged(request, &posts, |post| post.id.clone(), |post| payload::sound(world, post))
}

/// One page, which goes on after the last item of the one before: what comes in above it moves nothing.
fn paged<T>(request: &Request, all: &[T], key: impl Fn(&T) -> String, shown: impl Fn(&T) -> Value) -> Reply {
    let limit = request.query.get("limit").map_or(Ok(50), |text| text.parse::<usize>());
    let Ok(limit @ 1..=200) = limit else { return refusal(400, "limit is 1 to 200") };
    let start = match request.query.get("cursor") {
        None => 0,
        Some(cursor) => match all.iter().position(|item| key(item) == *cursor) {
            Some(place) => place + 1,
            None => return refusal(400, "The cursor is not valid"),
        },
    };
    let page: Vec<Value> = all.iter().skip(start).take(limit).map(shown).collect();
    if request.query.get("linked_partitioning").is_none_or(|wish| wish != "true" && wish != "1") {
        return Reply::json(200, &Value::Array(page));
    }
    let mut body = json!({ "collection": page });
    if let Some(last) = all.get(start + limit - 1).filter(|_| start + limit < all.len()) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &limit.to_string()).append_pair("linked_partitioning", "true");
        query.append_pair("cursor", &key(last));
        body["next_href"] = json!(format!("{}{}?{}", request.base, request.path, query.finish()));
    }
    Reply::json(200, &body)
}

/// What stands at an address of the site, as a redirect that holds the id: the old form for tracks, URNs for the rest.
fn resolve(world: &World, request: &Request) -> Reply {
    let page = request.query.get("url").and_then(|text| Url::parse(text).ok());
    let Some(page) = page.filter(|page| page.as_str().starts_with(SITE)) else { return unknown() };
    let segments: Vec<&str> = page.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let Some((handle, rest)) = segments.split_first() else { return unknown() };
    let is_meant = |user: &&User| user.platform == PLATFORM && user.handle.eq_ignore_ascii_case(handle);
    let Some(owner) = world.users.iter().find(is_meant) else { return unknown() };
    let named = |kind: &str, name: &str| {
        let is_meant = |post: &&Post| is_of_kind(post, kind) && post.owner == owner.id && post.name == name;
        world.posts.iter().find(is_meant).filter(|post| !post.is_private)
    };
    let below = match rest {
        [] => Some(format!("users/{}", owner.id)),
        ["sets", name] => named("playlists", name).map(|post| format!("playlists/{}", post.id)),
        [name] => {
            named("tracks", name).map(|post| format!("tracks/{}", post.id.rsplit(':').next().unwrap_or(&post.id)))
        }
        _ => None,
    };
    below.map_or_else(unknown, |below| found(format!("{}/{below}", request.base)))
}

fn found(location: String) -> Reply {
    let mut reply = Reply::json(302, &json!({ "status": "302 - Found", "location": location }));
    reply.header("location", location);
    reply
}
