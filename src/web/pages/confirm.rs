//! Likes that wait for the patron's yes, of sources that ask first.
//!
//! Owns that an answer is about what was on the page: "all of these" means the posts that were shown, and no other.

use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::people::{object_path, platform_label, title_of};
use super::{Page, PageError, PageResult, Posted, Visit, bridged, ok, redirect};
use crate::domain::id::FlattrId;
use crate::domain::time::{Month, Timestamp};
use crate::flows::flattr::FlattrError;
use crate::flows::{flattr, suggest};
use crate::storage::identities::Object;
use crate::storage::likes::{self, Flattr};

/// Suggestions on one page; the others follow when these are answered.
const SHOWN: i64 = 100;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_confirm).service(post_confirm);
}

struct Row {
    id: String,
    title: String,
    path: String,
    platform: String,
    seen: String,
    /// In which month a yes counts now.
    counts: String,
    yes_label: String,
    no_label: String,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    t: Page,
    rows: Vec<Row>,
    more: Option<String>,
}

fn row(visit: &Visit, (flattr, object): (Flattr, Object), open_since: Month) -> Result<Row, PageError> {
    let t = visit.text;
    let title = title_of(&object.title, &object.platform, &object.object);
    let month = flattr.month()?;
    let month = if month < open_since { visit.month() } else { month };
    Ok(Row {
        id: flattr.id.to_string(),
        path: object_path(&visit.state.instance, &object.platform, &object.object),
        platform: platform_label(&object.platform),
        seen: t.date(Timestamp::from_micros(flattr.received_at)),
        counts: t.month(month),
        yes_label: t.confirm_yes_of(&title),
        no_label: t.confirm_no_of(&title),
        title,
    })
}

#[get("/me/confirm")]
async fn get_confirm(visit: Visit) -> PageResult {
    let (patron, now) = (visit.patron()?.id, visit.now);
    let (found, total, open_since) = visit
        .read(move |tx| {
            let found = likes::suggested(tx, patron, SHOWN)?;
            Ok((found, likes::count_suggested(tx, patron)?, flattr::open_since(tx, now)?))
        })
        .await?;
    let rest = total - i64::try_from(found.len()).unwrap_or(0);
    let rows = found.into_iter().map(|found| row(&visit, found, open_since)).collect::<Result<_, _>>()?;
    let t = visit.text;
    let more = (rest > 0).then(|| t.confirm_more(t.posts(rest)));
    ok(&ConfirmPage { t: visit.page(t.confirm_title()), rows, more })
}

/// Answers one post, or all that were shown.
#[post("/me/confirm")]
async fn post_confirm(posted: Posted) -> PageResult {
    let (patron, now) = (posted.visit.patron()?.id, posted.visit.now);
    let is_yes = match posted.field("answer") {
        "yes" => true,
        "no" => false,
        _ => return Err(PageError::not_found()),
    };
    let mut ids = Vec::new();
    for id in posted.all("flattr").take(usize::try_from(SHOWN).expect("a page is small")) {
        ids.push(FlattrId(id.parse().map_err(|_| PageError::not_found())?));
    }
    // One transaction for what one press means. What was answered before, or is another's, is left as it is.
    let answered = posted
        .visit
        .state
        .write(move |tx| {
            for id in &ids {
                if is_yes {
                    suggest::confirm(tx, patron, *id, now)?;
                } else {
                    suggest::dismiss(tx, patron, *id)?;
                }
            }
            Ok::<_, FlattrError>(())
        })
        .await;
    answered.map_err(bridged::flattr_error)?;
    Ok(redirect(if is_yes { "/me/confirm?done=confirmed" } else { "/me/confirm?done=dismissed" }))
}
