//! A creator's money: what is here, what is promised and by whom, and the way out.
//!
//! Owns that the table of bookings adds up to the available balance: it is the journal's own, by month and kind, so that
//! it agrees with the books and names no patron.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::people::platform_label;
use super::text::obligation::Obligation;
use super::{Page, PageError, PageResult, Posted, Visit, html, redirect};
use crate::domain::identity::ExternalId;
use crate::domain::ledger::Account;
use crate::domain::money::{Amount, Currency};
use crate::domain::settlement::host_of;
use crate::domain::time::{Month, Timestamp};
use crate::flows::pay_out::{self, PayOutError};
use crate::jobs;
use crate::storage::bank::{self, Payout};
use crate::storage::ledger::{self, Booking};
use crate::storage::people::{self, Creator};
use crate::storage::settlement::{self, ChannelRow, Statement, StatementLine};
use crate::storage::{self, Tx, identities};
use crate::web::error::WebError;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_revenue).service(post_payout);
}

struct PromisedRow {
    host: String,
    amount: String,
}

struct LineRow {
    month: String,
    /// Since when it waited, for shares that came with a later statement.
    origin: Option<String>,
    host: String,
    account: String,
    flattrs: String,
    sum: String,
    paid: String,
    state: String,
}

struct BookedRow {
    month: String,
    what: String,
    amount: String,
}

struct PayoutRow {
    reference: String,
    requested: String,
    amount: String,
    account: String,
    state: String,
    ended: String,
}

#[derive(Template)]
#[template(path = "revenue.html")]
struct RevenuePage {
    t: Page,
    is_creator: bool,
    available: String,
    on_its_way: Option<String>,
    promised_total: String,
    promised: Vec<PromisedRow>,
    lines: Vec<LineRow>,
    booked: Vec<BookedRow>,
    booked_total: String,
    payouts: Vec<PayoutRow>,
    has_rail: bool,
    minimum: String,
    typed: String,
    error: Option<String>,
}

/// A line of a peer's statement, with the handle of its account where the account is known.
struct Line {
    line: StatementLine,
    statement: Statement,
    channel: ChannelRow,
    handle: Option<String>,
}

/// What the page is made of.
struct Loaded {
    creator: Creator,
    available: Amount,
    on_its_way: Amount,
    promised: Vec<(String, Amount)>,
    lines: Vec<Line>,
    bookings: Vec<Booking>,
    payouts: Vec<Payout>,
}

fn load(tx: &mut Tx, visit: &Visit, creator: Creator) -> Result<Loaded, storage::Error> {
    let instance = &visit.state.instance;
    let currency = instance.policy.currency;
    let (available, on_its_way) = pay_out::balances(tx, instance, creator.id)?;
    let mut promised = Vec::new();
    for (account, balance) in ledger::accounts(tx, &format!("creator:{}:promised:", creator.id))? {
        if let Account::CreatorPromised(_, peer) = account
            && balance.posted().is_positive()
            && balance.currency == currency
        {
            promised.push((peer, balance.posted()));
        }
    }
    let mut lines = Vec::new();
    for (line, statement, channel) in settlement::lines_for_creator(tx, &instance.creator_uri(&creator.name))? {
        let identity = match line.identity.parse::<ExternalId>() {
            Ok(id) => identities::identity_by_external_id(tx, &id)?,
            Err(_) => None,
        };
        lines.push(Line { line, statement, channel, handle: identity.map(|identity| identity.handle) });
    }
    Ok(Loaded {
        available,
        on_its_way,
        promised,
        lines,
        bookings: ledger::bookings(tx, &Account::CreatorAvailable(creator.id), currency)?,
        payouts: bank::payouts_of(tx, creator.id)?,
        creator,
    })
}

async fn revenue_page(visit: &Visit, status: StatusCode, wrong: Option<(&str, String)>) -> PageResult {
    let login = visit.signed_in()?.login.id;
    let visit_too = visit.clone();
    let loaded = visit
        .read(move |tx| match people::creator_by_login(tx, login)? {
            Some(creator) => load(tx, &visit_too, creator).map(Some),
            None => Ok(None),
        })
        .await?;
    let t = visit.text;
    let policy = &visit.state.instance.policy;
    let zero = Amount::zero(policy.currency);
    let (typed, error) = match (wrong, &loaded) {
        (Some((typed, error)), _) => (typed.to_owned(), Some(error)),
        (None, Some(loaded)) => (loaded.creator.bank_account.clone().unwrap_or_default(), None),
        (None, None) => (String::new(), None),
    };
    let mut page = RevenuePage {
        t: visit.page(t.revenue_title()),
        is_creator: false,
        available: t.money(zero),
        on_its_way: None,
        promised_total: t.money(zero),
        promised: Vec::new(),
        lines: Vec::new(),
        booked: Vec::new(),
        booked_total: t.money(zero),
        payouts: Vec::new(),
        has_rail: visit.state.rail.is_some(),
        minimum: t.payout_text(t.money(policy.minimum_payout)),
        typed,
        error,
    };
    if let Some(loaded) = loaded {
        fill(&mut page, visit, &loaded)?;
    }
    html(status, &page)
}

fn fill(page: &mut RevenuePage, visit: &Visit, loaded: &Loaded) -> Result<(), PageError> {
    let t = visit.text;
    let currency = visit.state.instance.policy.currency;
    page.is_creator = true;
    page.available = t.money(loaded.available);
    page.on_its_way = loaded.on_its_way.is_positive().then(|| t.money(loaded.on_its_way));
    page.promised_total = t.money(sum(loaded.promised.iter().map(|(_, amount)| *amount), currency)?);
    for (host, amount) in &loaded.promised {
        page.promised.push(PromisedRow { host: host.clone(), amount: t.money(*amount) });
    }
    for Line { line, statement, channel, handle } in &loaded.lines {
        let currency = channel.currency()?;
        let owed = obligation(statement, channel, (line.units, line.paid_units), visit.now)?;
        let origin = line.origin_month.as_deref().map(str::parse::<Month>).transpose();
        let origin = origin.map_err(|_| storage::Error::corrupt("origin month of line", line.id))?;
        page.lines.push(LineRow {
            month: t.month(statement.month()?),
            origin: origin.map(|month| t.revenue_origin(t.month(month))),
            host: host_of(&channel.debtor_uri).to_owned(),
            account: account_label(&line.identity, handle.as_deref()),
            flattrs: t.number(line.like_count),
            sum: t.money(Amount::from_units(line.units, currency)),
            paid: t.money(Amount::from_units(line.paid_units, currency)),
            state: t.obligation(&owed),
        });
    }
    for ((month, kind), amount) in by_month(&loaded.bookings, currency)?.into_iter().rev() {
        page.booked.push(BookedRow { month: t.month(month), what: t.booking(kind), amount: t.money(amount) });
    }
    page.booked_total = t.money(sum(loaded.bookings.iter().map(|booking| booking.amount), currency)?);
    for payout in &loaded.payouts {
        page.payouts.push(PayoutRow {
            reference: payout.reference.clone(),
            requested: t.date(Timestamp::from_micros(payout.requested_at)),
            amount: t.money(payout.amount()?),
            account: payout.bank_account.clone(),
            state: t.payout(&payout.state),
            ended: payout.ended_at.map_or_else(String::new, |at| t.date(Timestamp::from_micros(at))),
        });
    }
    Ok(())
}

fn sum(amounts: impl Iterator<Item = Amount>, currency: Currency) -> Result<Amount, storage::Error> {
    Amount::sum(amounts, currency).ok_or_else(|| storage::Error::corrupt("sum of a creator's bookings", currency))
}

/// Bookings by the month in which they were made and their kind. A single one could be one patron's share, so they are
/// shown together.
fn by_month(
    bookings: &[Booking],
    currency: Currency,
) -> Result<BTreeMap<(Month, &'static str), Amount>, storage::Error> {
    let mut grouped = BTreeMap::new();
    for booking in bookings {
        let key = (Month::containing(booking.at), booking.kind.as_str());
        let total = grouped.entry(key).or_insert(Amount::zero(currency));
        *total = sum([*total, booking.amount].into_iter(), currency)?;
    }
    Ok(grouped)
}

/// `mira (GitHub)`; `GitHub 1024025`, from `github:1024025`, for an account that is not known here.
fn account_label(identity: &str, handle: Option<&str>) -> String {
    match (identity.parse::<ExternalId>(), handle) {
        (Ok(id), Some(handle)) => format!("{handle} ({})", platform_label(id.platform().slug())),
        (Ok(id), None) => format!("{} {}", platform_label(id.platform().slug()), id.account()),
        (Err(_), _) => identity.to_owned(),
    }
}

/// A statement, or one line of it, as the texts see it.
///
/// - `units`: the sum, and what of it is paid.
pub fn obligation(
    statement: &Statement,
    channel: &ChannelRow,
    units: (i64, i64),
    now: Timestamp,
) -> Result<Obligation, storage::Error> {
    let currency = channel.currency()?;
    let (sum, paid) = units;
    Ok(Obligation {
        state: statement.state()?,
        sum: Amount::from_units(sum, currency),
        paid: Amount::from_units(paid, currency),
        // Less than a cent cannot be paid, and less than the terms ask for need not be.
        is_rest_small: statement.open_units() < channel.minimum_units.max(currency.units_per_minor()),
        due_at: Timestamp::from_micros(statement.due_at),
        now,
    })
}

#[get("/me/revenue")]
async fn get_revenue(visit: Visit) -> PageResult {
    revenue_page(&visit, StatusCode::OK, None).await
}

/// Whether a text can be an account on a rail: the bank has the last word.
fn is_account(text: &str) -> bool {
    (4..=64).contains(&text.chars().count())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '.' | '_' | ':'))
}

#[post("/me/revenue/payout")]
async fn post_payout(mut posted: Posted) -> PageResult {
    posted.visit.at("/me/revenue");
    let visit = &posted.visit;
    let t = visit.text;
    let login = visit.signed_in()?.login.id;
    let typed = posted.field("account");
    let Some(rail) = visit.state.rail.as_ref().map(|rail| rail.name()) else {
        return revenue_page(visit, StatusCode::CONFLICT, Some((typed, t.payout_no_rail()))).await;
    };
    if !is_account(typed) {
        return revenue_page(visit, StatusCode::BAD_REQUEST, Some((typed, t.payout_account_bad()))).await;
    }
    if let Some(creator) = visit.read(move |tx| people::creator_by_login(tx, login)).await? {
        jobs::check_before_payout(&visit.state, &creator.name).await?;
    }
    let (instance, account, now) = (visit.state.instance.clone(), typed.to_owned(), visit.now);
    let requested = visit
        .state
        .write(move |tx| {
            let creator =
                people::creator_by_login(tx, login)?.ok_or_else(|| PayOutError::NoSuchCreator(login.to_string()))?;
            people::set_bank_account(tx, creator.id, &account)?;
            pay_out::request(tx, &instance, &creator.name, rail, now)
        })
        .await;
    match requested {
        Ok(_) => Ok(redirect("/me/revenue?done=payout")),
        Err(PayOutError::Storage(error)) => Err(error.into()),
        Err(PayOutError::BelowMinimum { available, minimum }) => {
            let error = t.payout_below(t.money(available), t.money(minimum));
            revenue_page(visit, StatusCode::CONFLICT, Some((typed, error))).await
        }
        Err(PayOutError::Unproved(unproved)) => {
            let account = &unproved.account;
            let error = match unproved.state.as_str() {
                "verified" => t.payout_unproved_age(account),
                "disputed" => t.payout_unproved_disputed(account),
                _ => t.payout_unproved_lost(account),
            };
            revenue_page(visit, StatusCode::CONFLICT, Some((typed, error))).await
        }
        Err(PayOutError::NoSuchCreator(_)) => Err(PageError::new(403, t.revenue_no_creator())),
        Err(other) => {
            tracing::error!("a payout was refused: {other}");
            Err(WebError::new(500, "the payout could not be requested").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_its_handle_where_it_is_known() {
        assert_eq!(account_label("github:9007199254740997", Some("oskar")), "oskar (GitHub)");
        assert_eq!(account_label("github:9007199254740997", None), "GitHub 9007199254740997");
        assert_eq!(account_label("something else", None), "something else");
    }
}
