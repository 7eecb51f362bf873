//! Who receives here: the list of creators, and its beginning for the front door.
//!
//! Owns that only those are listed who proved an account and did not ask to stay unnamed. Shows no amounts and no counts.

use actix_web::get;
use actix_web::web::ServiceConfig;
use askama::Template;

use super::people::{account_path, platform_label};
use super::{Page, PageResult, Visit, ok};
use crate::flows::encode_segment;
use crate::storage::identities::Identity;
use crate::storage::people::Creator;
use crate::storage::{self, Tx, identities, people};

/// Creators on one page of the list.
const PAGE: i64 = 50;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_creators);
}

/// A creator as a list shows them.
pub struct CreatorRow {
    pub name: String,
    pub path: String,
    /// Label and path of each account.
    pub accounts: Vec<(String, String)>,
}

impl CreatorRow {
    pub fn new(visit: &Visit, (creator, accounts): (Creator, Vec<Identity>)) -> CreatorRow {
        let account = |identity: &Identity| {
            let label = visit.text.creators_account(&identity.handle, platform_label(&identity.platform));
            (label, account_path(&visit.state.instance, identity))
        };
        CreatorRow {
            path: format!("/creators/{}", creator.name),
            accounts: accounts.iter().map(account).collect(),
            name: creator.name,
        }
    }
}

/// Creators after a name, each with the accounts that are proved to be theirs.
pub fn listed(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<(Creator, Vec<Identity>)>, storage::Error> {
    let mut found = Vec::new();
    for creator in people::listed_creators(tx, after, limit)? {
        let mut accounts = Vec::new();
        for claim in identities::claims_of_creator(tx, creator.id)? {
            if claim.state == "verified" {
                accounts.extend(identities::identity(tx, claim.identity_id)?.filter(|identity| !identity.is_refused));
            }
        }
        found.push((creator, accounts));
    }
    Ok(found)
}

#[derive(Template)]
#[template(path = "creators.html")]
struct CreatorsPage {
    t: Page,
    rows: Vec<CreatorRow>,
    is_first: bool,
    next: Option<String>,
}

#[get("/creators")]
async fn get_creators(visit: Visit) -> PageResult {
    let after = visit.query("after").unwrap_or_default();
    let is_first = after.is_empty();
    let mut found = visit.read(move |tx| listed(tx, &after, PAGE + 1)).await?;
    let has_next = found.len() > usize::try_from(PAGE).expect("a page is small");
    if has_next {
        found.pop();
    }
    let last = found.last().filter(|_| has_next);
    let next = last.map(|(creator, _)| format!("/creators?after={}", encode_segment(&creator.name)));
    let t = visit.text;
    let rows = found.into_iter().map(|row| CreatorRow::new(&visit, row)).collect();
    ok(&CreatorsPage { t: visit.page(t.creators_title()), rows, is_first, next })
}
