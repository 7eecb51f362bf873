//! A statement's lines and the month's commitment as documents, and what a creditor checks of them.
//!
//! Owns the check on which an Accept rests: the lines add up to the stated root and sum, and that root stands in the
//! commitment that the debtor has published to everybody.

use serde_json::{Value, json};

use super::commitment::{Node, climb, group, root, subtotal};
use super::message::{self, MessageError, StatementOffer};
use super::money::{Amount, Currency};
use super::proof;
use super::settlement::RejectCode;
use super::time::{Month, Timestamp};

/// Lines on one page of a statement.
pub const LINES_PER_PAGE: i64 = 500;

/// A line as it travels: no patron, no single amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedLine {
    pub creator: String,
    pub identity: String,
    pub like_count: u64,
    pub sum: u64,
    pub leaves_root: [u8; 32],
    pub origin: Option<Month>,
}

impl StatedLine {
    pub fn subtotal(&self) -> Node {
        let leaves = Node { sum: self.sum, hash: self.leaves_root };
        subtotal(&self.creator, &self.identity, self.like_count, leaves)
    }
}

pub fn write_line(line: &StatedLine, currency: Currency) -> Value {
    let units = i64::try_from(line.sum).expect("a line was summed from amounts");
    let mut json = json!({
        "creator": line.creator,
        "identity": line.identity,
        "likeCount": line.like_count,
        "sum": Amount::from_units(units, currency).to_wire(),
        "leavesRoot": hex::encode(line.leaves_root),
    });
    if let Some(month) = line.origin {
        json["origin"] = json!({ "month": month.to_string() });
    }
    json
}

pub fn read_line(json: &Value, currency: Currency) -> Result<StatedLine, MessageError> {
    let sum = message::text(json, "sum")?;
    let sum = Amount::parse(sum, currency).map_err(|_| MessageError::Member("sum"))?;
    let origin = match json.get("origin") {
        None => None,
        Some(origin) => Some(message::text(origin, "month")?.parse().map_err(|_| MessageError::Member("origin"))?),
    };
    Ok(StatedLine {
        creator: message::text(json, "creator")?.to_owned(),
        identity: message::text(json, "identity")?.to_owned(),
        like_count: u64::try_from(message::number(json, "likeCount")?)
            .map_err(|_| MessageError::Member("likeCount"))?,
        sum: u64::try_from(sum.units()).map_err(|_| MessageError::Member("sum"))?,
        leaves_root: message::hash(json, "leavesRoot")?,
        origin,
    })
}

/// The unsigned commitment of an instance for a month: the top root of each currency.
pub fn write_commitment(id: &str, home: &str, month: Month, tops: &[(Currency, Node)], issued: Timestamp) -> Value {
    let totals: Vec<Value> = tops
        .iter()
        .map(|(currency, top)| {
            let units = i64::try_from(top.sum).expect("a month was summed from amounts");
            let sum = Amount::from_units(units, *currency).to_wire();
            json!({ "currency": currency.as_str(), "sum": sum, "root": hex::encode(top.hash) })
        })
        .collect();
    json!({
        "@context": message::context(),
        "type": "flattr:MonthCommitment",
        "id": id,
        "attributedTo": home,
        "month": month.to_string(),
        "issued": issued.floor_to_second().to_string(),
        "totals": totals,
    })
}

/// The top root of one currency in a commitment.
pub fn read_top(commitment: &Value, currency: Currency) -> Option<Node> {
    let totals = commitment.get("totals")?.as_array()?;
    let total = totals.iter().find(|total| total.get("currency").and_then(Value::as_str) == Some(currency.as_str()))?;
    let sum = Amount::parse(total.get("sum")?.as_str()?, currency).ok()?;
    Some(Node { sum: u64::try_from(sum.units()).ok()?, hash: message::hash(total, "root").ok()? })
}

/// What a creditor checks of a statement before it looks at its own creators.
///
/// - `commitment`: the document at the statement's `commitment`, its proof already verified against the debtor's key.
/// - errors: the code of the Reject that answers it.
pub fn check(
    offer: &StatementOffer,
    creditor: &str,
    debtor: &str,
    lines: &[StatedLine],
    commitment: &Value,
) -> Result<(), RejectCode> {
    let currency = offer.sum.currency();
    let nodes: Vec<Node> = lines.iter().map(StatedLine::subtotal).collect();
    let stated = root(&nodes).ok_or(RejectCode::SumMismatch)?;
    let count =
        |select: fn(&StatedLine) -> u64| lines.iter().try_fold(0_u64, |sum, line| sum.checked_add(select(line)));
    let likes = count(|line| line.like_count).ok_or(RejectCode::SumMismatch)?;
    let creators: std::collections::BTreeSet<&str> = lines.iter().map(|line| line.creator.as_str()).collect();
    if i64::try_from(stated.sum) != Ok(offer.sum.units())
        || i64::try_from(likes) != Ok(offer.like_count)
        || i64::try_from(creators.len()) != Ok(offer.creator_count)
    {
        return Err(RejectCode::SumMismatch);
    }
    if stated != offer.root {
        return Err(RejectCode::RootMismatch);
    }
    let is_theirs = commitment.get("attributedTo").and_then(Value::as_str) == Some(debtor)
        && commitment.get("month").and_then(Value::as_str) == Some(&offer.month.to_string());
    if !is_theirs || proof::digest(commitment) != offer.commitment_digest {
        return Err(RejectCode::RootMismatch);
    }
    let top = read_top(commitment, currency).ok_or(RejectCode::RootMismatch)?;
    if climb(group("peers", creditor, offer.root), &offer.commitment_path) != Some(top) {
        return Err(RejectCode::RootMismatch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::commitment::Seed;
    use crate::domain::month_tree::{CountedShare, Place, build};

    const ALPHA: &str = "https://alpha.example/instance";
    const BETA: &str = "https://beta.example/instance";

    fn case() -> (StatementOffer, Vec<StatedLine>, Value) {
        let share = |(number, creator): (i64, &str)| CountedShare {
            key: format!("key {number}"),
            units: 1_000 + number,
            place: Place::Creator {
                peer: BETA.to_owned(),
                creator: creator.to_owned(),
                identity: format!("github:{creator}"),
                origin: None,
            },
        };
        let mut shares: Vec<CountedShare> = (0..).zip(["carol", "carol", "dave"]).map(share).collect();
        shares.push(CountedShare { key: "held".to_owned(), units: 5, place: Place::Held("github:1".to_owned()) });
        let tree = build(&Seed::new(&[3; 32]), &shares).unwrap();
        let peer = &tree.peers[BETA];
        let month: Month = "2013-06".parse().unwrap();
        let id = "https://alpha.example/commitments/2013-06";
        let commitment = write_commitment(id, ALPHA, month, &[(Currency::EUR, tree.top)], month.freeze());
        let offer = StatementOffer {
            month,
            sum: Amount::from_units(i64::try_from(peer.root.sum).unwrap(), Currency::EUR),
            like_count: 3,
            creator_count: 2,
            root: peer.root,
            commitment: id.to_owned(),
            commitment_digest: proof::digest(&commitment),
            commitment_path: peer.path.clone(),
            expires: month.statement_expiry(),
        };
        let line = |line: &crate::domain::month_tree::Line| StatedLine {
            creator: line.creator.clone(),
            identity: line.identity.clone(),
            like_count: line.like_count,
            sum: line.leaves.sum,
            leaves_root: line.leaves.hash,
            origin: line.origin,
        };
        (offer, peer.lines.iter().map(line).collect(), commitment)
    }

    #[test]
    fn a_true_statement_passes_and_its_lines_read_back() {
        let (offer, lines, commitment) = case();
        assert_eq!(check(&offer, BETA, ALPHA, &lines, &commitment), Ok(()));
        for line in &lines {
            assert_eq!(read_line(&write_line(line, Currency::EUR), Currency::EUR).as_ref(), Ok(line));
        }
    }

    #[test]
    fn every_lie_is_refused_with_its_code() {
        let (offer, lines, commitment) = case();
        let refused = |offer: &StatementOffer, lines: &[StatedLine], commitment: &Value| {
            check(offer, BETA, ALPHA, lines, commitment).unwrap_err()
        };
        // A line that pays more, with the total it had.
        let mut inflated = lines.clone();
        inflated[0].sum += 1;
        assert_eq!(refused(&offer, &inflated, &commitment), RejectCode::SumMismatch);
        // The same total, moved from one creator to another.
        inflated[1].sum -= 1;
        assert_eq!(refused(&offer, &inflated, &commitment), RejectCode::RootMismatch);
        // A line left out.
        assert_eq!(refused(&offer, &lines[1..], &commitment), RejectCode::SumMismatch);
        // A statement for somebody else.
        assert_eq!(
            check(&offer, "https://gamma.example/instance", ALPHA, &lines, &commitment),
            Err(RejectCode::RootMismatch)
        );
        // Another commitment than the one that was published.
        let mut other = commitment.clone();
        other["issued"] = json!("2013-07-05T00:00:00Z");
        assert_eq!(refused(&offer, &lines, &other), RejectCode::RootMismatch);
        let july = StatementOffer { month: offer.month.next(), ..offer.clone() };
        assert_eq!(refused(&july, &lines, &commitment), RejectCode::RootMismatch);
        let pathless = StatementOffer { commitment_path: Vec::new(), ..offer };
        assert_eq!(refused(&pathless, &lines, &commitment), RejectCode::RootMismatch);
    }
}
