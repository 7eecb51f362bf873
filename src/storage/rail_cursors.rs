//! How far each rail has been read.

use diesel::prelude::*;

use super::schema::rail_cursors;
use super::{Result, Tx};
use crate::domain::time::Timestamp;

/// How far a rail was read, and when to look again.
pub fn rail_cursor(tx: &mut Tx, rail: &str) -> Result<(i64, i64)> {
    let row: Option<(i64, i64)> = both!(tx, |db| rail_cursors::table
        .find(rail)
        .select((rail_cursors::cursor, rail_cursors::next_poll_at))
        .first(db)
        .optional())?;
    Ok(row.unwrap_or((0, 0)))
}

pub fn save_rail_cursor(
    tx: &mut Tx,
    rail: &str,
    cursor: i64,
    next_poll_at: Timestamp,
    error: Option<&str>,
) -> Result<()> {
    let values = (
        rail_cursors::cursor.eq(cursor),
        rail_cursors::next_poll_at.eq(next_poll_at.micros()),
        rail_cursors::last_error.eq(error),
    );
    both!(tx, |db| diesel::insert_into(rail_cursors::table)
        .values((rail_cursors::rail.eq(rail), values))
        .on_conflict(rail_cursors::rail)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}
