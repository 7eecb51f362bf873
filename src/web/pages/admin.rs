//! The operator's pages: is it running, is the money right, and who waits for what.
//!
//! Owns that every page here asks for an operator first. They read only: what an operator changes goes by the command line,
//! but for what [`super::admin_bridges`] has buttons for.

use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::people::platform_label;
use super::revenue::obligation;
use super::{Page, PageResult, Posted, Visit, ok};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::settlement::host_of;
use crate::domain::time::Timestamp;
use crate::flows::audit;
use crate::jobs::{self, health};
use crate::storage::people as stored_people;
use crate::storage::{self, Tx, connections, evidence, inbox, ledger, likes, months, outbox, settlement};

/// Rows of a list of the newest.
const NEWEST: i64 = 100;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(get_overview)
        .service(get_months)
        .service(get_peers)
        .service(get_settlements)
        .service(get_deliveries)
        .service(get_journal)
        .service(post_verify)
        .service(get_connections);
}

/// A row of two or more cells whose words are made here.
type Cells = Vec<String>;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    t: Page,
    is_at_rest: bool,
    backlog: Vec<(String, String)>,
    inbox: Vec<(String, String)>,
    outbox: Vec<(String, String)>,
    standings: Vec<(String, String)>,
    bridges: Vec<(String, String)>,
    rail: Option<String>,
    next_close: String,
    clock: String,
    database: String,
    suspense: Vec<String>,
    evidence: Vec<Cells>,
}

#[get("/admin")]
async fn get_overview(visit: Visit) -> PageResult {
    visit.operator()?;
    let backlog = jobs::backlog(&visit.state).await?;
    let month = visit.month();
    let (received, sent, standings, rows, suspense, evidence) = visit
        .read(move |tx| {
            Ok((
                inbox::count_by_state(tx)?,
                outbox::count_by_state(tx)?,
                likes::count_by_standing(tx, month)?,
                months::months(tx)?,
                ledger::accounts(tx, &Account::SuspenseUnmatched.to_string())?,
                evidence::evidence(tx)?,
            ))
        })
        .await?;
    let t = visit.text;
    let counted = |rows: Vec<(String, i64)>| -> Vec<(String, String)> {
        rows.into_iter().map(|(state, count)| (t.queue_state(&state), t.number(count))).collect()
    };
    let next_close = match rows.iter().find(|row| row.stage != "closed") {
        Some(closing) => t.admin_closing(t.month(closing.month()?), t.stage(&closing.stage)),
        None => {
            // The close goes month by month, also when the instance slept through some.
            let next = rows.last().map(|row| row.month()).transpose()?.map_or(month, |last| last.next().min(month));
            t.admin_next_close_text(t.month(next), t.date(next.cut_off()), t.date(next.freeze()))
        }
    };
    let yes = |is: bool| if is { t.yes() } else { t.no() };
    let page = OverviewPage {
        t: visit.page(t.admin_title()),
        is_at_rest: backlog.is_empty(),
        backlog: vec![
            (t.admin_backlog_inbox(), t.number(backlog.inbox)),
            (t.admin_backlog_events(), t.number(backlog.events)),
            (t.admin_backlog_deliveries(), t.number(backlog.deliveries)),
            (t.admin_backlog_platforms(), t.number(backlog.platforms)),
            (t.admin_backlog_channels(), t.number(backlog.channels)),
            (t.admin_backlog_rails(), t.number(backlog.rails)),
            (t.admin_backlog_calendar(), yes(backlog.calendar)),
        ],
        inbox: counted(received),
        outbox: counted(sent),
        standings: standings.into_iter().map(|(code, count)| (t.standing(&code), t.number(count))).collect(),
        bridges: health::states(&visit.state)
            .await?
            .into_iter()
            .map(|(platform, state)| (platform.label().to_owned(), t.bridge_state(state)))
            .collect(),
        rail: visit.state.rail.as_ref().map(|rail| format!("{} ({})", rail.name(), rail.account())),
        next_close,
        clock: t.admin_clock(t.moment(visit.now)),
        database: t.admin_database(visit.state.db.backend()),
        suspense: suspense
            .iter()
            .filter(|(_, balance)| balance.posted().is_positive())
            .map(|(_, balance)| t.admin_suspense_text(t.money(balance.posted())))
            .collect(),
        evidence: evidence
            .into_iter()
            .map(|(kind, subject, at)| vec![t.evidence(&kind), subject, t.moment(Timestamp::from_micros(at))])
            .collect(),
    };
    ok(&page)
}

struct MonthRow {
    month: String,
    /// Names of the tables, each with its month: a page has several of each.
    reserved_title: String,
    shares_title: String,
    stage: String,
    /// One for each currency: patrons, reserved, fees.
    budgets: Vec<Cells>,
    /// Outcome, shares, amount.
    outcomes: Vec<Cells>,
    commitment: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/months.html")]
struct MonthsPage {
    t: Page,
    rows: Vec<MonthRow>,
}

fn amount(units: i64, currency: &str) -> Result<Amount, storage::Error> {
    Ok(Amount::from_units(units, currency.parse().map_err(|_| storage::Error::corrupt("currency", currency))?))
}

#[get("/admin/months")]
async fn get_months(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let rows = visit
        .read(move |tx| {
            let mut rows = Vec::new();
            for row in months::months(tx)?.into_iter().rev() {
                let month = row.month()?;
                let mut budgets = Vec::new();
                for (patrons, currency, reserved, fees) in months::budget_totals(tx, month)? {
                    let (reserved, fees) = (amount(reserved, &currency)?, amount(fees, &currency)?);
                    budgets.push(vec![t.patrons(patrons), t.money(reserved), t.money(fees)]);
                }
                let mut outcomes = Vec::new();
                for (outcome, count, currency, units) in months::outcome_totals(tx, month)? {
                    let total = t.money(amount(units, &currency)?);
                    outcomes.push(vec![t.outcome_word(&outcome), t.number(count), total]);
                }
                rows.push(MonthRow {
                    month: t.month(month),
                    reserved_title: t.admin_in_month(t.admin_reserved(), t.month(month)),
                    shares_title: t.admin_in_month(t.admin_shares(), t.month(month)),
                    stage: t.stage(&row.stage),
                    budgets,
                    outcomes,
                    commitment: row.commitment_digest.map(|_| format!("/commitments/{month}")),
                });
            }
            Ok(rows)
        })
        .await?;
    ok(&MonthsPage { t: visit.page(t.admin_months()), rows })
}

#[derive(Template)]
#[template(path = "admin/peers.html")]
struct PeersPage {
    t: Page,
    peers: Vec<Cells>,
    channels: Vec<Cells>,
}

/// What stands open in one direction with a peer.
fn exposure(tx: &mut Tx, channel: &settlement::ChannelRow) -> Result<Amount, storage::Error> {
    let account = match channel.is_debtor {
        true => Account::DueTo(host_of(&channel.creditor_uri).to_owned()),
        false => Account::DueFrom(host_of(&channel.debtor_uri).to_owned()),
    };
    Ok(ledger::balance(tx, &account, channel.currency()?)?.posted())
}

#[get("/admin/peers")]
async fn get_peers(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let (peers, channels) = visit
        .read(move |tx| {
            let peers = settlement::peers(tx)?;
            let mut channels = Vec::new();
            for channel in settlement::channels(tx)? {
                let open = exposure(tx, &channel)?;
                channels.push((channel, open));
            }
            Ok((peers, channels))
        })
        .await?;
    let since = |micros: i64| t.date(Timestamp::from_micros(micros));
    let page = PeersPage {
        t: visit.page(t.admin_peers()),
        peers: peers
            .into_iter()
            .map(|peer| {
                let state = t.peer_state(&peer.state);
                vec![peer.host, state, since(peer.created_at), peer.trusted_claims, peer.trusts_claims]
            })
            .collect(),
        channels: channels
            .into_iter()
            .map(|(channel, open)| {
                let other = if channel.is_debtor { &channel.creditor_uri } else { &channel.debtor_uri };
                let terms = match &channel.frozen_because {
                    Some(reason) => t.admin_frozen(reason),
                    None if channel.terms == "open" => t.terms_open(),
                    None if channel.terms == "offered" => t.terms_offered(),
                    None => t.terms_none(),
                };
                let direction = if channel.is_debtor { t.admin_we_owe() } else { t.admin_they_owe() };
                vec![host_of(other).to_owned(), direction, channel.currency.clone(), terms, t.money(open)]
            })
            .collect(),
    };
    ok(&page)
}

#[derive(Template)]
#[template(path = "admin/settlements.html")]
struct SettlementsPage {
    t: Page,
    rows: Vec<Cells>,
}

#[get("/admin/settlements")]
async fn get_settlements(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let statements = visit.read(settlement::statements).await?;
    let mut rows = Vec::new();
    for (statement, channel) in statements {
        let currency = channel.currency()?;
        let money = |units| t.money(Amount::from_units(units, currency));
        let other = if channel.is_debtor { &channel.creditor_uri } else { &channel.debtor_uri };
        rows.push(vec![
            t.month(statement.month()?),
            host_of(other).to_owned(),
            if channel.is_debtor { t.admin_we_owe() } else { t.admin_they_owe() },
            t.obligation(&obligation(&statement, &channel, (statement.units, statement.paid_units), visit.now)?),
            t.number(statement.creator_count),
            t.number(statement.like_count),
            money(statement.units),
            money(statement.paid_units),
            t.date(Timestamp::from_micros(statement.due_at)),
        ]);
    }
    ok(&SettlementsPage { t: visit.page(t.admin_settlements()), rows })
}

#[derive(Template)]
#[template(path = "admin/deliveries.html")]
struct DeliveriesPage {
    t: Page,
    hint: String,
    rows: Vec<Cells>,
}

#[get("/admin/deliveries")]
async fn get_deliveries(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let newest = visit.read(|tx| outbox::newest(tx, NEWEST)).await?;
    let rows = newest.into_iter().map(|(delivery, outgoing)| {
        let is_waiting = delivery.state == "waiting";
        let status = delivery.last_status.map_or(String::new(), |status| status.to_string());
        let answer = [status, delivery.last_error.unwrap_or_default()].join(" ");
        vec![
            t.moment(Timestamp::from_micros(delivery.first_at)),
            outgoing.activity_type,
            delivery.host,
            t.queue_state(&delivery.state),
            t.number(delivery.attempts),
            answer.trim().to_owned(),
            if is_waiting { t.moment(Timestamp::from_micros(delivery.next_at)) } else { String::new() },
        ]
    });
    let page = DeliveriesPage {
        t: visit.page(t.admin_deliveries()),
        hint: t.admin_deliveries_hint(t.number(NEWEST)),
        rows: rows.collect(),
    };
    ok(&page)
}

#[derive(Template)]
#[template(path = "admin/journal.html")]
struct JournalPage {
    t: Page,
    head: String,
    verified: Option<String>,
    problems: Vec<String>,
    rows: Vec<Cells>,
}

async fn journal_page(visit: &Visit, report: Option<audit::Report>) -> PageResult {
    let t = visit.text;
    let (head, entries) = visit
        .read(|tx| {
            let head = ledger::head(tx)?;
            let entries = ledger::journal(tx, head.sequence - NEWEST, NEWEST)?;
            Ok((head, entries))
        })
        .await?;
    let rows = entries.into_iter().rev().map(|stored| {
        vec![
            t.number(stored.sequence),
            t.moment(stored.entry.at),
            t.booking(stored.entry.kind.as_str()),
            stored.entry.id,
            t.number(i64::try_from(stored.entry.transfers.len()).unwrap_or(i64::MAX)),
        ]
    });
    let count = |number: usize| t.number(i64::try_from(number).unwrap_or(i64::MAX));
    let verified = report.as_ref().filter(|report| report.holds());
    let verified = verified
        .map(|report| t.admin_verified(t.number(report.entries), count(report.transfers), count(report.accounts)));
    let page = JournalPage {
        t: visit.page(t.admin_journal()),
        head: t.admin_head_text(t.number(head.sequence), hex::encode(head.hash)),
        verified,
        problems: report.map(|report| report.problems).unwrap_or_default(),
        rows: rows.collect(),
    };
    ok(&page)
}

#[get("/admin/journal")]
async fn get_journal(visit: Visit) -> PageResult {
    visit.operator()?;
    journal_page(&visit, None).await
}

/// Proves the books again. A form, since it is work: a link could be followed by a robot.
#[post("/admin/journal/verify")]
async fn post_verify(mut posted: Posted) -> PageResult {
    posted.visit.operator()?;
    posted.visit.at("/admin/journal");
    let report = posted.visit.read(audit::verify).await?;
    if !report.holds() {
        tracing::error!(problems = report.problems.len(), "the books do not hold: {}", report.problems.join("; "));
    }
    journal_page(&posted.visit, Some(report)).await
}

#[derive(Template)]
#[template(path = "admin/connections.html")]
struct ConnectionsPage {
    t: Page,
    connections: Vec<Cells>,
    checks: Vec<Cells>,
}

#[get("/admin/connections")]
async fn get_connections(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let (connected, checks) = visit
        .read(move |tx| {
            let mut connected = Vec::new();
            for connection in connections::connections(tx)? {
                let patron = stored_people::patron(tx, connection.patron_id)?;
                let patron = patron.map_or_else(|| connection.patron_id.to_string(), |patron| patron.name);
                connected.push((connection, patron));
            }
            Ok((connected, connections::claim_checks(tx)?))
        })
        .await?;
    let moment = |micros: i64| t.moment(Timestamp::from_micros(micros));
    let page = ConnectionsPage {
        t: visit.page(t.admin_connections()),
        connections: connected
            .into_iter()
            .map(|(connection, patron)| {
                let state = if connection.is_active { t.connections_reading() } else { t.connections_paused() };
                vec![
                    patron,
                    platform_label(&connection.platform),
                    connection.handle,
                    state,
                    connection.last_success_at.map_or_else(|| t.never(), moment),
                    moment(connection.next_poll_at),
                    connection.last_error.map(|kept| t.problem_text(&kept)).unwrap_or_default(),
                ]
            })
            .collect(),
        checks: checks
            .into_iter()
            .map(|check| {
                vec![
                    check.identity,
                    check.creator_uri,
                    t.queue_state(&check.state),
                    t.number(check.attempts),
                    moment(check.next_at),
                    check.last_error.map(|kept| t.problem_text(&kept)).unwrap_or_default(),
                ]
            })
            .collect(),
    };
    ok(&page)
}
