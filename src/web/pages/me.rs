//! A patron's month: what there is, what is given, to whom, and what it would be worth now.
//!
//! Owns that what is shown is what the close would do: amounts come from the flow's own preview, never from a sum here.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::people::{account_path, object_path, platform_label, title_of};
use super::text::{AmountError, Text, read_amount};
use super::{Page, PageError, PageResult, Posted, Visit, bridged, html, redirect};
use crate::domain::flattr::Standing;
use crate::domain::id::{IdentityId, ObjectId};
use crate::domain::ledger::Account;
use crate::domain::money::{Amount, MoneyError};
use crate::domain::settlement::host_of;
use crate::domain::time::{Month, Timestamp};
use crate::flows::fund::{self, FundError};
use crate::flows::register::RegisterError;
use crate::flows::{close_month, flattr};
use crate::storage::identities::{Identity, Object};
use crate::storage::likes::{self, Flattr};
use crate::storage::months::{self, ShareDetail};
use crate::storage::people::Patron;
use crate::storage::{self, Tx, identities, ledger};
use crate::web::error::WebError;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_me).service(post_budget).service(post_strike);
}

struct FlattrRow {
    title: String,
    path: String,
    platform: String,
    source: String,
    standing: String,
    is_counting: bool,
    /// Why its share would wait.
    waits: Option<String>,
    worth: Option<String>,
    object_id: String,
    strike_label: String,
}

struct HeldRow {
    title: String,
    path: String,
    platform: String,
    amount: String,
    reason: String,
    returns: String,
    /// To the page with words for the creator, where there is one to tell.
    tell: Option<(String, String)>,
}

/// A month that is cut off and not frozen: what is in it can still be struck out.
struct Grace {
    title: String,
    text: String,
    rows: Vec<FlattrRow>,
}

#[derive(Template)]
#[template(path = "me.html")]
struct MePage {
    t: Page,
    balance: String,
    budget: String,
    days_left: String,
    until: String,
    so_far: String,
    each: String,
    low: Option<String>,
    /// What waits for a yes.
    suggested: Option<String>,
    flattrs_title: String,
    rows: Vec<FlattrRow>,
    grace: Option<Grace>,
    held: Vec<HeldRow>,
    reference: String,
    account: Option<String>,
    currency: String,
    typed: String,
    budget_error: Option<String>,
    effect: String,
    minimum: String,
}

/// What the page is made of, as it was read in one snapshot.
struct Loaded {
    balance: Amount,
    flattrs: Vec<Loved>,
    grace: Option<(Month, Vec<Loved>)>,
    held: Vec<(ShareDetail, Waits, Option<Identity>)>,
    suggested: i64,
}

/// A flattr of an open month.
struct Loved {
    flattr: Flattr,
    object: Object,
    worth: Option<Amount>,
    is_unclaimed: bool,
}

/// Why a share waits.
pub enum Waits {
    Unclaimed,
    NoAuthor,
    NoTerms(String),
}

impl Waits {
    /// - `owner`: of the post.
    pub fn of(tx: &mut Tx, owner: Option<IdentityId>) -> Result<Waits, storage::Error> {
        let Some(owner) = owner else { return Ok(Waits::NoAuthor) };
        Ok(match identities::verified_claim(tx, owner)? {
            Some(claim) if claim.creator().is_none() => Waits::NoTerms(host_of(&claim.home_uri).to_owned()),
            _ => Waits::Unclaimed,
        })
    }

    pub fn said(&self, text: Text) -> String {
        match self {
            Waits::Unclaimed => text.held_unclaimed(),
            Waits::NoAuthor => text.held_no_author(),
            Waits::NoTerms(host) => text.held_no_terms(host),
        }
    }
}

fn load(tx: &mut Tx, visit: &Visit, patron: &Patron) -> Result<Loaded, storage::Error> {
    let month = visit.month();
    let previous = month.previous();
    let open_since = flattr::open_since(tx, visit.now)?;
    let is_reserved = months::budget(tx, previous, patron.id)?.is_some();
    let grace = match open_since == previous && is_reserved {
        true => Some((previous, loved(tx, visit, patron, previous)?)),
        false => None,
    };
    let mut held = Vec::new();
    for detail in months::held_of_patron(tx, patron.id)? {
        let owner = detail.share.identity_id.map(IdentityId);
        let waits = Waits::of(tx, owner)?;
        let creator = match owner {
            Some(owner) if matches!(waits, Waits::Unclaimed) => identities::identity(tx, owner)?,
            _ => None,
        };
        held.push((detail, waits, creator));
    }
    let balance = ledger::balance(tx, &Account::PatronAvailable(patron.id), patron.currency()?)?.free();
    let suggested = likes::count_suggested(tx, patron.id)?;
    Ok(Loaded { balance, flattrs: loved(tx, visit, patron, month)?, grace, held, suggested })
}

/// The flattrs of a month with what each would receive if it were divided now.
fn loved(tx: &mut Tx, visit: &Visit, patron: &Patron, month: Month) -> Result<Vec<Loved>, storage::Error> {
    let worth: HashMap<_, _> = close_month::preview(tx, &visit.state.instance, patron, month)?
        .into_iter()
        .map(|(flattr, amount)| (flattr.id, amount))
        .collect();
    let mut claimed: HashMap<IdentityId, bool> = HashMap::new();
    let mut all = Vec::new();
    for (flattr, object) in likes::flattrs_of_month(tx, patron.id, month)? {
        let is_claimed = match flattr.owner() {
            None => false,
            Some(owner) => match claimed.get(&owner) {
                Some(known) => *known,
                None => {
                    let found = identities::verified_claim(tx, owner)?.is_some();
                    claimed.insert(owner, found);
                    found
                }
            },
        };
        all.push(Loved { worth: worth.get(&flattr.id).copied(), flattr, object, is_unclaimed: !is_claimed });
    }
    Ok(all)
}

/// Renders the dashboard, possibly with what was wrong in the budget form.
async fn me_page(visit: &Visit, status: StatusCode, wrong_budget: Option<(&str, String)>) -> PageResult {
    let patron = visit.patron()?.clone();
    let (visit_too, patron_too) = (visit.clone(), patron.clone());
    let loaded = visit.read(move |tx| load(tx, &visit_too, &patron_too)).await?;
    let t = visit.text;
    let (budget, month) = (patron.budget()?, visit.month());
    let counting: Vec<Amount> = loaded.flattrs.iter().filter_map(|loved| loved.worth).collect();
    // Shares differ by a unit at most: the largest is said to be about each.
    let each = counting.iter().copied().max_by_key(|amount| amount.units()).filter(|amount| amount.is_positive());
    let each = match (each, counting.is_empty()) {
        (_, true) => String::new(),
        (Some(amount), false) => t.me_about_each(t.money(shown_about(amount))),
        (None, false) => t.me_nothing_to_divide(),
    };
    let day_micros = 24 * 3_600 * 1_000_000_i64;
    let days_left = (month.cut_off().micros() - visit.now.micros() + day_micros - 1) / day_micros;
    let is_low = loaded.balance.units() < budget.units();
    let (typed, budget_error) = match wrong_budget {
        Some((typed, error)) => (typed.to_owned(), Some(error)),
        None => (t.typed(budget), None),
    };
    let so_far = i64::try_from(counting.len()).unwrap_or(i64::MAX);
    let row = |loved: Loved| flattr_row(visit, loved);
    let page = MePage {
        t: visit.page(t.me_title()),
        balance: t.money(loaded.balance),
        budget: t.money(budget),
        days_left: t.days_left(days_left),
        until: t.me_until(t.date(month.cut_off())),
        so_far: t.flattrs(so_far),
        each,
        low: is_low.then(|| t.me_low_balance(t.money(loaded.balance), t.money(budget))),
        suggested: (loaded.suggested > 0).then(|| t.me_confirm(loaded.suggested)),
        flattrs_title: t.me_flattrs_title(t.of_month(month)),
        rows: loaded.flattrs.into_iter().map(row).collect(),
        grace: loaded.grace.map(|(month, flattrs)| Grace {
            title: t.me_previous_title(t.month(month)),
            text: t.me_previous_text(t.moment(month.freeze())),
            rows: flattrs.into_iter().map(row).collect(),
        }),
        held: loaded
            .held
            .iter()
            .map(|(detail, waits, creator)| held_row(visit, detail, waits, creator.as_ref()))
            .collect::<Result<_, _>>()?,
        reference: patron.deposit_reference.clone(),
        account: visit.state.rail.as_ref().map(|rail| rail.account().to_owned()),
        currency: patron.currency.clone(),
        typed,
        budget_error,
        effect: t.budget_effect(t.month(month), t.date(month.cut_off())),
        minimum: t.budget_minimum(t.money(visit.state.instance.policy.minimum_budget)),
    };
    html(status, &page)
}

/// A share to the cent where it has cents: "about" needs no more. Less than a cent stays exact.
fn shown_about(amount: Amount) -> Amount {
    let cents = amount.floor_to_cent();
    if cents.is_positive() { cents } else { amount }
}

fn flattr_row(visit: &Visit, loved: Loved) -> FlattrRow {
    let t = visit.text;
    let Loved { flattr, object, worth, is_unclaimed } = loved;
    let title = title_of(&object.title, &object.platform, &object.object);
    FlattrRow {
        path: object_path(&visit.state.instance, &object.platform, &object.object),
        platform: platform_label(&object.platform),
        source: t.source(&flattr.source),
        standing: t.standing(&flattr.standing),
        is_counting: flattr.standing == Standing::Counting.as_str(),
        waits: match (is_unclaimed, object.owner_id) {
            (true, None) => Some(t.held_no_author()),
            (true, Some(_)) => Some(t.held_unclaimed()),
            (false, _) => None,
        },
        worth: worth.map(|amount| t.money(amount)),
        object_id: object.id.to_string(),
        strike_label: t.me_strike_of(&title),
        title,
    }
}

fn held_row(
    visit: &Visit,
    detail: &ShareDetail,
    waits: &Waits,
    creator: Option<&Identity>,
) -> Result<HeldRow, storage::Error> {
    let t = visit.text;
    let title = title_of(&detail.title, &detail.platform, &detail.object);
    Ok(HeldRow {
        tell: creator
            .map(|creator| (format!("{}#tell", account_path(&visit.state.instance, creator)), t.held_tell_of(&title))),
        title,
        path: object_path(&visit.state.instance, &detail.platform, &detail.object),
        platform: platform_label(&detail.platform),
        amount: t.money(detail.share.amount()?),
        reason: waits.said(t),
        returns: t.date(Timestamp::from_micros(detail.share.expires_at)),
    })
}

#[get("/me")]
async fn get_me(visit: Visit) -> PageResult {
    if visit.signed_in()?.patron.is_none() && visit.operator().is_ok() {
        return Ok(redirect("/admin"));
    }
    me_page(&visit, StatusCode::OK, None).await
}

/// What is wrong with an amount that was typed, in the reader's language.
pub fn amount_error(text: Text, error: &AmountError) -> String {
    let example = |units| text.typed(Amount::from_units(units, crate::domain::money::Currency::EUR));
    match error {
        AmountError::Separator(_) => text.amount_separator(example(1_234_500_000)),
        AmountError::Money(MoneyError::TooPrecise(_)) => text.amount_too_precise(),
        AmountError::Money(MoneyError::OutOfRange(_)) => text.amount_out_of_range(),
        AmountError::Money(MoneyError::NotPositive(_)) => text.amount_not_positive(),
        AmountError::Money(MoneyError::NotANumber(_) | MoneyError::NotACurrency(_)) => {
            text.amount_not_a_number(example(12_500_000))
        }
    }
}

#[post("/me/budget")]
async fn post_budget(mut posted: Posted) -> PageResult {
    posted.visit.at("/me");
    let visit = &posted.visit;
    let patron = visit.patron()?;
    let typed = posted.field("budget");
    let t = visit.text;
    let budget = match read_amount(typed, t.0, patron.currency()?) {
        Ok(budget) => budget,
        Err(error) => {
            return me_page(visit, StatusCode::BAD_REQUEST, Some((typed, amount_error(t, &error)))).await;
        }
    };
    let (instance, name) = (visit.state.instance.clone(), patron.name.clone());
    let saved = visit.state.write(move |tx| fund::set_budget(tx, &instance, &name, budget)).await;
    match saved {
        Ok(_) => Ok(redirect("/me?done=budget")),
        Err(FundError::Storage(error)) => Err(error.into()),
        Err(FundError::Budget(RegisterError::BelowMinimum { asked, minimum })) => {
            let error = t.budget_below(t.money(asked), t.money(minimum));
            me_page(visit, StatusCode::BAD_REQUEST, Some((typed, error))).await
        }
        Err(other) => Err(WebError::new(400, other.to_string()).into()),
    }
}

/// Strikes a flattr out. The patron is always the one who is signed in, so nobody reaches another's.
#[post("/me/strike")]
async fn post_strike(posted: Posted) -> PageResult {
    let patron = posted.visit.patron()?.id;
    let object = posted.field("object").parse::<i64>().map(ObjectId).map_err(|_| PageError::not_found())?;
    let now = posted.visit.now;
    let struck = posted.visit.state.write(move |tx| flattr::strike_out(tx, patron, object, now)).await;
    struck.map_err(bridged::flattr_error)?;
    Ok(redirect("/me?done=strike"))
}
