//! The operator's page of bridges: how each fares, what its platform asks of the operator, and what can be done about it.
//!
//! Owns that only an operator pauses, resumes, tries out or hurries a bridge, and by a form of ours.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::text::Text;
use super::{Page, PageError, PageResult, Posted, Visit, html};
use crate::bridges::terms;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::jobs::health::{self, Report, State};
use crate::jobs::try_out::{self, Trial, TrialError};
use crate::storage::connections;

/// Clocks that are further apart break signatures.
const CLOCK_SECONDS_MAX: i64 = 60;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_bridges).service(post_bridge);
}

struct Row {
    slug: &'static str,
    label: &'static str,
    cells: Vec<String>,
    is_on: bool,
    is_paused: bool,
    /// There are likes to be read.
    is_read: bool,
}

#[derive(Template)]
#[template(path = "admin/bridges.html")]
struct BridgesPage {
    t: Page,
    rows: Vec<Row>,
    /// Platforms that can be tried out, and whether it is the one that was.
    tried: Vec<(&'static str, &'static str, bool)>,
    typed: String,
    /// What came of a form, and whether it is good.
    outcome: Option<(String, bool)>,
    /// Platforms that are on, each with its warning.
    terms: Vec<(String, String)>,
    for_all: &'static str,
}

fn row(visit: &Visit, report: &Report) -> Row {
    let t = visit.text;
    let moment = |micros: i64| t.moment(Timestamp::from_micros(micros));
    let health = &report.health;
    let state = match (report.state, health.paused_at, report.waits_until) {
        (State::Paused, Some(at), _) => t.bridge_paused_since(moment(at)),
        (State::Waiting, _, Some(until)) => t.bridge_waits_until(t.moment(until)),
        (state, ..) => t.bridge_state(state),
    };
    let error = health.last_error_class.as_ref().map(|class| {
        let at = health.last_error_at.map(moment).unwrap_or_default();
        let said = t.error_class(class).unwrap_or_default();
        t.bridge_error_text(at, said, class, health.last_error.as_deref().unwrap_or_default())
    });
    let allowance = report.quota.map(|(left, resets_at)| match resets_at {
        Some(resets_at) => t.bridge_quota_until(t.number(left), t.moment(resets_at)),
        None => t.bridge_quota(t.number(left)),
    });
    let cells = vec![
        report.platform.label().to_owned(),
        state,
        health.last_success_at.map_or_else(|| t.never(), moment),
        error.unwrap_or_default(),
        allowance.unwrap_or_default(),
        t.number(report.connections.active),
        t.number(report.due),
        t.number(report.connections.failing),
        report.next_poll().map(|at| t.moment(at)).unwrap_or_default(),
    ];
    Row {
        slug: report.platform.slug(),
        label: report.platform.label(),
        cells,
        is_on: visit.state.bridges.get(report.platform).is_some(),
        is_paused: health.is_paused(),
        is_read: report.connections.active > 0,
    }
}

/// What a form asked for.
struct Asked {
    platform: Platform,
    typed: String,
    said: String,
    is_good: bool,
}

async fn bridges_page(visit: &Visit, asked: Option<Asked>) -> PageResult {
    let t = visit.text;
    let reports = health::reports(&visit.state).await?;
    let is_told = |report: &&Report| {
        report.platform != Platform::Fediverse || visit.state.bridges.get(Platform::Fediverse).is_some()
    };
    let on = || Platform::ALL.into_iter().filter(|platform| visit.state.bridges.get(*platform).is_some());
    let is_live = |platform: &Platform| visit.state.bridges.get(*platform).is_some_and(|it| it.live().is_some());
    let chosen = asked.as_ref().map(|asked| asked.platform);
    let status =
        if asked.as_ref().is_none_or(|asked| asked.is_good) { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = BridgesPage {
        t: visit.page(t.admin_bridges()),
        rows: reports.iter().filter(is_told).map(|report| row(visit, report)).collect(),
        tried: on()
            .filter(is_live)
            .map(|platform| (platform.slug(), platform.label(), chosen == Some(platform)))
            .collect(),
        typed: asked.as_ref().map(|asked| asked.typed.clone()).unwrap_or_default(),
        outcome: asked.map(|asked| (asked.said, asked.is_good)),
        terms: on().map(|platform| (platform.label().to_owned(), t.terms(terms::of(platform)).to_owned())).collect(),
        for_all: t.terms(terms::FOR_ALL),
    };
    html(status, &page)
}

#[get("/admin/bridges")]
async fn get_bridges(visit: Visit) -> PageResult {
    visit.operator()?;
    bridges_page(&visit, None).await
}

/// Pauses, resumes, reads or tries out one bridge.
#[post("/admin/bridges")]
async fn post_bridge(mut posted: Posted) -> PageResult {
    posted.visit.operator()?;
    posted.visit.at("/admin/bridges");
    let visit = &posted.visit;
    let t = visit.text;
    let platform: Platform = posted.field("platform").parse().map_err(|_| PageError::new(400, t.platform_unknown()))?;
    let typed = posted.field("handle").to_owned();
    let (said, is_good) = match (posted.field("action"), visit.state.bridges.get(platform)) {
        (_, None) => (t.bridge_is_off(platform.label()), false),
        ("pause", _) => {
            health::set_paused(&visit.state, platform, true).await?;
            (t.bridge_done_paused(platform.label()), true)
        }
        ("resume", _) => {
            health::set_paused(&visit.state, platform, false).await?;
            (t.bridge_done_resumed(platform.label()), true)
        }
        ("read", _) => read_now(visit, platform).await?,
        ("try", _) => {
            let handle = Some(typed.trim_start_matches('@').to_owned()).filter(|handle| !handle.is_empty());
            match try_out::try_out(&visit.state, platform, handle).await {
                Ok(trial) => (tried(t, platform, &trial), true),
                Err(error) => (failed(t, platform, error)?, false),
            }
        }
        _ => return Err(PageError::not_found()),
    };
    bridges_page(visit, Some(Asked { platform, typed, said, is_good })).await
}

async fn read_now(visit: &Visit, platform: Platform) -> Result<(String, bool), PageError> {
    let (t, now) = (visit.text, visit.now);
    if visit.state.bridges.meter(platform).is_some_and(|meter| meter.is_paused()) {
        return Ok((t.bridge_is_paused(platform.label()), false));
    }
    let count = visit.state.write(move |tx| connections::poll_platform_now(tx, platform, now)).await?;
    Ok((t.bridge_done_read(platform.label(), count), true))
}

fn tried(t: Text, platform: Platform, trial: &Trial) -> String {
    let mut said = vec![t.bridge_answers(platform.label(), &trial.profile.handle, &trial.profile.id)];
    said.push(trial.likes.map_or_else(|| t.bridge_likes_hidden(), |count| t.bridge_likes_listed(count)));
    said.extend(trial.quota.remaining.map(|left| t.bridge_allowance_left(left)));
    let apart = trial.clock_ahead_seconds.filter(|ahead| ahead.abs() >= CLOCK_SECONDS_MAX);
    said.extend(apart.map(|seconds| t.bridge_clock_ahead(seconds)));
    said.join(" ")
}

fn failed(t: Text, platform: Platform, error: TrialError) -> Result<String, PageError> {
    let label = platform.label();
    Ok(match error {
        TrialError::SwitchedOff(_) => t.bridge_is_off(label),
        TrialError::Paused(_) => t.bridge_is_paused(label),
        TrialError::NoApi(_) => t.bridge_no_api(label),
        TrialError::NobodyToAskFor => t.bridge_nobody(),
        TrialError::Platform { error, .. } => t.bridge_failed(label, t.problem_text(&error.to_string())),
        TrialError::Job(error) => return Err(error.into()),
    })
}
