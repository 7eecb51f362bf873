//! Defaults that follow from other keys.
//!
//! They see values as they were given. When such a value is itself wrong they answer `None`: one mistake, one report.

use super::given::Given;
use super::values::Domain;

/// https, save for a local domain that is set up to talk with its neighbours on the same machine.
pub fn base_url(given: &Given) -> Option<String> {
    let domain: Domain = given.text("server.domain")?.parse().ok()?;
    let is_test = domain.is_local() && given.has_elements("federation.allow_private_addresses");
    Some(format!("{}://{domain}", if is_test { "http" } else { "https" }))
}

/// The embedded database, beside everything else that the instance keeps.
pub fn database_url(given: &Given) -> Option<String> {
    let data_dir = given.text("server.data_dir").filter(|directory| !directory.is_empty())?;
    Some(format!("sqlite://{}/fedflattr.sqlite", data_dir.strip_suffix('/').unwrap_or(data_dir)))
}
