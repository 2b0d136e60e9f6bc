use std::iter::FusedIterator;
use std::slice;

use super::node::{Branch, Node, child_at};

/// Entries of a [`CountedMap`](super::CountedMap), ascending by key.
#[derive(Debug)]
pub struct Iter<'a, K, V> {
    /// What is still to come on each inner level, the lowest last.
    levels: Vec<slice::Iter<'a, Branch<K, V>>>,
    leaf: slice::Iter<'a, (K, V)>,
    left: usize,
}

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn new(root: &'a Node<K, V>, mut rank: usize, len: usize) -> Self {
        let left = len.saturating_sub(rank);
        let mut levels = Vec::new();
        let mut node = root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let leaf = entries.get(rank..).unwrap_or_default().iter();
                    return Self { levels, leaf, left };
                }
                Node::Inner(branches) => {
                    let (_, right) = branches.split_at(child_at(branches, &mut rank));
                    let Some((child, rest)) = right.split_first() else {
                        return Self {
                            levels: Vec::new(),
                            leaf: [].iter(),
                            left,
                        };
                    };
                    levels.push(rest.iter());
                    node = &child.node;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                self.left = self.left.saturating_sub(1);
                return Some((key, value));
            }
            match self.levels.last_mut()?.next().map(|branch| &branch.node) {
                Some(Node::Leaf(entries)) => self.leaf = entries.iter(),
                Some(Node::Inner(branches)) => self.levels.push(branches.iter()),
                None => {
                    self.levels.pop();
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

impl<K, V> FusedIterator for Iter<'_, K, V> {}
