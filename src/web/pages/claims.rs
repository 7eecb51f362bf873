//! Claiming: a creator proves that an account is theirs and sees what waited go to them.
//!
//! Owns that a claim is checked only by who began it, that what waits is shown with its expiry before anything is asked, and
//! that a dispute is shown to both sides and to the operator with what to do about it.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::connections::{self, PlatformOption, live_platforms};
use super::people::{account_path, platform_label, web_link};
use super::text::Text;
use super::{Page, PageError, PageResult, Posted, Visit, html, ok, redirect};
use crate::domain::id::IdentityId;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::flows::claim::{self, ClaimError, Released};
use crate::flows::flattr;
use crate::jobs::{self, Checked};
use crate::storage::claims as stored_claims;
use crate::storage::identities::{self, Claim, Identity};
use crate::storage::months::{self, Waiting};
use crate::storage::settlement::{self, Peer};
use crate::storage::{likes, people};
use crate::web::auth;
use crate::web::auth::limit;
use crate::web::error::WebError;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_claims).service(post_begin).service(post_check).service(get_disputes);
}

struct ClaimRow {
    handle: String,
    platform: String,
    profile: Option<String>,
    /// What is so, and whether there is something to do.
    said: String,
    /// Whether the address has to be put into the profile, or another one out of it.
    is_open: bool,
    /// The other proofs of a dispute: addresses, and what is said of sign-ins.
    others: Vec<String>,
    other_sign_ins: Vec<String>,
    /// Where the person can sign in: slug and name of the platform.
    door: Option<(&'static str, &'static str)>,
    /// Until when the own sign-in counts, where that is not said yet.
    sign_in: Option<String>,
    can_withdraw: bool,
    /// For peers that do not take our word: who, when there are any.
    doubted_by: Option<String>,
    address: String,
    address_label: String,
    address_hint: String,
    waiting: String,
    waiting_amounts: Vec<String>,
    /// Flattrs that may be the claimant's too, where there are any.
    unattributed: Option<String>,
    token: String,
    /// What the last check found, for the claim that was checked.
    outcome: Option<String>,
    is_failed: bool,
}

#[derive(Template)]
#[template(path = "claims.html")]
struct ClaimsPage {
    t: Page,
    rows: Vec<ClaimRow>,
    platforms: Vec<PlatformOption>,
    /// Platforms at which people can sign in.
    doors: Vec<PlatformOption>,
    typed: String,
    error: Option<String>,
}

/// What was just asked for, when it did not lead elsewhere.
pub enum Asked<'a> {
    Begin { platform: &'a str, handle: &'a str, error: Option<String> },
    Check { token: &'a str, outcome: String, is_failed: bool },
}

struct Loaded {
    claim: Claim,
    identity: Identity,
    waiting: (i64, i64),
    amounts: Vec<Waiting>,
    /// Flattrs on the platform for posts whose authors are not known.
    unattributed: i64,
    others: Vec<Claim>,
    /// Hosts of peers that do not take our word for a claim by sign-in.
    doubting: Vec<String>,
}

/// The claims of a creator.
pub async fn claims_page(visit: &Visit, status: StatusCode, asked: Asked<'_>) -> PageResult {
    let login = visit.signed_in()?.login.id;
    let loaded = visit
        .read(move |tx| {
            let mut loaded = Vec::new();
            let Some(creator) = people::creator_by_login(tx, login)? else { return Ok(loaded) };
            let peers = settlement::peers(tx)?;
            for claim in identities::claims_of_creator(tx, creator.id)? {
                let Some(identity) = identities::identity(tx, claim.identity_id)? else { continue };
                let waiting = likes::waiting_for_owner(tx, identity.id)?;
                let amounts = months::waiting_for(tx, identity.id)?;
                let unattributed = likes::waiting_without_owner(tx, &identity.platform)?;
                let mut others = stored_claims::of_identity(tx, identity.id)?;
                others.retain(|other| claim.state == "disputed" && other.state == "disputed" && other.id != claim.id);
                let is_told = claim.method == "sign_in" && claim.state == "verified";
                let doubts = |peer: &&Peer| is_told && peer.state == "added" && !peer.trusts_us_on(&identity.platform);
                let doubting = peers.iter().filter(doubts).map(|peer| peer.host.clone()).collect();
                loaded.push(Loaded { claim, identity, waiting, amounts, unattributed, others, doubting });
            }
            Ok(loaded)
        })
        .await?;
    let rows = loaded.into_iter().rev().map(|loaded| claim_row(visit, loaded, &asked)).collect();
    let (platform, typed, error) = match asked {
        Asked::Begin { platform, handle, error } => (platform, handle.to_owned(), error),
        _ => ("", String::new(), None),
    };
    let page = ClaimsPage {
        t: visit.page(visit.text.claim_title()),
        rows,
        platforms: live_platforms(visit, platform),
        doors: connections::doors(visit),
        typed,
        error,
    };
    html(status, &page)
}

fn claim_row(visit: &Visit, loaded: Loaded, asked: &Asked) -> ClaimRow {
    let t = visit.text;
    let Loaded { claim, identity, waiting: (people, flattrs), amounts, unattributed, others, doubting } = loaded;
    let proved = t.date(Timestamp::from_micros(claim.verified_at.unwrap_or_default()));
    let sign_in = claim.signed_in_at.filter(|_| claim.is_open()).map(Timestamp::from_micros);
    let sign_in = sign_in.map(|at| (t.date(at), t.date(at.plus(claim::SIGN_IN_AGE))));
    let said = match claim.state.as_str() {
        "verified" => match sign_in.as_ref().filter(|_| claim.method == "sign_in") {
            Some((date, end)) => t.claim_sign_in_until(date, end),
            None => t.claim_verified_on(proved),
        },
        "replaced" => t.claim_replaced_text(),
        // Two addresses are told apart by looking at the profile alone.
        "disputed" if others.iter().chain([&claim]).all(|claim| claim.signed_in_at.is_none()) => {
            t.claim_disputed_text()
        }
        "disputed" => t.claim_disputed_sign_in(),
        "lost" if claim.method == "sign_in" => t.claim_sign_in_lost(),
        "lost" => t.claim_lost_text(),
        _ => t.claim_pending_text(),
    };
    let platform = identity.platform.parse::<Platform>().ok();
    let bridge = platform.and_then(|platform| visit.state.bridges.get(platform));
    let fields = bridge.map_or(&[][..], |bridge| bridge.capabilities().backlink_fields);
    let fields: Vec<String> = fields.iter().map(|field| t.profile_field(field)).collect();
    let (outcome, is_failed) = match asked {
        Asked::Check { token, outcome, is_failed } if *token == claim.token => (Some(outcome.clone()), *is_failed),
        _ => (None, false),
    };
    let door = bridge.filter(|bridge| claim.state != "replaced" && bridge.sign_in().is_some());
    let (of_sign_in, by_address): (Vec<&Claim>, Vec<&Claim>) =
        others.iter().partition(|other| other.method == "sign_in");
    ClaimRow {
        door: door.map(|bridge| (bridge.platform().slug(), bridge.platform().label())),
        can_withdraw: sign_in.is_some(),
        sign_in: sign_in
            .filter(|_| claim.method != "sign_in" || claim.state != "verified")
            .map(|(date, end)| t.claim_sign_in_also(date, end)),
        doubted_by: (!doubting.is_empty()).then(|| t.claim_peers_doubt(doubting.join(", "))),
        other_sign_ins: of_sign_in
            .iter()
            .filter_map(|other| other.signed_in_at)
            .map(|at| t.claim_other_signed_in(t.date(Timestamp::from_micros(at))))
            .collect(),
        is_open: matches!(claim.state.as_str(), "pending" | "disputed" | "lost"),
        others: by_address.iter().filter_map(|other| claim::address_of(&visit.state.instance, other)).collect(),
        address: claim::claim_url(&visit.state.instance, &claim.token),
        address_label: t.claim_address_label(t.of(&identity.handle)),
        address_hint: t.claim_address_hint(fields.join(", ")),
        waiting: match people {
            0 => t.claim_nothing_waits(),
            _ => t.claim_waiting(t.people(people), t.flattrs(flattrs)),
        },
        waiting_amounts: waiting_amounts(t, &amounts),
        unattributed: (unattributed > 0)
            .then(|| t.claim_unattributed(t.flattrs(unattributed), platform_label(&identity.platform))),
        platform: platform_label(&identity.platform),
        profile: web_link(&identity.profile_url),
        handle: identity.handle,
        token: claim.token,
        said,
        outcome,
        is_failed,
    }
}

/// What is set aside, with the date at which the first of it goes back.
pub fn waiting_amounts(t: Text, amounts: &[Waiting]) -> Vec<String> {
    amounts.iter().map(|waiting| t.claim_waiting_amount(t.money(waiting.amount), t.date(waiting.expires_at))).collect()
}

#[get("/me/claim")]
async fn get_claims(visit: Visit) -> PageResult {
    let (platform, handle) = (visit.query("platform").unwrap_or_default(), visit.query("handle").unwrap_or_default());
    claims_page(&visit, StatusCode::OK, Asked::Begin { platform: &platform, handle: &handle, error: None }).await
}

#[post("/me/claim")]
async fn post_begin(posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    let (platform, handle) = (posted.field("platform"), posted.field("handle"));
    let wrong = |error| Asked::Begin { platform, handle, error: Some(error) };
    let identity = match connections::look_up(visit, platform, handle).await? {
        Ok((profile, _)) => profile.id,
        Err(error) => return claims_page(visit, StatusCode::BAD_REQUEST, wrong(error)).await,
    };
    // Short enough for a profile's field; 128 bits cannot be guessed.
    let token = hex::encode(auth::random_bytes::<16>());
    let (instance, now) = (visit.state.instance.clone(), visit.now);
    let begun = visit.state.write(move |tx| claim::begin(tx, &instance, login, &identity, &token, now)).await;
    match begun {
        Ok(_) => Ok(redirect("/me/claim?done=claim")),
        Err(ClaimError::Storage(error)) => Err(error.into()),
        Err(ClaimError::Refused(account)) => {
            claims_page(visit, StatusCode::FORBIDDEN, wrong(visit.text.claim_refused(account))).await
        }
        Err(other) => Err(WebError::new(400, other.to_string()).into()),
    }
}

#[post("/me/claim/check")]
async fn post_check(mut posted: Posted) -> PageResult {
    posted.visit.at("/me/claim");
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    let token = posted.field("claim").to_owned();
    let wanted = token.clone();
    let found = visit
        .read(move |tx| {
            let Some(claim) = identities::claim_by_token(tx, &wanted)? else { return Ok(None) };
            let creator = people::creator_by_login(tx, login)?;
            let is_own = claim.creator().is_some() && claim.creator() == creator.map(|creator| creator.id);
            if is_own { identities::identity(tx, claim.identity_id) } else { Ok(None) }
        })
        .await?;
    let identity = found.ok_or_else(PageError::not_found)?;
    let platform = identity.external_id()?.platform();
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        let outcome = visit.text.error_429_text();
        let asked = Asked::Check { token: &token, outcome, is_failed: true };
        return claims_page(visit, StatusCode::TOO_MANY_REQUESTS, asked).await;
    }
    match jobs::check_claim(&visit.state, &token).await {
        Ok(Checked::Verified(released)) => {
            let outcome = released_text(visit, identity.id, &released).await?;
            claims_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome, is_failed: false }).await
        }
        Ok(Checked::Disputed { .. }) => {
            let outcome = visit.text.claim_disputed_now();
            claims_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome, is_failed: true }).await
        }
        Err(error) => {
            let outcome = connections::said(visit.text, platform, &identity.handle, error)?;
            claims_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome, is_failed: true }).await
        }
    }
}

/// What a proof has brought at once, and what it brings when the open months are divided.
pub async fn released_text(visit: &Visit, account: IdentityId, released: &Released) -> Result<String, PageError> {
    let (t, now) = (visit.text, visit.now);
    let (oldest, open, later) = visit
        .read(move |tx| {
            let oldest = flattr::open_since(tx, now)?;
            let open = likes::counting_since(tx, account, oldest)?.len();
            Ok((oldest, open, likes::counting_since(tx, account, oldest.next())?.len()))
        })
        .await?;
    let first = if open > later { oldest } else { oldest.next() };
    let (flattrs, date) = (t.flattrs(i64::try_from(open).unwrap_or(i64::MAX)), t.date(first.freeze()));
    if released.shares == 0 {
        return Ok(if open == 0 { t.claim_done_nothing() } else { t.claim_done_open(flattrs, date) });
    }
    let amounts: Vec<String> = released.amounts.iter().map(|amount| t.money(*amount)).collect();
    let shares = t.shares(i64::try_from(released.shares).unwrap_or(i64::MAX));
    let done = t.claim_done(shares, amounts.join(", "));
    Ok(if open == 0 { done } else { format!("{done} {}", t.claim_done_more(flattrs, date)) })
}

/// An account of which a claim is contested or has lost its proof.
struct DisputeRow {
    account: String,
    platform: String,
    path: String,
    state: String,
    claimed_by: String,
    address: String,
    since: String,
}

#[derive(Template)]
#[template(path = "admin/claims.html")]
struct DisputesPage {
    t: Page,
    rows: Vec<DisputeRow>,
}

#[get("/admin/claims")]
async fn get_disputes(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let troubled = visit.read(stored_claims::troubled).await?;
    let instance = &visit.state.instance;
    let rows = troubled.into_iter().map(|(claim, identity)| DisputeRow {
        path: account_path(instance, &identity),
        platform: platform_label(&identity.platform),
        state: match claim.state.as_str() {
            "disputed" => t.admin_claim_disputed(),
            _ => t.admin_claim_lost(),
        },
        address: match claim.signed_in_at {
            Some(at) if claim.method == "sign_in" => t.admin_claim_signed_in(t.date(Timestamp::from_micros(at))),
            _ => claim::address_of(instance, &claim).unwrap_or_default(),
        },
        since: t.date(Timestamp::from_micros(claim.changed_at)),
        account: identity.handle,
        claimed_by: claim.creator_uri,
    });
    ok(&DisputesPage { t: visit.page(t.admin_claims()), rows: rows.collect() })
}
