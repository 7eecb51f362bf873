//! The month commitment: a Merkle-sum tree over every counted like, whose root is public and never changes.
//!
//! Owns the hashes: the sum under every node is in its hash, so nobody can be told one story and the public another.
//! Levels: a leaf for each like, a subtotal for each creator (a statement line), a root for each peer, one top root.
//! Source: docs/settlement-protocol.md, "The month commitment". Sums are unsigned and checked for overflow.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;

use super::time::Month;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// A node of the tree: what lies below it adds up to `sum` ledger units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub sum: u64,
    pub hash: Hash,
}

/// What stands beside the path from a node to its root, from the bottom up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    pub node: Node,
    pub is_left: bool,
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// A text in a hash: its UTF-8 length in 4 bytes, big-endian, then its bytes.
fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("texts here are short");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// The secret that blinds a month's leaves: 32 bytes that nobody else can guess, stored in the first stage of the close.
pub struct Seed(hmac::Key);

impl Seed {
    pub fn new(bytes: &[u8; 32]) -> Seed {
        Seed(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The seed of one month, from a secret of the instance: another for each month, and the same when the stage that stores
    /// it is repeated after a crash.
    pub fn for_month(secret: &[u8; 32], month: Month) -> [u8; 32] {
        Seed::new(secret).derive("fedflattr/seed/1", &month.to_string())
    }

    fn derive(&self, purpose: &str, key: &str) -> Hash {
        let tag = hmac::sign(&self.0, format!("{purpose}\n{key}").as_bytes());
        tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    /// What blinds the leaf of a flattr (by its key's text), so that its hash cannot be guessed from a list of posts.
    pub fn nonce(&self, key: &str) -> Hash {
        self.derive("nonce", key)
    }

    /// The place inside a group: neither the order of arrival nor of ids may show.
    pub fn order(&self, key: &str) -> Hash {
        self.derive("order", key)
    }
}

/// The leaf of one like, by its flattr key's text; or of one patron's fee.
pub fn leaf(nonce: &Hash, key: &str, units: i64) -> Node {
    let sum = u64::try_from(units).expect("a share is never negative");
    Node { sum, hash: hash(&[&[0], nonce, &text(key), &sum.to_be_bytes()]) }
}

/// The subtotal of one creator: a line of a statement, over the root of its leaves.
pub fn subtotal(creator: &str, identity: &str, like_count: u64, leaves: Node) -> Node {
    let parts: [&[u8]; 6] =
        [&[2], &text(creator), &text(identity), &like_count.to_be_bytes(), &leaves.sum.to_be_bytes(), &leaves.hash];
    Node { sum: leaves.sum, hash: hash(&parts) }
}

/// A child of the top root: `kind` is fees, held, carried, returns or peers; `peer` is empty for all but the last.
pub fn group(kind: &str, peer: &str, root: Node) -> Node {
    let parts: [&[u8]; 5] = [&[3], &text(kind), &text(peer), &root.sum.to_be_bytes(), &root.hash];
    Node { sum: root.sum, hash: hash(&parts) }
}

/// An inner node. `None` when the sums overflow.
fn inner(left: &Node, right: &Node) -> Option<Node> {
    let sum = left.sum.checked_add(right.sum)?;
    let parts: [&[u8]; 5] = [&[1], &left.sum.to_be_bytes(), &left.hash, &right.sum.to_be_bytes(), &right.hash];
    Some(Node { sum, hash: hash(&parts) })
}

/// The largest power of two below `count`: where RFC 6962 splits a tree of `count` leaves.
fn split(count: usize) -> usize {
    assert!(count > 1, "one leaf is not split");
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

/// The root of a tree with the shape of RFC 6962; an empty one is the SHA-256 of nothing with sum 0.
///
/// - errors: `None` when the sums overflow.
pub fn root(nodes: &[Node]) -> Option<Node> {
    match nodes {
        [] => Some(Node { sum: 0, hash: hash(&[]) }),
        [node] => Some(*node),
        _ => {
            let (left, right) = nodes.split_at(split(nodes.len()));
            inner(&root(left)?, &root(right)?)
        }
    }
}

/// The siblings on the way from the node at `index` to the root, from the bottom up.
pub fn path(nodes: &[Node], index: usize) -> Option<Vec<Sibling>> {
    assert!(index < nodes.len(), "the node is in the tree");
    if nodes.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = nodes.split_at(split(nodes.len()));
    let is_right = index >= left.len();
    let (mut siblings, sibling) = if is_right {
        (path(right, index - left.len())?, Sibling { node: root(left)?, is_left: true })
    } else {
        (path(left, index)?, Sibling { node: root(right)?, is_left: false })
    };
    siblings.push(sibling);
    Some(siblings)
}

/// The root that a node and a path lead to. `None` when the sums overflow: such a path proves nothing.
pub fn climb(node: Node, path: &[Sibling]) -> Option<Node> {
    path.iter().try_fold(
        node,
        |node, sibling| {
            if sibling.is_left { inner(&sibling.node, &node) } else { inner(&node, &sibling.node) }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "https://alpha.example/instance\nhttps://alpha.example/users/alice\ngithub\n1\n2013-06";

    #[test]
    fn an_empty_tree_is_the_hash_of_nothing() {
        let empty = root(&[]).unwrap();
        assert_eq!(empty.sum, 0);
        assert!(hex::encode(empty.hash).starts_with("e3b0c44298fc1c14"));
    }

    #[test]
    fn leaves_depend_on_nonce_key_and_amount() {
        let seed = Seed::new(&[7; 32]);
        let nonce = seed.nonce(KEY);
        let other = KEY.replace("2013-06", "2013-07");
        assert_ne!(leaf(&nonce, KEY, 5).hash, leaf(&nonce, KEY, 6).hash);
        assert_ne!(leaf(&nonce, KEY, 5).hash, leaf(&nonce, &other, 5).hash);
        assert_ne!(nonce, seed.nonce(&other));
        assert_ne!(nonce, Seed::new(&[8; 32]).nonce(KEY));
        assert_eq!(nonce, Seed::new(&[7; 32]).nonce(KEY));
    }

    #[test]
    fn a_subtotal_names_its_creator_and_identity() {
        let leaves = Node { sum: 5, hash: [1; 32] };
        assert_ne!(subtotal("a", "bc", 1, leaves).hash, subtotal("ab", "c", 1, leaves).hash);
        assert_ne!(subtotal("a", "b", 1, leaves).hash, subtotal("a", "b", 2, leaves).hash);
        assert_ne!(group("held", "", leaves).hash, group("carried", "", leaves).hash);
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn nodes(sums: &[u32]) -> Vec<Node> {
        let leaf = |(index, sum): (usize, &u32)| Node { sum: u64::from(*sum), hash: hash(&[&index.to_be_bytes()]) };
        sums.iter().enumerate().map(leaf).collect()
    }

    proptest! {
        #[test]
        fn every_node_climbs_to_the_root(sums in prop::collection::vec(any::<u32>(), 1..70)) {
            let nodes = nodes(&sums);
            let top = root(&nodes).unwrap();
            prop_assert_eq!(top.sum, sums.iter().map(|sum| u64::from(*sum)).sum::<u64>());
            for (index, node) in nodes.iter().enumerate() {
                prop_assert_eq!(climb(*node, &path(&nodes, index).unwrap()), Some(top));
            }
        }

        #[test]
        fn a_changed_sum_never_climbs_to_the_root(sums in prop::collection::vec(any::<u32>(), 2..40), pick: usize) {
            let nodes = nodes(&sums);
            let index = pick % nodes.len();
            let top = root(&nodes).unwrap();
            let mut path = path(&nodes, index).unwrap();
            let mut node = nodes[index];
            node.sum += 1;
            prop_assert_ne!(climb(node, &path), Some(top));
            // Moving an amount between two siblings keeps the total; both sums are hashed, so it is seen as well.
            if let Some(sibling) = path.first_mut().filter(|sibling| sibling.node.sum > 0) {
                sibling.node.sum -= 1;
                prop_assert_ne!(climb(node, &path), Some(top));
            }
        }

        #[test]
        fn sums_that_overflow_prove_nothing(sum in 1_u64..) {
            let big = Node { sum: u64::MAX, hash: [0; 32] };
            let node = Node { sum, hash: [1; 32] };
            prop_assert_eq!(climb(node, &[Sibling { node: big, is_left: true }]), None);
            prop_assert_eq!(root(&[big, node]), None);
        }
    }
}
