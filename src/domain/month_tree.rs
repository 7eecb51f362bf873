//! The tree of one month and currency, built from the shares of an instance.
//!
//! Owns how shares are grouped (fees, held, carried, returns, one root for each peer) and in which order they stand, so
//! that a resumed close builds the same tree. The hashes themselves are in [`super::commitment`].

use std::collections::BTreeMap;

use super::commitment::{Hash, Node, Seed, Sibling, group, leaf, path, root, subtotal};
use super::time::Month;

/// One share that this commitment must account for.
#[derive(Clone, Debug)]
pub struct CountedShare {
    /// The text of its flattr key.
    pub key: String,
    pub units: i64,
    pub place: Place,
}

/// Where a share stands at the freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// With a creator; `peer` is the URI of the creator's home, our own included.
    Creator { peer: String, creator: String, identity: String, origin: Option<Month> },
    /// Of this month, without a payee; grouped by identity or post.
    Held(String),
    /// Held since an earlier month.
    Carried(String),
    /// Was held and has gone back to its patron since the last freeze.
    Returned(String),
    /// The fee of one patron; the key is then `fee`, the patron's URI and the month.
    Fee,
}

/// A line of a statement: one creator and external identity, or one like of an earlier month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub creator: String,
    pub identity: String,
    pub like_count: u64,
    /// The root of the line's leaves, and their sum.
    pub leaves: Node,
    pub origin: Option<Month>,
    /// Positions in the input of the shares below this line.
    pub shares: Vec<usize>,
}

impl Line {
    pub fn subtotal(&self) -> Node {
        subtotal(&self.creator, &self.identity, self.like_count, self.leaves)
    }
}

/// What one creditor is owed for the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTree {
    pub lines: Vec<Line>,
    pub root: Node,
    /// From the peer's group node up to the top root.
    pub path: Vec<Sibling>,
}

/// The whole commitment of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthTree {
    pub top: Node,
    pub peers: BTreeMap<String, PeerTree>,
}

/// The root over the subtotals of statement lines, in their order: what a creditor recomputes.
pub fn lines_root(lines: &[Line]) -> Option<Node> {
    root(&lines.iter().map(Line::subtotal).collect::<Vec<Node>>())
}

/// Creator, external identity, and for a like of an earlier month the text of its key.
type LineKey = (String, String, String);

/// Builds the tree of one currency.
///
/// - `shares`: each once, in any order; all of one currency.
/// - returns: `None` when the sums overflow 64 bits, which no real month can.
pub fn build(seed: &Seed, shares: &[CountedShare]) -> Option<MonthTree> {
    let leaves: Vec<Node> = shares.iter().map(|share| leaf(&seed.nonce(&share.key), &share.key, share.units)).collect();
    let mut order: Vec<(Hash, usize)> =
        shares.iter().enumerate().map(|(index, share)| (seed.order(&share.key), index)).collect();
    order.sort_unstable();

    // Lines of a peer, by (creator, identity), or by the single like for one of an earlier month.
    let mut lines: BTreeMap<String, BTreeMap<LineKey, Vec<usize>>> = BTreeMap::new();
    let mut groups: BTreeMap<&str, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (_, index) in &order {
        let share = &shares[*index];
        let (kind, name) = match &share.place {
            Place::Creator { peer, creator, identity, origin } => {
                let like = origin.map(|_| share.key.clone()).unwrap_or_default();
                let line = (creator.clone(), identity.clone(), like);
                lines.entry(peer.clone()).or_default().entry(line).or_default().push(*index);
                continue;
            }
            Place::Held(name) => ("held", name.clone()),
            Place::Carried(name) => ("carried", name.clone()),
            Place::Returned(name) => ("returns", name.clone()),
            Place::Fee => ("fees", String::new()),
        };
        groups.entry(kind).or_default().entry(name).or_default().push(*index);
    }

    let leaves_root = |indexes: &[usize]| root(&indexes.iter().map(|index| leaves[*index]).collect::<Vec<Node>>());
    let mut peers = BTreeMap::new();
    for (peer, peer_lines) in lines {
        let mut built = Vec::new();
        for ((creator, identity, like), indexes) in peer_lines {
            let origin = match &shares[indexes[0]].place {
                Place::Creator { origin, .. } => *origin,
                _ => None,
            };
            let line = Line {
                leaves: leaves_root(&indexes)?,
                like_count: indexes.len() as u64,
                creator,
                identity,
                origin,
                shares: indexes,
            };
            built.push((seed.order(&format!("{}\n{}\n{like}", line.creator, line.identity)), line));
        }
        built.sort_by_key(|(order, _)| *order);
        let built: Vec<Line> = built.into_iter().map(|(_, line)| line).collect();
        let peer_root = lines_root(&built)?;
        peers.insert(peer, PeerTree { lines: built, root: peer_root, path: Vec::new() });
    }

    // The order of kinds under the top root is fees, held, carried, returns, peers.
    let mut children = Vec::new();
    for kind in ["fees", "held", "carried", "returns"] {
        let mut members = Vec::new();
        for (name, indexes) in groups.get(kind).into_iter().flatten() {
            members.push((seed.order(name), leaves_root(indexes)?));
        }
        members.sort_by_key(|(order, _)| *order);
        if !members.is_empty() {
            let nodes: Vec<Node> = members.into_iter().map(|(_, node)| node).collect();
            children.push(group(kind, "", root(&nodes)?));
        }
    }
    let mut peer_order: Vec<(Hash, String)> = peers.keys().map(|peer| (seed.order(peer), peer.clone())).collect();
    peer_order.sort_unstable();
    let first_peer = children.len();
    children.extend(peer_order.iter().map(|(_, peer)| group("peers", peer, peers[peer].root)));
    for (offset, (_, peer)) in peer_order.iter().enumerate() {
        let siblings = path(&children, first_peer + offset)?;
        peers.get_mut(peer).expect("the order names the peers").path = siblings;
    }
    Some(MonthTree { top: root(&children)?, peers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::commitment::climb;

    fn at(peer: &str, creator: &str, origin: Option<&str>) -> Place {
        Place::Creator {
            peer: peer.to_owned(),
            creator: creator.to_owned(),
            identity: format!("github:{creator}"),
            origin: origin.map(|month| month.parse().unwrap()),
        }
    }

    fn shares() -> Vec<CountedShare> {
        let places = [
            at("beta", "carol", None),
            at("beta", "carol", None),
            at("beta", "dave", None),
            at("gamma", "erin", Some("2013-05")),
            at("gamma", "erin", Some("2013-05")),
            Place::Held("github:7".to_owned()),
            Place::Carried("github:8".to_owned()),
            Place::Returned("github:9".to_owned()),
            Place::Fee,
        ];
        let share = |(number, place)| CountedShare { key: format!("key {number}"), units: 10 + number, place };
        (0_i64..).zip(places).map(share).collect()
    }

    #[test]
    fn the_top_sum_is_every_share_and_each_peer_climbs_to_it() {
        let tree = build(&Seed::new(&[1; 32]), &shares()).unwrap();
        assert_eq!(tree.top.sum, shares().iter().map(|share| share.units as u64).sum::<u64>());
        for (peer, peer_tree) in &tree.peers {
            assert_eq!(lines_root(&peer_tree.lines), Some(peer_tree.root));
            assert_eq!(climb(group("peers", peer, peer_tree.root), &peer_tree.path), Some(tree.top));
        }
    }

    #[test]
    fn likes_of_one_creator_share_a_line_but_those_of_earlier_months_stand_alone() {
        let tree = build(&Seed::new(&[1; 32]), &shares()).unwrap();
        let counts = |peer: &str| {
            let mut counts: Vec<u64> = tree.peers[peer].lines.iter().map(|line| line.like_count).collect();
            counts.sort_unstable();
            counts
        };
        assert_eq!(counts("beta"), [1, 2]);
        assert_eq!(counts("gamma"), [1, 1]);
    }

    #[test]
    fn the_tree_depends_on_the_seed_and_not_on_the_order_of_the_shares() {
        let seed = Seed::new(&[1; 32]);
        let mut turned = shares();
        turned.reverse();
        let (straight, turned) = (build(&seed, &shares()).unwrap(), build(&seed, &turned).unwrap());
        assert_eq!(straight.top, turned.top);
        assert_ne!(straight.top.hash, build(&Seed::new(&[2; 32]), &shares()).unwrap().top.hash);
    }
}
