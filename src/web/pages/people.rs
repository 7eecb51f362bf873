//! Public pages of people: patrons, creators, and the claims that creators publish.
//!
//! Owns what others may learn: counts, never amounts; and of a patron who gives privately, nothing but the name.

use actix_web::get;
use actix_web::web::{Path, ServiceConfig};
use askama::Template;

use super::{Page, PageError, PageResult, Visit, ok};
use crate::domain::flattr::Standing;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::storage::identities::{Identity, Object};
use crate::storage::{identities, likes, people};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_creator).service(get_claim);
}

/// The name that people read for a platform that is stored by its slug.
pub fn platform_label(slug: &str) -> String {
    slug.parse::<Platform>().map_or_else(|_| slug.to_owned(), |platform| platform.label().to_owned())
}

/// An address for a link on our page. `None` for whatever is not plainly the web: it came from a platform.
pub fn web_link(url: &str) -> Option<String> {
    (url.starts_with("https://") || url.starts_with("http://")).then(|| url.to_owned())
}

/// The path of an account's page here.
pub fn account_path(instance: &Instance, identity: &Identity) -> String {
    let uri = instance.bridged_actor_uri(&identity.platform, &identity.account);
    uri[instance.base_url.len()..].to_owned()
}

/// The path of a post's page here.
pub fn object_path(instance: &Instance, platform: &str, object: &str) -> String {
    instance.object_uri(platform, object)[instance.base_url.len()..].to_owned()
}

/// The title of a post; its id where the platform gives no title.
pub fn title_of(title: &str, platform: &str, object: &str) -> String {
    if title.trim().is_empty() { format!("{} {object}", platform_label(platform)) } else { title.to_owned() }
}

pub struct PostLink {
    pub title: String,
    pub path: String,
    pub platform: String,
    pub flattrs: String,
}

impl PostLink {
    pub fn new(visit: &Visit, object: &Object, flattrs: i64) -> PostLink {
        PostLink {
            title: title_of(&object.title, &object.platform, &object.object),
            path: object_path(&visit.state.instance, &object.platform, &object.object),
            platform: platform_label(&object.platform),
            flattrs: visit.text.flattrs(flattrs),
        }
    }
}

#[derive(Template)]
#[template(path = "patron.html")]
struct PatronPage {
    t: Page,
    name: String,
    handle: String,
    since: String,
    is_public: bool,
    creator: Option<String>,
    posts: Vec<PostLink>,
}

/// The page of a patron, for `/@name` and `/users/{name}`.
pub async fn patron_page(visit: Visit, name: &str) -> PageResult {
    let (name, month) = (name.to_lowercase(), visit.month());
    let found = visit
        .read(move |tx| {
            let Some(patron) = people::patron_by_name(tx, &name)? else { return Ok(None) };
            let creator = people::creator_by_login(tx, patron.login_id)?;
            let mut posts = Vec::new();
            if patron.is_public {
                for (flattr, object) in likes::flattrs_of_month(tx, patron.id, month)? {
                    if flattr.standing()? == Standing::Counting && !object.is_deleted {
                        let count = likes::count_for_object(tx, object.id)?;
                        posts.push((object, count));
                    }
                }
            }
            Ok(Some((patron, creator, posts)))
        })
        .await?;
    let (patron, creator, posts) = found.ok_or_else(PageError::not_found)?;
    let t = visit.text;
    let instance = &visit.state.instance;
    let page = PatronPage {
        t: visit.page(t.patron_title(&patron.name)),
        handle: t.handle_is(format!("@{}@{}", patron.name, instance.host)),
        since: t.patron_since(t.date(Timestamp::from_micros(patron.created_at))),
        is_public: patron.is_public,
        creator: creator.map(|creator| format!("/creators/{}", creator.name)),
        posts: posts.iter().map(|(object, count)| PostLink::new(&visit, object, *count)).collect(),
        name: patron.name,
    };
    ok(&page)
}

struct ClaimedRow {
    handle: String,
    path: String,
    platform: String,
    profile: Option<String>,
    proved: String,
    flattrs: String,
}

#[derive(Template)]
#[template(path = "creator.html")]
struct CreatorPage {
    t: Page,
    name: String,
    accounts: Vec<ClaimedRow>,
    received: String,
}

#[get("/creators/{name}")]
async fn get_creator(visit: Visit, name: Path<String>) -> PageResult {
    let name = name.to_lowercase();
    let found = visit
        .read(move |tx| {
            let Some(creator) = people::creator_by_name(tx, &name)? else { return Ok(None) };
            let mut accounts = Vec::new();
            for claim in identities::claims_of_creator(tx, creator.id)? {
                if claim.state != "verified" {
                    continue;
                }
                if let Some(identity) = identities::identity(tx, claim.identity_id)?.filter(|row| !row.is_refused) {
                    let count = likes::count_for_owner(tx, identity.id)?;
                    accounts.push((identity, claim.verified_at, count));
                }
            }
            Ok(Some((creator, accounts)))
        })
        .await?;
    let (creator, accounts) = found.ok_or_else(PageError::not_found)?;
    let t = visit.text;
    let received = accounts.iter().map(|(_, _, count)| count).sum::<i64>();
    let rows = accounts.into_iter().map(|(identity, verified_at, count)| ClaimedRow {
        path: account_path(&visit.state.instance, &identity),
        platform: platform_label(&identity.platform),
        profile: web_link(&identity.profile_url),
        proved: t.creator_proved_on(t.date(Timestamp::from_micros(verified_at.unwrap_or_default()))),
        flattrs: t.number(count),
        handle: identity.handle,
    });
    let page = CreatorPage {
        t: visit.page(t.creator_title(&creator.name)),
        accounts: rows.collect(),
        received: t.number(received),
        name: creator.name,
    };
    ok(&page)
}

#[derive(Template)]
#[template(path = "claim_public.html")]
struct ClaimPage {
    t: Page,
    said: String,
    profile: Option<String>,
    account: String,
    handle: String,
    creator: String,
    creator_path: String,
    platform: String,
}

/// The page whose address creators put into their profiles: it names who claims what, for whoever follows the link.
#[get("/claim/{token}")]
async fn get_claim(visit: Visit, token: Path<String>) -> PageResult {
    let token = token.into_inner();
    let found = visit
        .read(move |tx| {
            let Some(claim) = identities::claim_by_token(tx, &token)? else { return Ok(None) };
            // A claim that a peer announced has its page there.
            let Some(creator) = claim.creator() else { return Ok(None) };
            let Some(creator) = people::creator(tx, creator)? else { return Ok(None) };
            Ok(identities::identity(tx, claim.identity_id)?.map(|identity| (claim, creator, identity)))
        })
        .await?;
    let (claim, creator, identity) = found.ok_or_else(PageError::not_found)?;
    let t = visit.text;
    let (handle, platform) = (identity.handle.as_str(), platform_label(&identity.platform));
    let said = match claim.state.as_str() {
        "verified" => t.claim_public_verified(&creator.name, handle, &platform),
        "replaced" => t.claim_public_replaced(&creator.name, handle, &platform),
        _ => t.claim_public_pending(&creator.name, handle, &platform),
    };
    let page = ClaimPage {
        t: visit.page(t.claim_public_title(handle, &platform)),
        said,
        profile: web_link(&identity.profile_url),
        account: account_path(&visit.state.instance, &identity),
        creator_path: format!("/creators/{}", creator.name),
        creator: creator.name,
        handle: identity.handle,
        platform,
    };
    ok(&page)
}
