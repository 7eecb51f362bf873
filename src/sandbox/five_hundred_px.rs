//! 500px as it was until 2018: favourites, galleries, votes, profiles.
//!
//! Owns 500px's manners: statuses with `{"status", "error"}`, pages by `page` and `rpp`, a consumer key in the query or
//! a signature. Favourites are served both ways, as a list and as a gallery of kind 5; for a server of before December
//! 2015 put `"2013"` into [`World::kept`] under [`ERA`]. A vote is kept apart from a favourite. Source:
//! 500px/legacy-api-documentation.

pub mod payload;

use serde_json::{Value, json};

use super::Simulated;
use super::fault::{Limit, Refusal};
use super::model::{Missing, Post, User, World};
use super::oauth::{body_pairs, query_pairs, v1};
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::FiveHundredPx;
/// Under this name the world keeps which age of the interface is played.
pub const ERA: &str = "era";
/// Photos on a page as people saved it.
const SAVED_PAGE: usize = 100;

const SIGN_IN: v1::Rules = v1::Rules { problem: door_problem, ..v1::Rules::standard(PLATFORM) };

/// 500px in the table of platforms.
pub struct FiveHundredPx;

/// A question, its arguments from query and form together.
struct Call<'a> {
    arguments: Vec<(String, String)>,
    /// The id of who signed it.
    user: Option<String>,
    request: &'a Request,
}

impl Call<'_> {
    fn get(&self, name: &str) -> &str {
        self.arguments.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.get(name).parse().ok().filter(|number| *number > 0)
    }

    /// Once or several times, as `image_size[]`.
    fn sizes(&self) -> Vec<u8> {
        let is_size = |name: &str| matches!(name, "image_size" | "image_size[]");
        let all = self.arguments.iter().filter(|(name, _)| is_size(name));
        all.flat_map(|(_, value)| value.split(',')).filter_map(|size| size.trim().parse().ok()).collect()
    }

    fn look(&self) -> payload::Look {
        payload::Look { sizes: self.sizes(), has_tags: matches!(self.get("tags"), "1") }
    }
}

fn problem(status: u16, error: &str) -> Reply {
    Reply::json(status, &json!({ "status": status, "error": error }))
}

fn door_problem(refused: &v1::Problem) -> Reply {
    problem(refused.status(), &format!("Invalid OAuth Request: {}", refused.word()))
}

fn deactivated() -> Reply {
    problem(403, "Application is deactivated, please contact us by email: help@sandbox.invalid.")
}

impl Simulated for FiveHundredPx {
    fn platform(&self) -> Platform {
        PLATFORM
    }

    fn answer(&self, world: &mut World, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v1/oauth/request_token") => return v1::request_token(world, request, &SIGN_IN),
            ("GET" | "POST", "/v1/oauth/authorize") => return v1::authorize(world, request, &SIGN_IN),
            ("POST", "/v1/oauth/access_token") => return v1::access_token(world, request, &SIGN_IN),
            _ => {}
        }
        let arguments: Vec<(String, String)> = query_pairs(request).into_iter().chain(body_pairs(request)).collect();
        let mut call = Call { arguments, user: None, request };
        if v1::is_signed(request) {
            match v1::verify(world, request, &SIGN_IN) {
                Ok(bearer) => call.user = bearer.user,
                Err(refused) => return door_problem(&refused),
            }
        } else if world.doors.app(PLATFORM, call.get("consumer_key")).is_none() {
            return problem(401, "Consumer key missing.");
        }
        route(world, &call).unwrap_or_else(|refused| refused)
    }

    fn limited(&self, _: &World, limit: Limit) -> Reply {
        let mut reply = problem(429, "Rate limit exceeded");
        // 500px documented no header; what stands in front of a server may send one.
        if let Limit::Secondary { seconds } = limit {
            reply.header("retry-after", seconds.to_string());
        }
        reply
    }

    fn refused(&self, _: &World, refusal: Refusal) -> Reply {
        match refusal {
            Refusal::ExpiredToken => door_problem(&v1::Problem::TokenExpired),
            Refusal::RevokedToken => door_problem(&v1::Problem::TokenRevoked),
            Refusal::ClockSkew => door_problem(&v1::Problem::TimestampRefused),
            Refusal::MissingScope => problem(403, "Forbidden"),
            Refusal::PaymentRequired => problem(402, "Payment Required"),
            Refusal::CursorExpired => problem(400, "Bad Request"),
            Refusal::DeadPlatform => deactivated(),
        }
    }

    fn lists(&self) -> &'static [&'static str] {
        &["/photos", "/users"]
    }

    /// 500px had no export file: these are pages as people saved them.
    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        let user = world.user(PLATFORM, user_id)?;
        let profile = json!({ "user": payload::full_user(world, user) }).to_string().into_bytes();
        let mut members = vec![("users_show.json".to_owned(), profile)];
        let posts = favorites(world, user);
        let pages = posts.len().div_ceil(SAVED_PAGE).max(1);
        for page in 1..=pages {
            let body = page_of(world, &posts, page, SAVED_PAGE, &payload::Look::default());
            let body = with_feature(body, "user_favorites", user);
            members.push((format!("favorites-{page}.json"), body.to_string().into_bytes()));
        }
        Ok(members)
    }
}

fn route(world: &mut World, call: &Call) -> Result<Reply, Reply> {
    let segments = call.request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["v1", below @ ..] = segments.as_slice() else { return Err(problem(404, "Not Found")) };
    let is_old = world.kept.get(&(PLATFORM, ERA.to_owned())).is_some_and(|era| *era == json!("2013"));
    let body = match (call.request.method.as_str(), below) {
        ("GET", ["photos"]) => photos(world, call)?,
        ("GET", ["photos", id]) => {
            json!({ "photo": payload::full_photo(world, photo(world, id)?, &call.look()), "comments": [] })
        }
        ("GET", ["photos", id, "votes"]) => votes(world, call, id)?,
        ("POST", ["photos", id, "vote"]) => vote(world, call, id)?,
        ("POST", ["photos", id, "favorite"]) => favor(world, call, id, true)?,
        ("DELETE", ["photos", id, "favorite"]) => favor(world, call, id, false)?,
        ("GET", ["users", "show"]) => json!({ "user": payload::full_user(world, meant(world, call, "id")?) }),
        ("GET", ["users"]) => {
            let id = call.user.as_deref().ok_or_else(|| problem(401, "Authentication required"))?;
            json!({ "user": payload::full_user(world, by_id(world, id)?) })
        }
        ("GET", ["users", id, "galleries"]) if !is_old => galleries(call, by_id(world, id)?),
        ("GET", ["users", id, "galleries", gallery, "items"]) if !is_old => {
            let user = by_id(world, id)?;
            if *gallery != payload::gallery_id(user) {
                return Err(problem(404, "Gallery not found"));
            }
            // By the position that its owner gave; a new one comes to the end.
            let mut posts = favorites(world, user);
            posts.reverse();
            paged(world, call, &posts)
        }
        _ => return Err(problem(404, "Not Found")),
    };
    Ok(Reply::json(200, &body))
}

fn by_id<'a>(world: &'a World, id: &str) -> Result<&'a User, Reply> {
    let user = world.users.iter().find(|user| user.platform == PLATFORM && user.id == id);
    user.ok_or_else(|| problem(404, "User not found"))
}

/// The user that a question names by number or by name.
fn meant<'a>(world: &'a World, call: &Call, number: &str) -> Result<&'a User, Reply> {
    let (id, name) = (call.get(number), call.get("username"));
    if id.is_empty() && name.is_empty() {
        return Err(problem(400, "Bad Request"));
    }
    let is_meant = |user: &&User| {
        user.platform == PLATFORM && if id.is_empty() { user.handle.eq_ignore_ascii_case(name) } else { user.id == id }
    };
    world.users.iter().find(is_meant).ok_or_else(|| problem(404, "User not found"))
}

fn photo<'a>(world: &'a World, id: &str) -> Result<&'a Post, Reply> {
    let post = world.posts.iter().find(|post| post.platform == PLATFORM && post.id == id);
    let post = post.ok_or_else(|| problem(404, "Photo not found"))?;
    if post.is_private { Err(problem(403, "Photo is private")) } else { Ok(post) }
}

/// What a user likes and everybody may see, the last one first.
fn favorites<'a>(world: &'a World, user: &User) -> Vec<&'a Post> {
    let likes = world.likes_of(PLATFORM, &user.id).into_iter();
    let posts = likes.map(|like| world.post(PLATFORM, &like.post).expect("a like ends with its post"));
    posts.filter(|post| !post.is_private).collect()
}

fn photos(world: &World, call: &Call) -> Result<Value, Reply> {
    let feature = call.get("feature");
    let (posts, user) = match feature {
        "user_favorites" => {
            let user = meant(world, call, "user_id")?;
            let mut posts = favorites(world, user);
            if call.get("sort_direction") == "asc" {
                posts.reverse();
            }
            (posts, Some(user))
        }
        "user" => {
            let user = meant(world, call, "user_id")?;
            (mine(world, |post| post.owner == user.id), Some(user))
        }
        "popular" | "upcoming" | "editors" | "fresh_today" | "fresh_yesterday" | "fresh_week" => {
            (mine(world, |_| true), None)
        }
        _ => return Err(problem(400, "Bad Request")),
    };
    let body = paged(world, call, &posts);
    Ok(match user {
        Some(user) => with_feature(body, feature, user),
        None => {
            let mut body = body;
            body["feature"] = json!(feature);
            body
        }
    })
}

/// Public photos, the last one first.
fn mine(world: &World, is_wanted: impl Fn(&Post) -> bool) -> Vec<&Post> {
    let posts = world.posts.iter().rev();
    posts.filter(|post| post.platform == PLATFORM && !post.is_private && is_wanted(post)).collect()
}

fn with_feature(mut body: Value, feature: &str, user: &User) -> Value {
    body["feature"] = json!(feature);
    body["filters"]["user_id"] = payload::number(&user.id);
    body
}

fn paged(world: &World, call: &Call, posts: &[&Post]) -> Value {
    let size = call.number("rpp").unwrap_or(20).min(100);
    page_of(world, posts, call.number("page").unwrap_or(1), size, &call.look())
}

fn page_of(world: &World, posts: &[&Post], page: usize, size: usize, look: &payload::Look) -> Value {
    let items = posts.iter().skip((page - 1).saturating_mul(size)).take(size);
    let photos: Vec<Value> = items.map(|post| payload::short_photo(world, post, look)).collect();
    json!({
        "filters": { "category": false, "exclude": false },
        "current_page": page,
        "total_pages": posts.len().div_ceil(size),
        "total_items": posts.len(),
        "photos": photos,
    })
}

/// Each user has one gallery of favourites.
fn galleries(call: &Call, user: &User) -> Value {
    let kinds = call.get("kinds");
    let is_wanted = kinds.is_empty() || kinds.split(',').any(|kind| kind.trim() == "5");
    let found: Vec<Value> = is_wanted.then(|| payload::gallery(user)).into_iter().collect();
    json!({
        "filters": { "privacy": "public", "kinds": kinds },
        "current_page": 1,
        "total_pages": found.len(),
        "total_items": found.len(),
        "galleries": found,
    })
}

fn voters(world: &World, id: &str) -> Vec<String> {
    let kept = world.kept.get(&(PLATFORM, format!("votes:{id}")));
    let ids = kept.and_then(Value::as_array).into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

fn votes(world: &World, call: &Call, id: &str) -> Result<Value, Reply> {
    let voters = voters(world, &photo(world, id)?.id);
    let size = call.number("rpp").unwrap_or(20).min(100);
    let page = call.number("page").unwrap_or(1);
    let items = voters.iter().skip((page - 1).saturating_mul(size)).take(size);
    let users: Vec<Value> = items.filter_map(|id| by_id(world, id).ok()).map(payload::short_user).collect();
    let pages = voters.len().div_ceil(size);
    Ok(json!({ "current_page": page, "total_pages": pages, "total_items": voters.len(), "users": users }))
}

/// A vote is an action of its own and no favourite.
fn vote(world: &mut World, call: &Call, id: &str) -> Result<Value, Reply> {
    let user = call.user.clone().ok_or_else(|| problem(401, "Authentication required"))?;
    let post = photo(world, id)?;
    let (id, is_own) = (post.id.clone(), post.owner == user);
    let mut ids = voters(world, &id);
    match call.get("vote") {
        "1" if is_own || ids.contains(&user) => return Err(problem(403, "The vote has been rejected")),
        "1" => ids.push(user),
        "0" => ids.retain(|voter| *voter != user),
        _ => return Err(problem(400, "Bad Request")),
    }
    world.kept.insert((PLATFORM, format!("votes:{id}")), json!(ids));
    Ok(json!({ "photo": payload::full_photo(world, photo(world, &id)?, &payload::Look::default()) }))
}

fn favor(world: &mut World, call: &Call, id: &str, is_liked: bool) -> Result<Value, Reply> {
    let user = call.user.clone().ok_or_else(|| problem(401, "Authentication required"))?;
    let id = photo(world, id)?.id.clone();
    let is_there = world.likes_of(PLATFORM, &user).iter().any(|like| like.post == id);
    if is_liked == is_there {
        return Err(problem(403, "The favorite request has been rejected"));
    }
    let done = match is_liked {
        true => world.like(PLATFORM, &user, &id, world.now),
        false => world.unlike(PLATFORM, &user, &id),
    };
    done.map_err(|_| problem(404, "Photo not found"))?;
    Ok(json!({ "status": 200, "message": "Successfully changed the favorites.", "error": "None" }))
}
