//! Accounts and posts of platforms as pages of ours, and the button that flattrs.
//!
//! Owns that a stub for somebody who never asked for it says so, promises no amount, and shows nothing once they refuse;
//! and that a flattr needs a press: following a link never gives.

use actix_web::http::StatusCode;
use actix_web::web::{Path, ServiceConfig};
use actix_web::{get, post};
use askama::Template;

use super::people::{self, PostLink};
use super::text::{Lang, Text};
use super::{Page, PageError, PageResult, Posted, Visit, html, ok, redirect};
use crate::domain::flattr::{Source, Standing};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::{Month, Timestamp};
use crate::flows::encode_segment;
use crate::flows::flattr::{self, FlattrError, PatronLike};
use crate::storage::identities::{self, Identity, Object};
use crate::storage::{likes, people as stored_people};
use crate::web::error::WebError;

/// Posts on the page of an account.
const POSTS: i64 = 30;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_by_handle).service(post_flattr).service(post_take_back);
}

#[derive(Template)]
#[template(path = "bridged.html")]
struct AccountPage {
    t: Page,
    name: String,
    handle: String,
    fediverse: String,
    platform: String,
    profile: Option<String>,
    /// Name and address of who receives, once the account is claimed.
    claimed_by: Option<(String, String)>,
    waiting: String,
    claim_link: String,
    opt_out_link: String,
    /// What a patron can send to the owner, by language.
    tell: Vec<(Lang, String)>,
    posts: Vec<PostLink>,
}

/// The page of a bridged account: a stub until its owner claims it.
pub async fn account_page(visit: Visit, platform: &str, account: &str) -> PageResult {
    if let Ok(id) = format!("{platform}:{account}").parse::<ExternalId>()
        && visit.read(move |tx| identities::identity_by_external_id(tx, &id)).await?.is_some_and(|row| row.is_refused)
    {
        return refused_page(&visit, visit.text.bridged_refused());
    }
    let uri = visit.state.instance.bridged_actor_uri(platform, account);
    let named = platform.parse().ok().and_then(|platform| ExternalId::new(platform, account).ok());
    let found = visit
        .read(move |tx| {
            let Some(actor) = stored_people::actor_by_uri(tx, &uri)?.filter(|actor| actor.is_local()) else {
                // Who is an actor of the fediverse already has none here.
                let identity = match &named {
                    Some(id) => identities::identity_by_external_id(tx, id)?,
                    None => None,
                };
                return Ok(identity.filter(|identity| identity.actor_id.is_none()).map(|identity| (identity, None)));
            };
            Ok(identities::identity_by_actor(tx, actor.id)?.map(|identity| (identity, Some(actor))))
        })
        .await?;
    let (identity, actor) = found.ok_or_else(PageError::not_found)?;
    if actor.as_ref().is_some_and(|actor| actor.gone_at.is_some()) {
        return Err(PageError::new(410, visit.text.account_gone()));
    }
    let id = identity.id;
    let (claim, (people_waiting, flattrs_waiting), objects) = visit
        .read(move |tx| {
            let claim = identities::verified_claim(tx, id)?;
            let creator = match claim.as_ref().and_then(|claim| claim.creator()) {
                Some(creator) => stored_people::creator(tx, creator)?,
                None => None,
            };
            let mut objects = Vec::new();
            for object in identities::objects_of(tx, id, POSTS)? {
                let count = likes::count_for_object(tx, object.id)?;
                objects.push((object, count));
            }
            Ok((claim.map(|claim| (claim, creator)), likes::waiting_for_owner(tx, id)?, objects))
        })
        .await?;
    let t = visit.text;
    let label = people::platform_label(&identity.platform);
    let waiting = match people_waiting {
        0 => t.bridged_nobody_waits(),
        people => t.bridged_waiting(t.people(people), t.flattrs(flattrs_waiting)),
    };
    let claimed_by = claim.map(|(claim, creator)| match creator {
        Some(creator) => (creator.name.clone(), format!("/creators/{}", creator.name)),
        // Paid at another instance, whose page says more.
        None => (claim.creator_uri.clone(), people::web_link(&claim.creator_uri).unwrap_or_default()),
    });
    let page = AccountPage {
        t: visit.page(format!("{} ({label})", identity.display_name)),
        fediverse: t.handle_is(match &actor {
            Some(actor) => format!("@{}@{}", actor.username, visit.state.instance.host),
            None => format!("@{}", identity.handle),
        }),
        platform: label,
        profile: people::web_link(&identity.profile_url),
        claimed_by,
        waiting,
        claim_link: claim_link(&identity.platform, &identity.handle),
        opt_out_link: super::opt_out::form_path(&identity.platform, &identity.handle),
        tell: tell(&visit, &identity),
        posts: objects.iter().map(|(object, count)| PostLink::new(&visit, object, *count)).collect(),
        name: identity.display_name,
        handle: identity.handle,
    };
    ok(&page)
}

/// What a patron may copy and send, in both languages: we do not know which one the owner reads. We send nothing.
fn tell(visit: &Visit, identity: &Identity) -> Vec<(Lang, String)> {
    let handle = encode_segment(&identity.handle);
    let link = format!("{}/on/{}/{handle}", visit.state.instance.base_url, identity.platform);
    let name = &visit.state.config.instance.name;
    Lang::ALL.map(|lang| (lang, Text(lang).tell_text(name, &link))).into()
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    t: Page,
    said: String,
}

/// Instead of what an owner does not want to be shown.
fn refused_page(visit: &Visit, said: String) -> PageResult {
    html(StatusCode::GONE, &RefusedPage { t: visit.page(visit.text.refused_title()), said })
}

/// To the form that claims an account, filled in.
fn claim_link(platform: &str, handle: &str) -> String {
    format!("/me/claim?platform={platform}&handle={}", encode_segment(handle))
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct UnknownPage {
    t: Page,
    handle: String,
    said: String,
    claim_link: String,
    opt_out_link: String,
}

/// An account by its handle, for links that people write by hand. Platforms are not asked on behalf of a stranger.
#[get("/on/{platform}/{handle}")]
async fn get_by_handle(visit: Visit, path: Path<(String, String)>) -> PageResult {
    let (slug, handle) = path.into_inner();
    let platform: Platform = slug.parse().map_err(|_| PageError::not_found())?;
    let handle = handle.trim_start_matches('@').to_owned();
    if handle.is_empty() || handle.chars().count() > 100 || handle.chars().any(char::is_control) {
        return Err(PageError::not_found());
    }
    let wanted = handle.clone();
    let known = visit.read(move |tx| identities::identity_by_handle(tx, platform.slug(), &wanted)).await?;
    if let Some(identity) = known {
        return Ok(redirect(&people::account_path(&visit.state.instance, &identity)));
    }
    let t = visit.text;
    let page = UnknownPage {
        t: visit.page(t.unknown_title(&handle)),
        said: t.bridged_unknown(&handle, platform.label()),
        claim_link: claim_link(platform.slug(), &handle),
        opt_out_link: super::opt_out::form_path(platform.slug(), &handle),
        handle,
    };
    html(StatusCode::NOT_FOUND, &page)
}

/// What a visitor can do with a post.
enum Button {
    /// Nothing, and why.
    No(String),
    /// Sign in first; the address comes back here.
    SignIn(String),
    Flattr(String),
    TakeBack,
}

#[derive(Template)]
#[template(path = "object.html")]
struct ObjectPage {
    t: Page,
    title: String,
    platform: String,
    url: Option<String>,
    /// Name and path of the author.
    author: Option<(String, String)>,
    /// Whether the author has claimed the account: of who never asked for it, search engines are told nothing.
    is_claimed: bool,
    published: Option<String>,
    flattrs: String,
    object: String,
    standing: Option<String>,
    wants_flattr: bool,
    button: Button,
}

/// The page of a post.
pub async fn object_page(visit: Visit, object: Object) -> PageResult {
    let patron = visit.session.as_ref().and_then(|session| session.patron.as_ref()).map(|patron| patron.id);
    let (id, owner) = (object.id, object.owner());
    let (author, is_claimed, count, mine) = visit
        .read(move |tx| {
            let (author, is_claimed) = match owner {
                Some(owner) => (identities::identity(tx, owner)?, identities::verified_claim(tx, owner)?.is_some()),
                None => (None, false),
            };
            let mine = match patron {
                Some(patron) => likes::latest_flattr(tx, patron, id)?,
                None => None,
            };
            Ok((author, is_claimed, likes::count_for_object(tx, id)?, mine))
        })
        .await?;
    if author.as_ref().is_some_and(|author| author.is_refused) {
        return refused_page(&visit, visit.text.object_refused());
    }
    let mine = mine.map(|mine| Ok::<_, crate::storage::Error>((mine.month()?, mine.standing()?))).transpose()?;
    let t = visit.text;
    let path = people::object_path(&visit.state.instance, &object.platform, &object.object);
    let standing = mine.and_then(|(month, standing)| match standing {
        Standing::Counting => Some(t.object_you_flattred(t.month(month))),
        Standing::Struck if month == visit.month() => Some(t.object_you_struck()),
        Standing::Own => Some(t.object_yours()),
        _ => None,
    });
    let page = ObjectPage {
        t: visit.page(people::title_of(&object.title, &object.platform, &object.object)),
        button: button(&visit, &object, mine, &path),
        title: people::title_of(&object.title, &object.platform, &object.object),
        url: people::web_link(&object.url),
        author: author.map(|author| {
            let path = people::account_path(&visit.state.instance, &author);
            (author.display_name, path)
        }),
        is_claimed,
        published: object.published_at.map(|at| t.object_published(t.date(Timestamp::from_micros(at)))),
        flattrs: t.flattrs(count),
        object: format!("{}:{}", object.platform, object.object),
        platform: people::platform_label(&object.platform),
        standing,
        wants_flattr: visit.query("flattr").is_some(),
    };
    html(if object.is_deleted { StatusCode::GONE } else { StatusCode::OK }, &page)
}

fn button(visit: &Visit, object: &Object, mine: Option<(Month, Standing)>, path: &str) -> Button {
    let t = visit.text;
    if object.is_deleted {
        return Button::No(t.object_gone());
    }
    let Some(session) = &visit.session else {
        return Button::SignIn(format!("/sign-in?next={}", encode_segment(&format!("{path}?flattr=1"))));
    };
    if session.patron.is_none() {
        return Button::No(t.object_not_a_patron());
    }
    match mine {
        Some((month, Standing::Counting)) if month == visit.month() => Button::TakeBack,
        Some((month, Standing::Struck | Standing::Own | Standing::Refused)) if month == visit.month() => {
            Button::No(String::new())
        }
        Some((_, Standing::Counting)) => Button::Flattr(t.object_flattr_again()),
        _ => Button::Flattr(t.object_flattr()),
    }
}

/// The post that a form names.
async fn posted_object(posted: &Posted) -> Result<Object, PageError> {
    let (platform, object) = posted.field("object").split_once(':').ok_or_else(PageError::not_found)?;
    let platform: Platform = platform.parse().map_err(|_| PageError::not_found())?;
    let object = ObjectRef::new(platform, object).map_err(|_| PageError::not_found())?;
    let found = posted.visit.read(move |tx| identities::object_by_ref(tx, &object)).await?;
    found.ok_or_else(PageError::not_found)
}

/// A flattr by the button on our page: the same value as a like from anywhere else.
#[post("/flattr")]
async fn post_flattr(posted: Posted) -> PageResult {
    let patron = posted.visit.patron()?.id;
    let object = posted_object(&posted).await?;
    let like = PatronLike {
        patron,
        object: object.id,
        source: Source::Page,
        received_at: posted.visit.now,
        liked_at: None,
        like_uri: None,
    };
    posted.visit.state.write(move |tx| flattr::record(tx, &like)).await.map_err(flattr_error)?;
    back_to(&posted.visit, &object, "flattr")
}

#[post("/flattr/take-back")]
async fn post_take_back(posted: Posted) -> PageResult {
    let patron = posted.visit.patron()?.id;
    let object = posted_object(&posted).await?;
    let (id, now) = (object.id, posted.visit.now);
    posted.visit.state.write(move |tx| flattr::take_back(tx, patron, id, now)).await.map_err(flattr_error)?;
    back_to(&posted.visit, &object, "taken-back")
}

fn back_to(visit: &Visit, object: &Object, done: &str) -> PageResult {
    let path = people::object_path(&visit.state.instance, &object.platform, &object.object);
    Ok(redirect(&format!("{path}?done={done}")))
}

/// Refusals of the flow are about rows that are gone.
pub fn flattr_error(error: FlattrError) -> PageError {
    match error {
        FlattrError::Storage(error) => error.into(),
        gone => PageError::Web(WebError::new(404, gone.to_string())),
    }
}
