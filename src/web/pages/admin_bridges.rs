//! The operator's page of bridges: how each fares, and what its platform asks of the operator.

use actix_web::get;
use actix_web::web::ServiceConfig;
use askama::Template;

use super::{Page, PageResult, Visit, ok};
use crate::bridges::terms;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::jobs::health::{self, Report, State};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_bridges);
}

#[derive(Template)]
#[template(path = "admin/bridges.html")]
struct BridgesPage {
    t: Page,
    rows: Vec<Vec<String>>,
    /// Platforms that are on, each with its warning.
    terms: Vec<(String, String)>,
    for_all: &'static str,
}

fn row(visit: &Visit, report: &Report) -> Vec<String> {
    let t = visit.text;
    let moment = |micros: i64| t.moment(Timestamp::from_micros(micros));
    let health = &report.health;
    let state = match (report.state, health.paused_at) {
        (State::Paused, Some(at)) => t.bridge_paused_since(moment(at)),
        (state, _) => t.bridge_state(state),
    };
    let error = health.last_error_class.as_ref().map(|class| {
        let at = health.last_error_at.map(moment).unwrap_or_default();
        t.bridge_error_text(at, class, health.last_error.as_deref().unwrap_or_default())
    });
    let allowance = health.quota_remaining.map(|left| match health.quota_resets_at {
        Some(resets_at) => t.bridge_quota_until(t.number(left), moment(resets_at)),
        None => t.bridge_quota(t.number(left)),
    });
    vec![
        report.platform.label().to_owned(),
        state,
        health.last_success_at.map_or_else(|| t.never(), moment),
        error.unwrap_or_default(),
        allowance.unwrap_or_default(),
        t.number(report.connections.active),
        t.number(report.due),
        t.number(report.connections.failing),
        report.connections.next_poll_at.map(moment).unwrap_or_default(),
    ]
}

#[get("/admin/bridges")]
async fn get_bridges(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let reports = health::reports(&visit.state).await?;
    let is_told = |report: &&Report| {
        report.platform != Platform::Fediverse || visit.state.bridges.get(Platform::Fediverse).is_some()
    };
    let on = Platform::ALL.into_iter().filter(|platform| visit.state.bridges.get(*platform).is_some());
    let page = BridgesPage {
        t: visit.page(t.admin_bridges()),
        rows: reports.iter().filter(is_told).map(|report| row(&visit, report)).collect(),
        terms: on.map(|platform| (platform.label().to_owned(), t.terms(terms::of(platform)).to_owned())).collect(),
        for_all: t.terms(terms::FOR_ALL),
    };
    ok(&page)
}
