//! Flickr as its documentation describes it: one address, a method in the query, favourites with their times.
//!
//! Owns Flickr's manners: 200 with `stat: fail` for nearly every refusal, numbers now as text and now as numbers, a
//! call around the JSON unless told otherwise, 3,600 requests an hour for a key, and no header that says so. Payloads
//! are in [`payload`]. Source: flickr.com/services/api (the methods' pages), flickr.com/services/api/auth.oauth.html.

pub mod payload;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Like, Missing, Post, Usage, User, World};
use super::oauth::{body_pairs, query_pairs, v1};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Flickr;
const HOUR: Duration = Duration::from_secs(3_600);
const PER_HOUR: u64 = 3_600;
/// Favourites in one file of the export.
const EXPORT_PART: usize = 100;

const SIGN_IN: v1::Rules = v1::Rules { denied_by: "oauth_problem", extra: who, ..v1::Rules::standard(PLATFORM) };

/// The reply with an access token tells whose it is.
fn who(world: &World, user_id: &str) -> Vec<(String, String)> {
    let Ok(user) = world.user(PLATFORM, user_id) else { return Vec::new() };
    let name = user.name.clone().unwrap_or_default();
    let pairs = [("fullname", name), ("user_nsid", user.id.clone()), ("username", user.handle.clone())];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Flickr in the table of platforms.
pub struct Flickr;

/// A refusal of a method: the code and the words.
struct Fail(u16, &'static str);

const NO_USER: Fail = Fail(1, "User not found");
const NO_PHOTO: Fail = Fail(1, "Photo not found");
const BAD_TOKEN: Fail = Fail(98, "Invalid auth token");
const NO_PERMISSION: Fail = Fail(99, "User not logged in / Insufficient permissions");
const BAD_KEY: Fail = Fail(100, "Invalid API Key (Key has invalid format)");
const BUSY: Fail = Fail(105, "Service currently unavailable");

impl Fail {
    fn body(&self) -> Value {
        json!({ "stat": "fail", "code": self.0, "message": self.1 })
    }

    fn reply(&self) -> Reply {
        Reply::json(200, &self.body())
    }
}

/// A question, its arguments from query and form together.
struct Call<'a> {
    arguments: BTreeMap<String, String>,
    /// The id of who signed it.
    user: Option<String>,
    may_write: bool,
    request: &'a Request,
}

impl Call<'_> {
    fn get(&self, name: &str) -> &str {
        self.arguments.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.arguments.get(name)?.parse().ok()
    }
}

impl Simulated for Flickr {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "POST", "/services/oauth/request_token") => v1::request_token(world, request, &SIGN_IN),
            ("GET" | "POST", "/services/oauth/authorize") => v1::authorize(world, request, &SIGN_IN),
            ("GET" | "POST", "/services/oauth/access_token") => v1::access_token(world, request, &SIGN_IN),
            ("GET" | "POST", "/services/rest/" | "/services/rest") => rest(world, request),
            _ => Reply::html(404, "<html><h1>404 Not Found</h1></html>"),
        }
    }

    fn limited(&self, _: &World, limit: Limit) -> Reply {
        let mut reply = Reply::html(429, "<html><h1>429 Too Many Requests</h1></html>");
        // No header of Flickr's names a time; what stands in front of it may.
        if let Limit::Secondary { seconds } = limit {
            reply.header("retry-after", seconds.to_string());
        }
        reply
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            // Flickr's tokens end only when somebody takes them back.
            Refusal::ExpiredToken | Refusal::RevokedToken => BAD_TOKEN.reply(),
            Refusal::MissingScope => NO_PERMISSION.reply(),
            Refusal::PaymentRequired => Reply::html(402, "<html><h1>402 Payment Required</h1></html>"),
            Refusal::ClockSkew => v1::standard_problem(&v1::Problem::TimestampRefused),
            // Pages go by number and never end.
            Refusal::CursorExpired => BUSY.reply(),
            Refusal::DeadPlatform => Reply::html(410, "<html><h1>410 Gone</h1></html>"),
        }
    }

    fn lists(&self) -> &'static [&'static str] {
        &["/photos/photo", "/photo/person"]
    }

    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        let user = world.user(PLATFORM, user_id)?;
        let account = payload::export_account(world, user).to_string().into_bytes();
        let mut members = vec![("account_profile.json".to_owned(), account)];
        let likes = world.likes_of(PLATFORM, &user.id);
        for (place, likes) in likes.chunks(EXPORT_PART).enumerate() {
            let faves: Vec<Value> = likes.iter().map(|like| payload::export_fave(&like.post)).collect();
            let part = json!({ "faves": faves }).to_string().into_bytes();
            members.push((format!("faves_part{:03}.json", place + 1), part));
        }
        Ok(members)
    }
}

/// The one address of the interface.
fn rest(world: &mut World, request: &Request) -> Reply {
    let arguments: BTreeMap<String, String> = query_pairs(request).into_iter().chain(body_pairs(request)).collect();
    let (key, bearer) = if v1::is_signed(request) {
        match v1::verify(world, request, &SIGN_IN) {
            Ok(bearer) => (bearer.client.clone(), Some(bearer)),
            Err(problem) => return refused_signature(&problem),
        }
    } else {
        (arguments.get("api_key").cloned().unwrap_or_default(), None)
    };
    if world.doors.app(PLATFORM, &key).is_none() {
        return BAD_KEY.reply();
    }
    if is_over_limit(world, &key) {
        return Flickr.limited(world, Limit::Primary { seconds: 0 });
    }
    let call = Call {
        user: bearer.as_ref().and_then(|bearer| bearer.user.clone()),
        may_write: bearer.as_ref().is_some_and(|bearer| bearer.has("write")),
        arguments,
        request,
    };
    if call.get("format") != "json" {
        return Reply::html(200, "<?xml version=\"1.0\"?><rsp stat=\"ok\"></rsp>");
    }
    let body = match method(world, &call) {
        Ok(mut body) => {
            body["stat"] = json!("ok");
            body
        }
        Err(fail) => fail.body(),
    };
    if call.get("nojsoncallback") == "1" {
        return Reply::json(200, &body);
    }
    let mut reply = Reply { status: 200, body: format!("jsonFlickrApi({body})").into_bytes(), ..Reply::default() };
    reply.header("content-type", "text/javascript; charset=utf-8");
    reply
}

/// What the interface says where the door would name a problem.
fn refused_signature(problem: &v1::Problem) -> Reply {
    match problem {
        v1::Problem::TokenUnknown | v1::Problem::TokenRevoked | v1::Problem::TokenExpired => BAD_TOKEN.reply(),
        v1::Problem::SignatureInvalid => Fail(96, "Invalid signature").reply(),
        v1::Problem::ConsumerKeyUnknown => BAD_KEY.reply(),
        other => v1::standard_problem(other),
    }
}

fn is_over_limit(world: &mut World, key: &str) -> bool {
    let bucket = (PLATFORM, key.to_owned());
    let fresh = Usage { used: 0, resets_at: world.now.plus(HOUR) };
    let known = world.usage.get(&bucket).copied().filter(|usage| world.now < usage.resets_at).unwrap_or(fresh);
    world.usage.insert(bucket, Usage { used: known.used + 1, ..known });
    known.used >= PER_HOUR
}

fn method(world: &mut World, call: &Call) -> Result<Value, Fail> {
    match call.get("method") {
        "flickr.test.login" => {
            let user = caller(world, call)?;
            Ok(payload::named(user))
        }
        "flickr.favorites.getPublicList" => favorites(world, call, by_id(world, call.get("user_id"))?, false),
        "flickr.favorites.getList" => {
            let user = match call.get("user_id") {
                "" => caller(world, call)?,
                id => by_id(world, id)?,
            };
            favorites(world, call, user, true)
        }
        "flickr.favorites.add" => favor(world, call, true),
        "flickr.favorites.remove" => favor(world, call, false),
        "flickr.people.getInfo" => Ok(payload::person(world, by_id(world, call.get("user_id"))?)),
        "flickr.people.getPublicPhotos" => public_photos(world, call),
        "flickr.people.findByUsername" => {
            let user = find(world, |user| user.handle == call.get("username")).ok_or(NO_USER)?;
            Ok(payload::named(user))
        }
        "flickr.urls.lookupUser" => {
            let name = name_in(call.get("url")).ok_or(NO_USER)?;
            let is_meant = |user: &User| user.id == name || user.handle.eq_ignore_ascii_case(&name);
            find(world, is_meant).map(payload::named).ok_or(NO_USER)
        }
        "flickr.profile.getProfile" => Ok(payload::profile(by_id(world, call.get("user_id"))?)),
        "flickr.photos.getInfo" => Ok(payload::info(world, visible_photo(world, call)?)),
        "flickr.photos.getSizes" => Ok(payload::sizes(visible_photo(world, call)?)),
        "flickr.photos.getFavorites" => favers(world, call),
        "flickr.photos.licenses.getInfo" => Ok(payload::licences()),
        _ => Err(Fail(112, "Method \"xxx\" not found")),
    }
}

fn find(world: &World, is_meant: impl Fn(&User) -> bool) -> Option<&User> {
    world.users.iter().find(|user| user.platform == PLATFORM && is_meant(user))
}

/// Only the NSID counts where one is asked for.
fn by_id<'a>(world: &'a World, nsid: &str) -> Result<&'a User, Fail> {
    find(world, |user| user.id == nsid).ok_or(NO_USER)
}

fn caller<'a>(world: &'a World, call: &Call) -> Result<&'a User, Fail> {
    by_id(world, call.user.as_deref().ok_or(NO_PERMISSION)?)
}

fn photo<'a>(world: &'a World, call: &Call) -> Result<&'a Post, Fail> {
    let id = call.get("photo_id");
    world.posts.iter().find(|post| post.platform == PLATFORM && post.id == id).ok_or(NO_PHOTO)
}

fn visible_photo<'a>(world: &'a World, call: &Call) -> Result<&'a Post, Fail> {
    let post = photo(world, call)?;
    let is_hidden = post.is_private && call.user.as_ref() != Some(&post.owner);
    if is_hidden { Err(Fail(2, "Permission denied")) } else { Ok(post) }
}

/// The name in the address of a person's page or photos.
fn name_in(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let mut segments = url.path_segments()?;
    let is_page = matches!(segments.next(), Some("photos" | "people"));
    is_page.then(|| segments.next().map(super::reply::decoded)).flatten()
}

fn favorites(world: &World, call: &Call, user: &User, shows_hidden: bool) -> Result<Value, Fail> {
    let (earliest, latest) = (call.number("min_fave_date"), call.number("max_fave_date"));
    let is_in_time = |like: &&Like| {
        earliest.is_none_or(|at| like.at.seconds() >= at) && latest.is_none_or(|at| like.at.seconds() <= at)
    };
    let mut found: Vec<(&Like, &Post)> = Vec::new();
    for like in world.likes_of(PLATFORM, &user.id).into_iter().filter(is_in_time) {
        let post = world.post(PLATFORM, &like.post).expect("a like ends with its post");
        // Hidden ones are for whom they were shared with; here that is their owner and whoever likes them.
        let may_see = call.user.as_ref().is_some_and(|id| *id == post.owner || *id == user.id);
        if !post.is_private || (shows_hidden && may_see) {
            found.push((like, post));
        }
    }
    let (page, items) = paged(call, &found);
    let photos: Vec<Value> =
        items.iter().map(|(like, post)| payload::photo(world, post, call.get("extras"), Some(like.at))).collect();
    Ok(json!({ "photos": page.with("photo", photos) }))
}

fn public_photos(world: &World, call: &Call) -> Result<Value, Fail> {
    let user = by_id(world, call.get("user_id"))?;
    // "Un-authed calls can only see Safe content."
    let is_seen = |post: &&Post| !post.is_private && (!post.is_sensitive || call.user.is_some());
    let mut found: Vec<&Post> =
        world.posts.iter().filter(|post| post.platform == PLATFORM && post.owner == user.id).filter(is_seen).collect();
    found.reverse();
    let (page, items) = paged(call, &found);
    let photos: Vec<Value> = items.iter().map(|post| payload::photo(world, post, call.get("extras"), None)).collect();
    Ok(json!({ "photos": page.with("photo", photos) }))
}

fn favers(world: &World, call: &Call) -> Result<Value, Fail> {
    let post = photo(world, call)?;
    let likes: Vec<&Like> =
        world.likes.iter().filter(|like| like.platform == PLATFORM && like.post == post.id).rev().collect();
    let (page, items) = paged(call, &likes);
    let people: Vec<Value> = items
        .iter()
        .map(|like| payload::faver(by_id(world, &like.user).ok().expect("a like ends with its user"), like.at))
        .collect();
    let mut body = page.with("person", people);
    body["id"] = json!(post.id);
    body["secret"] = json!(payload::secret(&post.id));
    Ok(json!({ "photo": body }))
}

/// Adds a favourite or takes it back; only by POST and with permission to write.
fn favor(world: &mut World, call: &Call, is_liked: bool) -> Result<Value, Fail> {
    let user = caller(world, call)?.id.clone();
    if !call.may_write || call.request.method != "POST" {
        return Err(NO_PERMISSION);
    }
    let post = photo(world, call)?;
    let (id, is_own) = (post.id.clone(), post.owner == user);
    let is_there = world.likes_of(PLATFORM, &user).iter().any(|like| like.post == id);
    let done = match (is_liked, is_there) {
        (true, _) if is_own => return Err(Fail(2, "Photo is owned by you")),
        (true, true) => return Err(Fail(3, "Photo is already in favorites")),
        (true, false) => world.like(PLATFORM, &user, &id, world.now),
        (false, true) => world.unlike(PLATFORM, &user, &id),
        (false, false) => return Err(Fail(1, "Photo not in favorites")),
    };
    done.map(|()| json!({})).map_err(|_| NO_PHOTO)
}

/// Where a page stands in its list.
struct Place {
    page: usize,
    pages: usize,
    size: usize,
    total: usize,
}

impl Place {
    /// Numbers as Flickr writes them: most as numbers, the total as text.
    fn with(&self, name: &str, items: Vec<Value>) -> Value {
        json!({
            "page": self.page, "pages": self.pages, "perpage": self.size, "total": self.total.to_string(), name: items,
        })
    }
}

fn paged<'a, T>(call: &Call, all: &'a [T]) -> (Place, &'a [T]) {
    let number = |name: &str| call.number(name).and_then(|number| usize::try_from(number).ok());
    let size = number("per_page").filter(|size| *size > 0).unwrap_or(100).min(500);
    let page = number("page").filter(|page| *page > 0).unwrap_or(1);
    let start = (page - 1).saturating_mul(size).min(all.len());
    let items = &all[start..all.len().min(start + size)];
    (Place { page, pages: all.len().div_ceil(size), size, total: all.len() }, items)
}
