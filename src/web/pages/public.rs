//! The front door: what this instance is, what it promises, and its stylesheet.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, get};
use askama::Template;
use aws_lc_rs::digest;

use super::creators::{self, CreatorRow};
use super::people::PostLink;
use super::{Page, PageResult, Visit, ok};
use crate::domain::flattr::Standing;
use crate::domain::time::Month;
use crate::jobs::health::{self, State};
use crate::storage::identities::Object;
use crate::storage::{self, Tx, identities, likes, months, people, settlement};

/// Creators and posts on the front door, and flattrs among which the posts are looked for.
const CREATORS: i64 = 8;
const POSTS: usize = 8;
const LATELY: i64 = 100;

const STYLE: &str = include_str!("../templates/style.css");

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_style).service(get_home).service(get_about);
}

/// The one stylesheet. A changed one is seen within the hour, an unchanged one is not sent again.
#[get("/style.css")]
async fn get_style(request: HttpRequest) -> HttpResponse {
    let tag = format!("\"{}\"", &hex::encode(digest::digest(&digest::SHA256, STYLE.as_bytes()))[..16]);
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known == Some(tag.as_str()) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header(("cache-control", "public, max-age=3600")).insert_header(("etag", tag.as_str()));
    if known == Some(tag.as_str()) {
        return response.finish();
    }
    response.content_type("text/css; charset=utf-8").body(STYLE)
}

struct Badge {
    label: &'static str,
    is_on: bool,
    state: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    t: Page,
    description: String,
    badges: Vec<Badge>,
    month: String,
    flattrs: String,
    patrons: String,
    claimed: String,
    creators: Vec<CreatorRow>,
    lately: Vec<PostLink>,
    /// The last month that was divided: its name, its commitment's address.
    last: Option<(String, String)>,
}

/// The posts that were flattred last in this month and the one before, each once, with its count.
fn lately(tx: &mut Tx, month: Month) -> Result<Vec<(Object, i64)>, storage::Error> {
    let mut posts: Vec<(Object, i64)> = Vec::new();
    for object in likes::newest_public(tx, month.previous(), LATELY)? {
        if posts.len() < POSTS && posts.iter().all(|(known, _)| known.id != object.id) {
            let count = likes::count_for_object(tx, object.id)?;
            posts.push((object, count));
        }
    }
    Ok(posts)
}

#[get("/")]
async fn get_home(visit: Visit) -> PageResult {
    let month = visit.month();
    let (flattrs, patrons, claimed, last, creators, lately) = visit
        .read(move |tx| {
            let counting = likes::count_by_standing(tx, month)?
                .into_iter()
                .find(|(standing, _)| standing == Standing::Counting.as_str());
            let closed = months::months(tx)?.into_iter().rev().find(|row| row.commitment_digest.is_some());
            let closed = closed.map(|row| row.month()).transpose()?;
            let flattrs = counting.map_or(0, |(_, count)| count);
            let (patrons, claimed) = (people::count_patrons(tx)?, identities::count_claimed_here(tx)?);
            Ok((flattrs, patrons, claimed, closed, creators::listed(tx, "", CREATORS)?, lately(tx, month)?))
        })
        .await?;
    let t = visit.text;
    let badges = health::states(&visit.state).await?.into_iter().map(|(platform, state)| Badge {
        label: platform.label(),
        is_on: matches!(state, State::Ok | State::Waiting),
        state: t.bridge_state(state),
    });
    let page = Home {
        t: visit.page(t.home_title()),
        description: visit.state.config.instance.description.clone(),
        badges: badges.collect(),
        month: t.month(month),
        flattrs: t.number(flattrs),
        patrons: t.number(patrons),
        claimed: t.number(claimed),
        creators: creators.into_iter().map(|row| CreatorRow::new(&visit, row)).collect(),
        lately: lately.iter().map(|(object, count)| PostLink::new(&visit, object, *count)).collect(),
        last: last.map(|month| (t.month(month), format!("/commitments/{month}"))),
    };
    ok(&page)
}

struct PeerRow {
    host: String,
    uri: String,
    terms: String,
}

#[derive(Template)]
#[template(path = "about.html")]
struct About {
    t: Page,
    description: String,
    contact: Option<String>,
    patron_fee: String,
    creator_fee: String,
    minimum_budget: String,
    minimum_payout: String,
    unclaimed: String,
    peers: Vec<PeerRow>,
}

#[get("/about")]
async fn get_about(visit: Visit) -> PageResult {
    let t = visit.text;
    let (peers, channels) = visit.read(|tx| Ok((settlement::peers(tx)?, settlement::channels(tx)?))).await?;
    let peers = peers
        .into_iter()
        .filter(|peer| peer.state == "added")
        .map(|peer| {
            // What we owe them is what a patron here would want to know.
            let channel = channels.iter().find(|channel| channel.peer_id == peer.id && channel.is_debtor);
            let terms = match channel {
                Some(channel) if channel.frozen_because.is_some() => t.terms_frozen(),
                Some(channel) if channel.is_open() => t.terms_open(),
                Some(channel) if channel.terms == "offered" => t.terms_offered(),
                _ => t.terms_none(),
            };
            PeerRow { host: peer.host, uri: peer.uri, terms }
        })
        .collect();
    let policy = &visit.state.instance.policy;
    let config = &visit.state.config.instance;
    let page = About {
        t: visit.page(t.about_title(&config.name)),
        description: config.description.clone(),
        contact: config.contact_email.as_ref().map(ToString::to_string),
        patron_fee: t.about_patron_fee(t.percent(policy.patron_fee_basis_points)),
        creator_fee: t.about_creator_fee(t.percent(policy.creator_fee_basis_points)),
        minimum_budget: t.about_minimum_budget(t.money(policy.minimum_budget)),
        minimum_payout: t.about_minimum_payout(t.money(policy.minimum_payout)),
        unclaimed: t.about_unclaimed_text(t.months_count(i64::from(policy.unclaimed_expiry_months))),
        peers,
    };
    ok(&page)
}
