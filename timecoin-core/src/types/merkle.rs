//! Merkle trees over transactions and over votes, and the paths that prove one leaf.
//!
//! ```text
//! leaf    = H(leaf_tag, item)              one per item, in order
//! node    = H(node_tag, left ‖ right)      an odd last one moves up as it is
//! root    = H(node_tag, top ‖ count)       count: u32, little-endian
//! no item = H(node_tag, 0u32)
//! ```
//!
//! Leaves, nodes and the root are hashed differently, by tag or by length, and the root binds
//! the count, which fixes the shape. So a root stands for one list only, and a leaf at a
//! position of a root has one path only. Follows PROTOCOL 2.

use std::io::{self, Read};

use borsh::{BorshDeserialize, BorshSerialize};

use super::hash::{Hash256, Hasher, Tag, hash};

/// Most siblings a path can have: the depth of the largest tree that a `u32` counts.
pub const SIBLINGS_MAX: usize = 32;

/// The root of the tree over `leaves`. `leaf_tag` and `node_tag` must differ.
pub fn merkle_root(leaf_tag: Tag, node_tag: Tag, leaves: &[impl AsRef<[u8]>]) -> Hash256 {
    let mut row = leaf_row(leaf_tag, leaves);
    while row.len() > 1 {
        row = row_above(node_tag, &row);
    }
    root_over(node_tag, row.first(), count_of(leaves))
}

/// Proof that an item is at a position of a tree. As received it promises nothing: whether it
/// is one shows when [`MerklePath::root`] gives the root that was expected.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize)]
pub struct MerklePath {
    /// Position of the item, from 0.
    pub index: u32,
    /// Items in the tree.
    pub count: u32,
    /// What each node on the way up is joined with, from the leaf; none where it moves up alone.
    pub siblings: Vec<Hash256>,
}

impl MerklePath {
    /// The path of `leaves[index]`; `None` if there is no such leaf. Costs as much as the root:
    /// for many paths of one tree take a [`MerkleTree`].
    pub fn build(
        leaf_tag: Tag,
        node_tag: Tag,
        leaves: &[impl AsRef<[u8]>],
        index: u32,
    ) -> Option<MerklePath> {
        MerkleTree::new(leaf_tag, node_tag, leaves).path(index)
    }

    /// The root of the tree that has `leaf` at this path; `None` if a tree of `count` items has
    /// no such position or its path has another length.
    pub fn root(&self, leaf_tag: Tag, node_tag: Tag, leaf: &impl AsRef<[u8]>) -> Option<Hash256> {
        if self.index >= self.count {
            return None;
        }
        let mut siblings = self.siblings.iter();
        let mut node = hash(leaf_tag, leaf.as_ref());
        let (mut index, mut width) = (self.index, self.count);
        while width > 1 {
            if index & 1 == 1 {
                node = node_over(node_tag, siblings.next()?, &node);
            } else if index + 1 < width {
                node = node_over(node_tag, &node, siblings.next()?);
            }
            index >>= 1;
            width = width.div_ceil(2);
        }
        match siblings.next() {
            None => Some(root_over(node_tag, Some(&node), self.count)),
            Some(_) => None,
        }
    }
}

impl BorshDeserialize for MerklePath {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<MerklePath> {
        let index = u32::deserialize_reader(reader)?;
        let count = u32::deserialize_reader(reader)?;
        let n_siblings = u32::deserialize_reader(reader)?;
        if n_siblings as usize > SIBLINGS_MAX {
            let message = format!("merkle path of {n_siblings} siblings, at most {SIBLINGS_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let siblings = (0..n_siblings)
            .map(|_| Hash256::deserialize_reader(reader))
            .collect::<io::Result<_>>()?;
        Ok(MerklePath { index, count, siblings })
    }
}

/// A whole tree, from which the path of any leaf is read without hashing.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    /// Rows from the leaves up; each above the first has half the nodes, rounded up.
    rows: Vec<Vec<Hash256>>,
    root: Hash256,
    count: u32,
}

impl MerkleTree {
    /// The tree over `leaves`. `leaf_tag` and `node_tag` must differ.
    pub fn new(leaf_tag: Tag, node_tag: Tag, leaves: &[impl AsRef<[u8]>]) -> MerkleTree {
        let mut rows = Vec::new();
        let mut row = leaf_row(leaf_tag, leaves);
        while row.len() > 1 {
            let above = row_above(node_tag, &row);
            rows.push(row);
            row = above;
        }
        let count = count_of(leaves);
        let root = root_over(node_tag, row.first(), count);
        MerkleTree { rows, root, count }
    }

    /// What [`merkle_root`] gives for the same leaves.
    pub fn root(&self) -> Hash256 {
        self.root
    }

    /// The path of the leaf at `index`; `None` if there is no such leaf.
    pub fn path(&self, index: u32) -> Option<MerklePath> {
        if index >= self.count {
            return None;
        }
        let siblings = self.rows.iter().enumerate().filter_map(|(height, row)| {
            let sibling = (index as usize >> height) ^ 1;
            row.get(sibling).copied()
        });
        Some(MerklePath { index, count: self.count, siblings: siblings.collect() })
    }
}

fn leaf_row(leaf_tag: Tag, leaves: &[impl AsRef<[u8]>]) -> Vec<Hash256> {
    leaves.iter().map(|leaf| hash(leaf_tag, leaf.as_ref())).collect()
}

fn row_above(node_tag: Tag, row: &[Hash256]) -> Vec<Hash256> {
    row.chunks(2)
        .map(|pair| match pair {
            [left, right] => node_over(node_tag, left, right),
            _ => pair[0],
        })
        .collect()
}

fn node_over(node_tag: Tag, left: &Hash256, right: &Hash256) -> Hash256 {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(left.as_bytes());
    bytes[32..].copy_from_slice(right.as_bytes());
    hash(node_tag, &bytes)
}

fn root_over(node_tag: Tag, top: Option<&Hash256>, count: u32) -> Hash256 {
    let mut hasher = Hasher::new(node_tag);
    if let Some(top) = top {
        hasher.update(top.as_bytes());
    }
    hasher.update(&count.to_le_bytes());
    hasher.finish()
}

fn count_of<T>(leaves: &[T]) -> u32 {
    u32::try_from(leaves.len()).expect("what is hashed into a tree is bounded far below 2^32")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEAF: Tag = Tag::VoteLeaf;
    const NODE: Tag = Tag::VoteNode;

    fn leaves(n: usize) -> Vec<Hash256> {
        (0..n).map(|i| hash(Tag::Trace, &i.to_le_bytes())).collect()
    }

    fn root(leaves: &[Hash256]) -> Hash256 {
        merkle_root(LEAF, NODE, leaves)
    }

    #[test]
    fn three_leaves_have_the_documented_root() {
        let items = leaves(3);
        let row: Vec<_> = items.iter().map(|item| hash(LEAF, &item.0)).collect();
        let left = hash(NODE, &[row[0].0, row[1].0].concat());
        let top = hash(NODE, &[left.0, row[2].0].concat());
        let expected = hash(NODE, &[&top.0[..], &[3, 0, 0, 0]].concat());
        assert_eq!(root(&items), expected);
        assert_eq!(root(&[]), hash(NODE, &[0; 4]));
    }

    #[test]
    fn repeating_the_last_leaf_changes_the_root() {
        for n in 1..40 {
            let once = leaves(n);
            let mut twice = once.clone();
            twice.push(once[n - 1]);
            assert_ne!(root(&once), root(&twice), "{n} leaves");
        }
    }

    #[test]
    fn every_leaf_has_a_path_to_the_root() {
        for n in 0..70 {
            let items = leaves(n);
            let tree = MerkleTree::new(LEAF, NODE, &items);
            assert_eq!(tree.root(), root(&items));
            for (index, item) in (0..).zip(&items) {
                let path = tree.path(index).unwrap();
                assert_eq!(path.root(LEAF, NODE, item), Some(tree.root()), "{index}/{n}");
                assert_eq!(MerklePath::build(LEAF, NODE, &items, index), Some(path));
            }
            assert_eq!(tree.path(u32::try_from(n).unwrap()), None);
        }
    }

    #[test]
    fn path_holds_for_one_index_and_count_only() {
        let n = 21;
        let items = leaves(n as usize);
        let tree = MerkleTree::new(LEAF, NODE, &items);
        for index in 0..n {
            let path = tree.path(index).unwrap();
            for (other_index, other_count) in (0..40).flat_map(|i| (0..40).map(move |c| (i, c))) {
                let other = MerklePath { index: other_index, count: other_count, ..path.clone() };
                let holds = other.root(LEAF, NODE, &items[index as usize]) == Some(tree.root());
                assert_eq!(holds, other == path, "{index} as {other_index}/{other_count}");
            }
        }
    }

    #[test]
    fn path_of_another_length_has_no_root() {
        let items = leaves(9);
        let path = MerklePath::build(LEAF, NODE, &items, 8).unwrap();
        let mut longer = path.clone();
        longer.siblings.push(Hash256::ZERO);
        let mut shorter = path.clone();
        shorter.siblings.pop();
        assert_eq!(path.siblings.len(), 1);
        assert_eq!(longer.root(LEAF, NODE, &items[8]), None);
        assert_eq!(shorter.root(LEAF, NODE, &items[8]), None);
    }

    #[test]
    fn largest_counts_do_not_overflow() {
        let path = MerklePath {
            index: u32::MAX - 1,
            count: u32::MAX,
            siblings: vec![Hash256::ZERO; SIBLINGS_MAX],
        };
        assert_eq!(path.root(LEAF, NODE, &Hash256::ZERO), None);
        let one_fewer = MerklePath { siblings: vec![Hash256::ZERO; SIBLINGS_MAX - 1], ..path };
        assert!(one_fewer.root(LEAF, NODE, &Hash256::ZERO).is_some());
    }

    #[test]
    fn node_is_no_leaf() {
        let items = leaves(4);
        let row: Vec<_> = items.iter().map(|item| hash(LEAF, &item.0)).collect();
        let inner = [
            hash(NODE, &[row[0].0, row[1].0].concat()),
            hash(NODE, &[row[2].0, row[3].0].concat()),
        ];
        assert_ne!(root(&items), root(&inner));
    }

    #[test]
    fn too_many_siblings_are_refused_before_they_are_read() {
        let bytes = [0u32, 1, u32::MAX].map(u32::to_le_bytes).concat();
        let error = borsh::from_slice::<MerklePath>(&bytes).unwrap_err();
        assert!(error.to_string().contains("at most 32"), "{error}");
    }

    proptest! {
        #[test]
        fn path_is_decoded_as_encoded(n in 1u32..200, at in any::<prop::sample::Index>()) {
            let index = u32::try_from(at.index(n as usize)).unwrap();
            let path = MerklePath::build(LEAF, NODE, &leaves(n as usize), index).unwrap();
            let bytes = borsh::to_vec(&path).unwrap();
            prop_assert_eq!(borsh::from_slice::<MerklePath>(&bytes).unwrap(), path);
            prop_assert!(borsh::from_slice::<MerklePath>(&bytes[1..]).is_err());
        }

        #[test]
        fn altered_path_leads_elsewhere(n in 2u32..100, at in any::<prop::sample::Index>(), bit in 0usize..256) {
            let items = leaves(n as usize);
            let index = at.index(n as usize);
            let mut path = MerklePath::build(LEAF, NODE, &items, u32::try_from(index).unwrap()).unwrap();
            path.siblings[0].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(path.root(LEAF, NODE, &items[index]), Some(root(&items)));
        }
    }
}
