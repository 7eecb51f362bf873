//! Commands about bridges themselves: how they fare, pausing and resuming, trying one out, reading one account now.

use serde_json::{Value, json};

use super::common::{parse, refuse};
use super::{Answer, Refused, table};
use crate::bridges::{Terms, Who, terms};
use crate::config::Bridges;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::watch_bridge::Budget;
use crate::jobs::health::{self, Report, State};
use crate::jobs::try_out::Trial;
use crate::jobs::{self, TurnEnd};
use crate::storage::Tx;
use crate::storage::connections::{self, Connection};

/// The warning about the terms of every platform that is switched on; empty when none is.
pub fn warnings(config: &Bridges) -> Vec<String> {
    let on = Platform::ALL.into_iter().filter(|platform| config.is_enabled(*platform));
    let mut lines: Vec<String> = on.map(|platform| format!("{platform}: {}", terms::of(platform).en)).collect();
    if !lines.is_empty() {
        lines.push(terms::FOR_ALL.en.to_owned());
    }
    lines
}

fn moment(micros: Option<i64>) -> Option<String> {
    micros.map(|micros| Timestamp::from_micros(micros).floor_to_second().to_string())
}

fn or_never(micros: Option<i64>) -> String {
    moment(micros).unwrap_or_else(|| "never".to_owned())
}

fn last_error(report: &Report) -> Option<String> {
    let health = &report.health;
    let (class, text) = (health.last_error_class.as_deref()?, health.last_error.as_deref()?);
    Some(format!("{} {class}: {text}", or_never(health.last_error_at)))
}

fn quota(report: &Report) -> Option<String> {
    let (left, resets_at) = report.quota?;
    Some(match resets_at {
        Some(resets_at) => format!("{left} left until {}", resets_at.floor_to_second()),
        None => format!("{left} left at {}", or_never(report.health.quota_seen_at)),
    })
}

/// How a bridge is, and until when where that ends by itself.
fn state(report: &Report) -> String {
    match (report.state, report.waits_until) {
        (State::Waiting, Some(until)) => format!("waits until {}", until.floor_to_second()),
        (state, _) => state.as_str().to_owned(),
    }
}

fn next_poll(report: &Report) -> Option<String> {
    report.next_poll().map(|at| at.floor_to_second().to_string())
}

fn budget(budget: Budget) -> String {
    match budget {
        Budget::Unlimited => "no limit is known".to_owned(),
        Budget::Left(left) => format!("{left} more requests"),
        Budget::Until(until) => format!("used up until {}", until.floor_to_second()),
    }
}

fn report_as_data(report: &Report) -> Value {
    let Report { platform, state, health, connections, due, budget, quota, waits_until } = report;
    let to_second = |at: Timestamp| at.floor_to_second().to_string();
    json!({
        "platform": platform.slug(),
        "state": state.as_str(),
        "paused_at": moment(health.paused_at),
        "last_success": moment(health.last_success_at),
        "last_error": health.last_error_class.as_ref().map(|class| json!({
            "class": class, "message": health.last_error, "at": moment(health.last_error_at),
        })),
        "failures": health.failures,
        "waits_until": waits_until.map(to_second),
        "quota": quota.map(|(remaining, resets_at)| json!({
            "remaining": remaining, "resets_at": resets_at.map(to_second), "seen_at": moment(health.quota_seen_at),
        })),
        "polling": match budget {
            Budget::Unlimited => Value::Null,
            Budget::Left(left) => json!({ "requests_left": left }),
            Budget::Until(until) => json!({ "requests_left": 0, "until": until.floor_to_second().to_string() }),
        },
        "connections": {
            "active": connections.active, "due": due, "failing": connections.failing,
            "next_poll": next_poll(report),
        },
    })
}

async fn reports(node: &Node) -> Result<Vec<Report>, Refused> {
    let reports = health::reports(node).await.map_err(refuse)?;
    // Where no bridge exists yet there is nothing to tell.
    let is_told =
        |report: &Report| report.platform != Platform::Fediverse || node.bridges.get(report.platform).is_some();
    Ok(reports.into_iter().filter(is_told).collect())
}

/// Every bridge, what its platform's terms say, and every connection.
pub async fn bridge_list(node: &Node) -> Result<Answer, Refused> {
    let reports = reports(node).await?;
    let cells: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            vec![
                report.platform.slug().to_owned(),
                state(report),
                report.connections.active.to_string(),
                report.due.to_string(),
                report.connections.failing.to_string(),
                or_never(report.health.last_success_at),
                next_poll(report).unwrap_or_default(),
                quota(report).unwrap_or_default(),
                last_error(report).unwrap_or_default(),
            ]
        })
        .collect();
    let heads =
        ["bridge", "state", "connections", "due", "failing", "last success", "next poll", "allowance", "last error"];
    let mut text = table(&heads, &cells);
    let warnings = warnings(&node.config.bridge);
    if !warnings.is_empty() {
        text = format!("{text}\n\n{}", warnings.join("\n"));
    }
    let rows = node.db.read(connections::connections).await.map_err(refuse)?;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let account = format!("{}:{}", row.platform, row.handle);
            let error = row.last_error.clone().unwrap_or_default();
            vec![account, or_never(row.baseline_at), or_never(row.last_success_at), error]
        })
        .collect();
    if !rows.is_empty() {
        text = format!("{text}\n\n{}", table(&["account", "baseline", "last success", "last error"], &cells));
    }
    let accounts: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "account": format!("{}:{}", row.platform, row.account), "last_error": row.last_error }))
        .collect();
    let bridges: Vec<Value> = reports.iter().map(report_as_data).collect();
    Ok(Answer::new(text, json!({ "bridges": bridges, "connections": accounts })))
}

/// One bridge in full.
pub async fn bridge_status(node: &Node, platform: &str) -> Result<Answer, Refused> {
    let platform: Platform = parse(platform)?;
    let all = health::reports(node).await.map_err(refuse)?;
    let report = all.into_iter().find(|report| report.platform == platform);
    let report = report.ok_or_else(|| Refused(format!("{platform} has no bridge")))?;
    let health = &report.health;
    let state = match (report.state, moment(health.paused_at)) {
        (State::Paused, Some(at)) => format!("paused since {at}: nothing is read"),
        (State::Failing, _) if health.failures == 0 => "failing for every connection".to_owned(),
        (State::Failing, _) => format!("failing, {} times in a row", health.failures),
        (State::NoKeys, _) => format!("no keys: docs/bridges/{platform}.md says which it needs"),
        _ => state(&report),
    };
    let connections = report.connections;
    let rows: Vec<Vec<String>> = [
        ("state", state),
        ("last success", or_never(health.last_success_at)),
        ("last error", last_error(&report).unwrap_or_else(|| "none".to_owned())),
        ("shared allowance", quota(&report).unwrap_or_else(|| "not told".to_owned())),
        ("polling may use", budget(report.budget)),
        (
            "connections",
            format!("{}, of which {} are due and {} failing", connections.active, report.due, connections.failing),
        ),
        ("next poll", next_poll(&report).unwrap_or_else(|| "never".to_owned())),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect();
    let Terms { en, .. } = terms::of(platform);
    let text = format!("{}\n\n{en}\n{}", table(&[platform.slug(), ""], &rows), terms::FOR_ALL.en);
    let mut data = report_as_data(&report);
    data["terms"] = json!(en);
    Ok(Answer::new(text, data))
}

/// Pauses or resumes the reading of a platform.
pub async fn bridge_pause(node: &Node, platform: &str, is_paused: bool) -> Result<Answer, Refused> {
    let platform: Platform = parse(platform)?;
    if node.bridges.get(platform).is_none() {
        return Err(Refused(format!("the bridge to {platform} is switched off in the configuration")));
    }
    let is_changed = health::set_paused(node, platform, is_paused).await.map_err(refuse)?;
    let text = match (is_paused, is_changed) {
        (true, true) => format!("nothing is read from {platform} until `fedflattr bridge resume {platform}`"),
        (true, false) => format!("{platform} is paused already"),
        (false, true) => format!("{platform} is read again"),
        (false, false) => format!("{platform} is not paused"),
    };
    Ok(Answer::new(text, json!({ "platform": platform.slug(), "is_paused": is_paused, "is_changed": is_changed })))
}

/// One real round trip with the configured keys.
pub async fn bridge_test(node: &Node, platform: &str, handle: Option<String>) -> Result<Answer, Refused> {
    let platform: Platform = parse(platform)?;
    let trial = jobs::try_out::try_out(node, platform, handle).await.map_err(refuse)?;
    let Trial { profile, likes, quota, requests, clock_ahead_seconds } = trial;
    let mut lines = vec![format!("{platform} answers: {} is {}, {}", profile.handle, profile.id, profile.profile_url)];
    lines.push(match likes {
        Some(count) => format!("likes: {count} on the first page"),
        None => "likes: the platform shows them to nobody that could be asked as here".to_owned(),
    });
    let resets_at = quota.resets_at.map(|at| at.floor_to_second().to_string());
    lines.push(match (quota.remaining, &resets_at) {
        (Some(left), Some(at)) => format!("allowance: {left} requests left until {at}; this took {requests}"),
        (Some(left), None) => format!("allowance: {left} requests left; this took {requests}"),
        (None, _) => format!("allowance: the platform does not tell; this took {requests} requests"),
    });
    lines.push(match clock_ahead_seconds {
        None => "clock: the platform does not tell".to_owned(),
        Some(0) => "clock: the same as ours".to_owned(),
        Some(ahead) if ahead.abs() < 60 => format!("clock: {ahead:+} seconds from ours"),
        Some(ahead) => {
            format!("clock: {ahead:+} seconds from ours: signed requests and limits will go wrong, set the clock")
        }
    });
    let data = json!({
        "platform": platform.slug(), "account": profile.id.to_string(), "handle": profile.handle,
        "likes_on_first_page": likes, "quota": { "remaining": quota.remaining, "resets_at": resets_at },
        "requests": requests, "clock_ahead_seconds": clock_ahead_seconds,
    });
    Ok(Answer::new(lines.join("\n"), data))
}

/// Reads every connection, those of a platform, or one account, now.
pub async fn bridge_sync(node: &Node, platform: Option<&str>, handle: Option<&str>) -> Result<Answer, Refused> {
    let (Some(platform), Some(handle)) = (platform, handle) else {
        let now = node.now();
        let platform: Option<Platform> = platform.map(parse).transpose()?;
        if let Some(platform) = platform {
            refuse_paused(node, platform)?;
        }
        let poll_now = move |tx: &mut Tx| match platform {
            Some(platform) => connections::poll_platform_now(tx, platform, now),
            None => connections::poll_now(tx, now),
        };
        let count = node.write(poll_now).await.map_err(refuse)?;
        let of = platform.map(|platform| format!(" of {platform}")).unwrap_or_default();
        let mut text = match count {
            1 => format!("1 connection{of} is read now"),
            count => format!("{count} connections{of} are read now"),
        };
        let waits = match platform {
            Some(platform) => reports(node).await?.into_iter().find(|report| report.platform == platform),
            None => None,
        };
        if let Some(until) = waits.and_then(|report| report.waits_until) {
            text = format!("{text}, as soon as the bridge does not wait any more: {}", until.floor_to_second());
        }
        return Ok(Answer::new(text, json!({ "connections": count })));
    };
    let platform: Platform = parse(platform)?;
    let connection = connection_of(node, platform, handle).await?;
    refuse_paused(node, platform)?;
    let read = jobs::read_now(node, connection.id).await.map_err(refuse)?;
    let (turn, after) = read.ok_or_else(|| Refused(format!("{handle} is not connected any more")))?;
    let changed = turn.changed;
    let counted = format!(
        "{} new flattrs, {} taken back, {} likes of before",
        changed.flattrs, changed.taken_back, changed.baseline
    );
    let account = format!("{platform}:{}", after.account);
    match turn.end {
        TurnEnd::Elsewhere => Err(Refused(format!("the likes of {} are being read at this moment", after.handle))),
        TurnEnd::PutOff => Err(Refused(format!(
            "the likes of {} were not read to the end ({counted}): {}; tried again at {}",
            after.handle,
            after.last_error.unwrap_or_else(|| "the sign-in was renewed".to_owned()),
            Timestamp::from_micros(after.next_poll_at).floor_to_second()
        ))),
        TurnEnd::Done | TurnEnd::More => {
            let note = after.last_error.map(|note| format!("; {note}")).unwrap_or_default();
            let data = json!({
                "account": account, "flattrs": changed.flattrs, "taken_back": changed.taken_back,
                "baseline": changed.baseline, "next_poll": moment(Some(after.next_poll_at)),
            });
            Ok(Answer::new(format!("read the likes of {}: {counted}{note}", after.handle), data))
        }
    }
}

fn refuse_paused(node: &Node, platform: Platform) -> Result<(), Refused> {
    if node.bridges.get(platform).is_none() {
        return Err(Refused(format!("the bridge to {platform} is switched off in the configuration")));
    }
    if node.bridges.meter(platform).is_some_and(|meter| meter.is_paused()) {
        return Err(Refused(format!("the bridge to {platform} is paused: `fedflattr bridge resume {platform}`")));
    }
    Ok(())
}

/// The connection that is meant by a handle or an id.
async fn connection_of(node: &Node, platform: Platform, name: &str) -> Result<Connection, Refused> {
    let owned = name.to_owned();
    let mut found = node
        .db
        .read(move |tx| {
            let mut found = connections::connections_by_handle(tx, platform, &owned)?;
            if let Ok(id) = ExternalId::new(platform, &owned) {
                found.extend(connections::connection_to(tx, &id)?);
            }
            found.dedup_by_key(|connection| connection.id);
            Ok::<_, crate::storage::Error>(found)
        })
        .await
        .map_err(refuse)?;
    if found.is_empty() {
        // Renamed since: the platform knows who bears this handle now.
        let looked = jobs::look_up(node, platform, &Who::Handle(name.to_owned())).await;
        if let Ok((profile, _)) = looked {
            found.extend(node.db.read(move |tx| connections::connection_to(tx, &profile.id)).await.map_err(refuse)?);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Refused(format!("nobody here has connected {name} on {platform}"))),
        _ => Err(Refused(format!("several connected accounts were called {name} on {platform}: name one by its id"))),
    }
}
