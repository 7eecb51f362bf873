//! Small pages for people: each platform as a list of posts with its button, and profiles that can be changed.
//!
//! Owns nothing of a platform's rules: a press of a button changes the same [`World`] that the interfaces below
//! `/<platform>` read, in the same way. Rendered here, without any script or picture, in plain colours that are meant to
//! tell the platforms apart and to imitate none of them. `/` is the way in, `/at/<platform>?as=<user>` a platform as one
//! of its people sees it.

mod look;
pub mod seed;

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Missing, Post, User, World};
use super::push::News;
use super::reply::{Reply, Request, decoded};
use super::simulated;
use crate::domain::identity::Platform;
use look::{Look, escaped, frame};

/// Posts and people on one page.
const SHOWN_MAX: usize = 200;
const TEXT_CHARS_MAX: usize = 1_000;

/// What a page may do: show itself and send forms here.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";

/// Answers what is below `/` and `/at/`; `None` for every other path.
pub fn answer(world: &mut World, request: &Request) -> Option<Reply> {
    let mut reply = page(world, request)?;
    reply.header("content-security-policy", POLICY);
    Some(reply)
}

fn page(world: &mut World, request: &Request) -> Option<Reply> {
    if request.path == "/" {
        return Some(Reply::html(200, &index(world, request)));
    }
    let below = request.path.strip_prefix("/at/")?;
    let segments: Vec<String> = below.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let form = form(request);
    let reply = match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["clock"]) => turn_clock(world, &form),
        (method, [slug, rest @ ..]) => {
            let platform = slug.parse::<Platform>().ok().filter(|platform| simulated(*platform).is_some());
            match platform {
                None => Err(Refused::NotFound("no platform has this page".to_owned())),
                Some(platform) => on_platform(world, platform, method, rest, request, &form),
            }
        }
        _ => Err(Refused::NotFound("there is no such page".to_owned())),
    };
    Some(reply.unwrap_or_else(|refused| refused.page()))
}

/// Why a page is not shown, or a press changes nothing.
enum Refused {
    NotFound(String),
    BadInput(String),
}

impl Refused {
    fn page(self) -> Reply {
        let (status, text) = match self {
            Refused::NotFound(text) => (404, text),
            Refused::BadInput(text) => (400, text),
        };
        let back = "<p><a href=\"/\">All platforms</a></p>";
        Reply::html(status, &frame(None, "Not done", &format!("<h1>Not done</h1><p>{}</p>{back}", escaped(&text))))
    }
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Refused {
        Refused::NotFound(missing.to_string())
    }
}

type Form = BTreeMap<String, String>;

fn form(request: &Request) -> Form {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn field<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map_or("", |text| text.trim())
}

fn on_platform(
    world: &mut World,
    platform: Platform,
    method: &str,
    rest: &[&str],
    request: &Request,
    form: &Form,
) -> Result<Reply, Refused> {
    let chosen = request.query.get("as").map(String::as_str).filter(|name| !name.is_empty());
    match (method, rest) {
        ("GET", []) => posts_page(world, platform, chosen),
        ("GET", ["people", name]) => profile_page(world, platform, name, chosen),
        ("POST", ["like"]) => press(world, platform, form),
        ("POST", ["people"]) => add_person(world, platform, form),
        ("POST", ["people", name]) => change_profile(world, platform, name, form),
        ("POST", ["posts"]) => add_post(world, platform, form),
        _ => Err(Refused::NotFound("there is no such page".to_owned())),
    }
}

/// After a change the page is asked for again, so that reloading it repeats nothing.
fn see(path: String) -> Result<Reply, Refused> {
    let mut reply = Reply::empty(303);
    reply.header("location", path);
    Ok(reply)
}

fn in_address(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

// --- What is shown ---

fn index(world: &World, request: &Request) -> String {
    let rows: String = Platform::ALL
        .into_iter()
        .filter(|platform| simulated(*platform).is_some())
        .map(|platform| {
            let (slug, word) = (platform.slug(), Look::of(platform).word);
            let people = world.users.iter().filter(|user| user.platform == platform).count();
            let posts = world.posts.iter().filter(|post| post.platform == platform).count();
            let likes = world.likes.iter().filter(|like| like.platform == platform).count();
            // A server of the fediverse is a whole host.
            let below = if platform == Platform::Fediverse { String::new() } else { format!("/{slug}") };
            format!(
                "<tr><th scope=\"row\"><a href=\"/at/{slug}\">{}</a></th><td>{word}</td><td>{people}</td><td>{posts}</td>\
                 <td>{likes}</td><td><code>{}{below}</code></td></tr>",
                platform.label(),
                escaped(&request.base)
            )
        })
        .collect();
    let body = format!(
        "<h1>Sandbox of platforms</h1>\
         <p>Everything here is made up, on this machine alone, and gone when the sandbox ends. What you press changes what \
         the interfaces answer, so an instance that reads them sees it.</p>{}\
         <div class=\"scroll\"><table><caption>Platforms</caption><thead><tr><th scope=\"col\">Platform</th>\
         <th scope=\"col\">Its button</th><th scope=\"col\">People</th><th scope=\"col\">Posts</th>\
         <th scope=\"col\">Likes</th><th scope=\"col\">Interface</th></tr></thead><tbody>{rows}</tbody></table></div>\
         <p>The control plane is below <code>/_sim/</code> (here, unless it was given a port of its own), the bank below \
         <code>/bank/</code>.</p>",
        clock(world)
    );
    frame(None, "Sandbox of platforms", &body)
}

/// The virtual clock, and a way to turn it.
fn clock(world: &World) -> String {
    format!(
        "<form class=\"clock\" method=\"post\" action=\"/at/clock\"><span>Clock: <time>{}</time></span> \
         <button name=\"hours\" value=\"1\">One hour later</button> \
         <button name=\"hours\" value=\"24\">One day later</button></form>",
        world.now.floor_to_second()
    )
}

/// Who acts: a link for each of the people, and a field for one more.
fn people(world: &World, platform: Platform, acting: Option<&User>) -> String {
    let slug = platform.slug();
    let links: String = world
        .users
        .iter()
        .filter(|user| user.platform == platform)
        .take(SHOWN_MAX)
        .map(|user| {
            let here = if acting.is_some_and(|acting| acting.id == user.id) { " aria-current=\"true\"" } else { "" };
            format!("<li><a href=\"/at/{slug}?as={}\"{here}>{}</a></li>", in_address(&user.id), escaped(&user.handle))
        })
        .collect();
    let profile = acting.map_or_else(String::new, |user| {
        let id = in_address(&user.id);
        format!(
            "<p>You are <strong>{}</strong>. <a href=\"/at/{slug}/people/{id}?as={id}\">Your profile</a></p>",
            escaped(&user.handle)
        )
    });
    format!(
        "<section><h2>Who are you?</h2><ul class=\"people\">{links}</ul>{profile}\
         <form method=\"post\" action=\"/at/{slug}/people\"><label for=\"handle\">Somebody new</label> \
         <input id=\"handle\" name=\"handle\" maxlength=\"30\" required> <button>Join</button></form></section>"
    )
}

fn acting<'a>(world: &'a World, platform: Platform, chosen: Option<&str>) -> Result<Option<&'a User>, Refused> {
    Ok(chosen.map(|name| world.user(platform, name)).transpose()?)
}

/// Whether the platform lets this person press its button there.
fn may_like(post: &Post, user: &User) -> bool {
    let is_likeable = !post.is_private && (post.platform != Platform::GitHub || post.parent.is_none());
    // Flickr answers: "Photo is owned by you".
    is_likeable && !(post.platform == Platform::Flickr && post.owner == user.id)
}

fn posts_page(world: &World, platform: Platform, chosen: Option<&str>) -> Result<Reply, Refused> {
    let acting = acting(world, platform, chosen)?;
    let (slug, look) = (platform.slug(), Look::of(platform));
    let posts: String = world
        .posts
        .iter()
        .rev()
        .filter(|post| post.platform == platform && !post.is_private)
        .take(SHOWN_MAX)
        .map(|post| card(world, post, acting, &look))
        .collect();
    let new = acting.map_or_else(String::new, |user| {
        format!(
            "<section><h2>Post something</h2><form method=\"post\" action=\"/at/{slug}/posts\">\
             <input type=\"hidden\" name=\"as\" value=\"{}\"><label for=\"title\">{}</label> \
             <input id=\"title\" name=\"title\" maxlength=\"200\" required> <button>Post</button></form></section>",
            escaped(&user.id),
            look.thing
        )
    });
    let label = platform.label();
    let body = format!(
        "<p><a href=\"/\">All platforms</a></p><h1>{label}, as a sandbox</h1>{}{}{new}<h2>Posts</h2>\
         <ul class=\"posts\">{posts}</ul>",
        clock(world),
        people(world, platform, acting)
    );
    Ok(Reply::html(200, &frame(Some(platform), &format!("{label} (sandbox)"), &body)))
}

fn card(world: &World, post: &Post, acting: Option<&User>, look: &Look) -> String {
    let slug = post.platform.slug();
    let owner = world.user(post.platform, &post.owner).map_or("?", |owner| &owner.handle);
    let likes = world.likes.iter().filter(|like| like.platform == post.platform && like.post == post.id);
    let count = likes.clone().count();
    let is_liked = acting.is_some_and(|user| likes.clone().any(|like| like.user == user.id));
    let title = escaped(post.title.as_deref().unwrap_or(&post.name));
    let description = post.description.as_deref().map(|text| format!("<p>{}</p>", escaped(text))).unwrap_or_default();
    let button = match acting {
        Some(user) if may_like(post, user) => format!(
            "<form method=\"post\" action=\"/at/{slug}/like\"><input type=\"hidden\" name=\"as\" value=\"{}\">\
             <input type=\"hidden\" name=\"post\" value=\"{}\">\
             <button class=\"like\" aria-pressed=\"{is_liked}\"><span aria-hidden=\"true\">{}</span> {}</button></form>",
            escaped(&user.id),
            escaped(&post.id),
            if is_liked { look.sign.1 } else { look.sign.0 },
            if is_liked { look.done } else { look.word },
        ),
        _ => String::new(),
    };
    format!(
        "<li id=\"p{}\"><h3>{title}</h3>{description}<p class=\"meta\"><a href=\"/at/{slug}/people/{}{}\">{}</a>, {}, {count} × \
         {}</p>{button}</li>",
        escaped(&post.id),
        in_address(&post.owner),
        acting.map(|user| format!("?as={}", in_address(&user.id))).unwrap_or_default(),
        escaped(owner),
        post.created_at.floor_to_second(),
        look.word.to_lowercase(),
    )
}

fn profile_page(world: &World, platform: Platform, name: &str, chosen: Option<&str>) -> Result<Reply, Refused> {
    let user = world.user(platform, name)?;
    let acting = acting(world, platform, chosen)?;
    let (slug, id, label) = (platform.slug(), in_address(&user.id), platform.label());
    let (handle, bio, website) = (
        escaped(&user.handle),
        escaped(user.bio.as_deref().unwrap_or_default()),
        escaped(user.website.as_deref().unwrap_or_default()),
    );
    let shown = if acting.is_some_and(|acting| acting.id == user.id) {
        let name = escaped(user.name.as_deref().unwrap_or_default());
        format!(
            "<form class=\"profile\" method=\"post\" action=\"/at/{slug}/people/{id}\">\
             <p><label for=\"name\">Name</label><input id=\"name\" name=\"name\" value=\"{name}\"></p>\
             <p><label for=\"website\">Website</label><input id=\"website\" name=\"website\" value=\"{website}\"></p>\
             <p><label for=\"bio\">Bio</label><textarea id=\"bio\" name=\"bio\" rows=\"4\">{bio}</textarea></p>\
             <p><button>Save</button></p></form>\
             <p>An address for a claim goes into the website or the bio; <code>#nobridge</code> in the bio says that you do \
             not want to be bridged.</p>"
        )
    } else {
        format!(
            "<p>{bio}</p><p>{website}</p><p><a href=\"/at/{slug}/people/{id}?as={id}\">This is me: change the profile</a></p>"
        )
    };
    let has_export = simulated(platform)
        .is_some_and(|simulated| simulated.export(world, &user.id).is_ok_and(|members| !members.is_empty()));
    let export = match has_export {
        true => {
            let file = format!("/_sim/exports/{slug}/{id}.zip");
            let forms = simulated(platform).map(|simulated| simulated.export_forms()).unwrap_or_default();
            let others = |form: &&str| format!(" or <a href=\"{file}?form={form}\" download>in the form “{form}”</a>");
            let others: String = forms.iter().map(others).collect();
            format!("<p><a href=\"{file}\" download>Download the export file</a>{others}</p>")
        }
        false => format!("<p>{label} has no export file with likes.</p>"),
    };
    let back = acting.map(|user| format!("?as={}", in_address(&user.id))).unwrap_or_default();
    let body = format!(
        "<p><a href=\"/at/{slug}{back}\">Posts</a></p><h1>{handle} on {label} (sandbox)</h1>\
         <p class=\"meta\">Id <code>{}</code></p>{shown}{export}{}",
        escaped(&user.id),
        clock(world)
    );
    Ok(Reply::html(200, &frame(Some(platform), &format!("{} on {label} (sandbox)", user.handle), &body)))
}

// --- What is changed ---

/// Likes a post, or takes the like back.
fn press(world: &mut World, platform: Platform, form: &Form) -> Result<Reply, Refused> {
    let user = world.user(platform, field(form, "as"))?;
    let post = world.post(platform, field(form, "post"))?;
    if !may_like(post, user) {
        return Err(Refused::BadInput(format!("{} does not let {} do that", platform.label(), user.handle)));
    }
    let (user, post) = (user.id.clone(), post.id.clone());
    let is_liked = world.likes.iter().any(|like| like.platform == platform && like.user == user && like.post == post);
    match is_liked {
        true => world.unlike(platform, &user, &post)?,
        false => world.like(platform, &user, &post, world.now)?,
    }
    see(format!("/at/{platform}?as={}#p{}", in_address(&user), in_address(&post)))
}

fn add_person(world: &mut World, platform: Platform, form: &Form) -> Result<Reply, Refused> {
    let handle = field(form, "handle");
    let is_fit =
        (3..=30).contains(&handle.len()) && handle.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !is_fit {
        return Err(Refused::BadInput("a handle has 3 to 30 small letters and digits".to_owned()));
    }
    if world.user(platform, handle).is_ok() {
        return Err(Refused::BadInput(format!("{handle} is taken")));
    }
    let id = world.add_user(platform, handle).id.clone();
    see(format!("/at/{platform}?as={}", in_address(&id)))
}

fn change_profile(world: &mut World, platform: Platform, name: &str, form: &Form) -> Result<Reply, Refused> {
    if ["name", "website", "bio"].iter().any(|name| field(form, name).chars().count() > TEXT_CHARS_MAX) {
        return Err(Refused::BadInput(format!("a text is longer than {TEXT_CHARS_MAX} characters")));
    }
    let user = world.user_mut(platform, name)?;
    for (kept, name) in [(&mut user.name, "name"), (&mut user.website, "website"), (&mut user.bio, "bio")] {
        if form.contains_key(name) {
            *kept = Some(field(form, name).to_owned()).filter(|text| !text.is_empty());
        }
    }
    let id = in_address(&user.id);
    see(format!("/at/{platform}/people/{id}?as={id}"))
}

fn add_post(world: &mut World, platform: Platform, form: &Form) -> Result<Reply, Refused> {
    let title = field(form, "title");
    if title.is_empty() || title.chars().count() > TEXT_CHARS_MAX {
        return Err(Refused::BadInput(format!("a title has 1 to {TEXT_CHARS_MAX} characters")));
    }
    let owner = world.user(platform, field(form, "as"))?.id.clone();
    let name = format!("post-{}", world.posts.len() + 1);
    let post = world.add_post(platform, &owner, &name)?;
    post.title = Some(title.to_owned());
    let post = post.id.clone();
    let id = in_address(&post);
    world.pushes.note(News::Posted { platform, post });
    see(format!("/at/{platform}?as={}#p{id}", in_address(&owner)))
}

fn turn_clock(world: &mut World, form: &Form) -> Result<Reply, Refused> {
    match field(form, "hours").parse::<u64>() {
        Ok(hours @ 1..=720) => world.advance(Duration::from_secs(hours * 3_600)),
        _ => return Err(Refused::BadInput("the clock goes forward by 1 to 720 hours".to_owned())),
    }
    see("/".to_owned())
}
