//! What most commands need: refusing, parsing what was typed, finding the person who is named.

use super::Refused;
use crate::domain::money::Amount;
use crate::federation::Node;
use crate::storage::people::{self, Patron};

pub fn refuse(error: impl std::error::Error) -> Refused {
    Refused(crate::fault::explain(&error))
}

pub fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Refused>
where
    T::Err: std::error::Error,
{
    text.parse().map_err(refuse)
}

pub fn amount(node: &Node, text: &str) -> Result<Amount, Refused> {
    Amount::parse_positive(text, node.instance.policy.currency).map_err(refuse)
}

pub async fn patron(node: &Node, name: &str) -> Result<Patron, Refused> {
    let owned = name.to_owned();
    let patron = node.db.read(move |tx| people::patron_by_name(tx, &owned)).await.map_err(refuse)?;
    patron.ok_or_else(|| Refused(format!("there is no patron `{name}`")))
}

pub async fn creator(node: &Node, name: &str) -> Result<crate::domain::id::CreatorId, Refused> {
    let owned = name.to_owned();
    let creator = node.db.read(move |tx| people::creator_by_name(tx, &owned)).await.map_err(refuse)?;
    creator.map(|creator| creator.id).ok_or_else(|| Refused(format!("there is no creator `{name}`")))
}
