//! Faults: how they are told, and fault points, places between two steps at which a test may kill the process.
//!
//! `FEDFLATTR_TEST_CRASH_AT=close.step#3` ends the process, without any cleanup, when it comes to the third passing of
//! `close.step`. A server with a public domain refuses the variable. Without it a point costs one atomic load.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// The variable that names the point; refused together with a public domain.
pub const CRASH_VARIABLE: &str = "FEDFLATTR_TEST_CRASH_AT";

/// An error with its causes, for a log or an operator: `what failed: why: why that`. A cause that is quoted is not repeated.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

struct Plan {
    name: String,
    passing: u32,
    seen: Mutex<HashMap<String, u32>>,
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = std::env::var(CRASH_VARIABLE).ok()?;
        let (name, passing) = text.split_once('#').unwrap_or((&text, "1"));
        Some(Plan { name: name.to_owned(), passing: passing.parse().unwrap_or(1), seen: Mutex::default() })
    })
    .as_ref()
}

/// Passes a point, or ends the process at it.
pub fn point(name: &str) {
    let Some(plan) = plan() else { return };
    let mut seen = plan.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let count = seen.entry(name.to_owned()).or_default();
    *count += 1;
    if plan.name == name && plan.passing == *count {
        eprintln!("ended by {CRASH_VARIABLE} at {name}#{count}");
        std::process::abort();
    }
}
