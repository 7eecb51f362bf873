//! Files and lists that patrons brought.
//!
//! Owns that a patron has one import under way at most, and that what was counted is saved with the likes themselves.

use diesel::prelude::*;

use super::schema::imports;
use super::{Result, Tx, storable};
use crate::domain::id::PatronId;
use crate::domain::time::Timestamp;

/// A file or a list, and how far it was read.
#[derive(Debug, Clone, Queryable)]
pub struct Import {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub patron_id: PatronId,
    pub connection_id: i64,
    pub platform: String,
    pub kind: String,
    pub state: String,
    /// As the person's computer calls it: to be shown, never a path.
    pub file_name: String,
    pub file_size: i64,
    /// Its name in our own directory.
    pub stored_as: Option<String>,
    pub likes: i64,
    pub flattrs: i64,
    pub baseline: i64,
    pub unreadable: i64,
    pub unresolved: i64,
    /// Lines of a list that name nothing that can be liked.
    pub refused: Option<String>,
    pub error: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    /// The patron's word that this was the last of what the account liked until now.
    pub is_complete: bool,
    /// Of the unresolved, those of which the platform has not said that there is no such post.
    pub unanswered: i64,
    /// How often in a row the platform did not answer.
    pub attempts: i64,
    /// Not read before then.
    pub next_at: i64,
}

impl Import {
    pub fn is_under_way(&self) -> bool {
        matches!(self.state.as_str(), "waiting" | "running")
    }

    /// Items that were read and need not be read again.
    pub fn position(&self) -> u64 {
        u64::try_from(self.likes + self.unreadable).expect("counts are not negative")
    }
}

/// What was read, as it is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub likes: u64,
    pub flattrs: u64,
    pub baseline: u64,
    pub unreadable: u64,
    pub unresolved: u64,
    /// Among the unresolved.
    pub unanswered: u64,
}

/// An import to be begun.
#[derive(Debug, Clone)]
pub struct NewImport {
    pub patron: PatronId,
    pub connection: i64,
    pub platform: &'static str,
    /// `file` or `list`.
    pub kind: &'static str,
    pub file_name: String,
    pub file_size: i64,
    /// Without one it is read at once, by whoever can name the file.
    pub stored_as: Option<String>,
    pub refused: Option<String>,
    pub is_complete: bool,
}

/// Notes an import. `None` when the patron has another one under way.
pub fn make_import(tx: &mut Tx, new: &NewImport, now: Timestamp) -> Result<Option<Import>> {
    let (state, started_at) = match new.stored_as {
        Some(_) => ("waiting", None),
        None => ("running", Some(now.micros())),
    };
    let name = storable(&new.file_name);
    let refused = new.refused.as_deref().map(|lines| lines.replace('\0', " "));
    Ok(both!(tx, |db| diesel::insert_into(imports::table)
        .values((
            imports::patron_id.eq(new.patron.0),
            imports::connection_id.eq(new.connection),
            imports::platform.eq(new.platform),
            imports::kind.eq(new.kind),
            imports::state.eq(state),
            imports::file_name.eq(&name),
            imports::file_size.eq(new.file_size),
            imports::stored_as.eq(&new.stored_as),
            imports::likes.eq(0),
            imports::flattrs.eq(0),
            imports::baseline.eq(0),
            imports::unreadable.eq(0),
            imports::unresolved.eq(0),
            imports::refused.eq(&refused),
            imports::is_complete.eq(new.is_complete),
            imports::created_at.eq(now.micros()),
            imports::started_at.eq(started_at),
        ))
        .on_conflict_do_nothing()
        .get_result(db)
        .optional())?)
}

pub fn import(tx: &mut Tx, id: i64) -> Result<Option<Import>> {
    Ok(both!(tx, |db| imports::table.find(id).first(db).optional())?)
}

/// A patron's imports, the newest first.
pub fn imports_of(tx: &mut Tx, patron: PatronId, limit: i64) -> Result<Vec<Import>> {
    Ok(both!(tx, |db| imports::table
        .filter(imports::patron_id.eq(patron.0))
        .order(imports::id.desc())
        .limit(limit)
        .load(db))?)
}

pub fn is_any_waiting(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let waiting: i64 = both!(tx, |db| imports::table
        .filter(imports::state.eq("waiting"))
        .filter(imports::next_at.le(now.micros()))
        .count()
        .get_result(db))?;
    Ok(waiting > 0)
}

/// Takes the one that has waited longest; nobody else gets it then.
pub fn take_waiting(tx: &mut Tx, now: Timestamp) -> Result<Option<Import>> {
    let waiting: Option<i64> = both!(tx, |db| imports::table
        .filter(imports::state.eq("waiting"))
        .filter(imports::next_at.le(now.micros()))
        .order(imports::id)
        .select(imports::id)
        .first(db)
        .optional())?;
    let Some(id) = waiting else { return Ok(None) };
    Ok(both!(tx, |db| diesel::update(imports::table.find(id))
        .filter(imports::state.eq("waiting"))
        .set((imports::state.eq("running"), imports::started_at.eq(now.micros())))
        .get_result(db)
        .optional())?)
}

/// Imports that are waiting or being read.
pub fn count_under_way(tx: &mut Tx) -> Result<i64> {
    Ok(both!(tx, |db| imports::table.filter(imports::state.eq_any(["waiting", "running"])).count().get_result(db))?)
}

/// Lets an import wait that was interrupted, with what it has read.
pub fn set_waiting(tx: &mut Tx, id: i64) -> Result<()> {
    both!(tx, |db| diesel::update(imports::table.find(id))
        .filter(imports::state.eq("running"))
        .set(imports::state.eq("waiting"))
        .execute(db))?;
    Ok(())
}

/// Lets an import wait for a platform that did not answer, and says why.
///
/// - `attempts`: how often in a row it did not.
pub fn put_off(tx: &mut Tx, id: i64, attempts: i64, until: Timestamp, reason: &str) -> Result<()> {
    both!(tx, |db| diesel::update(imports::table.find(id))
        .filter(imports::state.eq("running"))
        .set((
            imports::state.eq("waiting"),
            imports::attempts.eq(attempts),
            imports::next_at.eq(until.micros()),
            imports::error.eq(storable(reason)),
        ))
        .execute(db))?;
    Ok(())
}

/// Those that were being read when the process ended.
pub fn running(tx: &mut Tx) -> Result<Vec<Import>> {
    Ok(both!(tx, |db| imports::table.filter(imports::state.eq("running")).order(imports::id).load(db))?)
}

/// The names of files that are still needed.
pub fn stored_names(tx: &mut Tx) -> Result<Vec<String>> {
    let names: Vec<Option<String>> = both!(tx, |db| imports::table
        .filter(imports::stored_as.is_not_null())
        .filter(imports::state.eq_any(["waiting", "running"]))
        .select(imports::stored_as)
        .load(db))?;
    Ok(names.into_iter().flatten().collect())
}

/// Counts what one batch was.
pub fn add_counted(tx: &mut Tx, id: i64, more: &Counted) -> Result<()> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    both!(tx, |db| diesel::update(imports::table.find(id))
        .set((
            imports::likes.eq(imports::likes + count(more.likes)),
            imports::flattrs.eq(imports::flattrs + count(more.flattrs)),
            imports::baseline.eq(imports::baseline + count(more.baseline)),
            imports::unreadable.eq(imports::unreadable + count(more.unreadable)),
            imports::unresolved.eq(imports::unresolved + count(more.unresolved)),
            imports::unanswered.eq(imports::unanswered + count(more.unanswered)),
        ))
        .execute(db))?;
    Ok(())
}

/// Ends an import: done, or failed for a reason that the person can act on.
pub fn end_import(tx: &mut Tx, id: i64, error: Option<&str>, now: Timestamp) -> Result<()> {
    let state = if error.is_some() { "failed" } else { "done" };
    let error = error.map(storable);
    both!(tx, |db| diesel::update(imports::table.find(id))
        .set((
            imports::state.eq(state),
            imports::error.eq(&error),
            imports::ended_at.eq(now.micros()),
            imports::stored_as.eq(None::<String>),
        ))
        .execute(db))?;
    Ok(())
}
