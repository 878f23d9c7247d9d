//! The flat maps and sets against the B-trees that they stand for.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wincode::config::DefaultConfig;
use xln_compact::flat::{Entry, Map, Set};

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u16),
    Remove(u8),
    Change(u8, u16),
    Default(u8),
    Vacant(u8, u16),
    Retain(u8),
    Extend(Vec<(u8, u16)>),
    PopFirst,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    // Few keys, so that they meet.
    let key = 0_u8..24;
    prop_oneof![
        8 => (key.clone(), any::<u16>()).prop_map(|(k, v)| Step::Insert(k, v)),
        4 => key.clone().prop_map(Step::Remove),
        2 => (key.clone(), any::<u16>()).prop_map(|(k, v)| Step::Change(k, v)),
        2 => key.clone().prop_map(Step::Default),
        2 => (key.clone(), any::<u16>()).prop_map(|(k, v)| Step::Vacant(k, v)),
        1 => (1_u8..5).prop_map(Step::Retain),
        1 => proptest::collection::vec((key, any::<u16>()), 0..12).prop_map(Step::Extend),
        1 => Just(Step::PopFirst),
        1 => Just(Step::Clear),
    ]
}

/// One step on either; what they give back must be the same. `$entry` is where the entry's enum of the map is.
macro_rules! apply {
    ($map:expr, $step:expr, $entry:path) => {{
        use $entry as Place;
        match $step {
            Step::Insert(key, value) => $map.insert(key, value),
            Step::Remove(key) => $map.remove(&key),
            Step::Change(key, value) => $map.get_mut(&key).map(|old| std::mem::replace(old, value)),
            Step::Default(key) => Some(*$map.entry(key).or_default()),
            Step::Vacant(key, value) => match $map.entry(key) {
                Place::Vacant(place) => Some(*place.insert(value)),
                Place::Occupied(place) => Some(place.remove()),
            },
            Step::Retain(n) => {
                $map.retain(|key, value| {
                    *value = value.wrapping_add(1);
                    !key.is_multiple_of(n)
                });
                None
            }
            Step::Extend(pairs) => {
                $map.extend(pairs);
                None
            }
            Step::PopFirst => $map.pop_first().map(|(key, value)| value ^ u16::from(key)),
            Step::Clear => {
                $map.clear();
                None
            }
        }
    }};
}

proptest! {
    #[test]
    fn a_flat_map_does_what_a_b_tree_does(steps in proptest::collection::vec(step(), 1..80), from in 0_u8..26, to in 0_u8..26) {
        let (mut flat, mut tree) = (Map::new(), BTreeMap::new());
        for step in steps {
            let given = apply!(flat, step.clone(), Entry);
            prop_assert_eq!(given, apply!(tree, step, std::collections::btree_map::Entry));
            prop_assert!(flat.iter().eq(tree.iter()));
        }
        prop_assert_eq!((flat.len(), flat.is_empty()), (tree.len(), tree.is_empty()));
        prop_assert!(flat.keys().eq(tree.keys()) && flat.values().rev().eq(tree.values().rev()));
        prop_assert_eq!(flat.first_key_value(), tree.first_key_value());
        prop_assert_eq!(flat.last_key_value(), tree.last_key_value());
        prop_assert_eq!(format!("{flat:?}"), format!("{tree:?}"));
        prop_assert_eq!(flat.contains_key(&from), tree.contains_key(&from));
        prop_assert!(flat.range(from..).eq(tree.range(from..)));
        prop_assert!(flat.range(..=to).eq(tree.range(..=to)));
        if from <= to {
            prop_assert!(flat.range(from..to).eq(tree.range(from..to)));
            prop_assert!(flat.range(from..=to).eq(tree.range(from..=to)));
        } else {
            prop_assert_eq!(flat.range(from..to).count(), 0);
        }
        for value in flat.values_mut().chain(tree.values_mut()) {
            *value ^= 1;
        }
        for (_, value) in (&mut flat).into_iter().chain(&mut tree) {
            *value ^= 2;
        }
        prop_assert_eq!(&flat, &tree.iter().map(|(k, v)| (*k, *v)).collect());
        prop_assert!(flat.clone().into_keys().eq(tree.clone().into_keys()));
        prop_assert!(flat.clone().into_values().eq(tree.clone().into_values()));
        prop_assert!(flat.into_iter().eq(tree));
    }

    #[test]
    fn a_flat_set_does_what_a_b_tree_does(steps in proptest::collection::vec((0_u8..24, 0_u8..4), 1..80)) {
        let (mut flat, mut tree) = (Set::new(), BTreeSet::new());
        for (member, what) in steps {
            match what {
                0 => prop_assert_eq!(flat.remove(&member), tree.remove(&member)),
                1 if member == 0 => prop_assert_eq!(flat.pop_first(), tree.pop_first()),
                1 if member == 1 => {
                    flat.retain(|other| other % 3 != 0);
                    tree.retain(|other| other % 3 != 0);
                }
                _ => prop_assert_eq!(flat.insert(member), tree.insert(member)),
            }
            prop_assert!(flat.iter().eq(&tree));
            prop_assert_eq!((flat.first(), flat.last(), flat.len()), (tree.first(), tree.last(), tree.len()));
            prop_assert_eq!(flat.contains(&member), tree.contains(&member));
        }
        prop_assert_eq!((format!("{flat:?}"), flat.is_empty()), (format!("{tree:?}"), tree.is_empty()));
        prop_assert!((&flat).into_iter().eq(&tree));
        prop_assert!(flat.into_iter().eq(tree));
    }

    #[test]
    fn both_have_one_encoding(pairs in proptest::collection::vec((any::<u32>(), any::<Vec<u8>>()), 0..20)) {
        let config = DefaultConfig::default().with_varint_encoding();
        let (flat, tree): (Map<_, _>, BTreeMap<_, _>) = (pairs.iter().cloned().collect(), pairs.into_iter().collect());
        let bytes = wincode::config::serialize(&tree, config).unwrap();
        prop_assert_eq!(&wincode::config::serialize(&flat, config).unwrap(), &bytes);
        prop_assert_eq!(&wincode::config::deserialize_exact::<Map<u32, Vec<u8>>, _>(&bytes, config).unwrap(), &flat);
        let keys: (Set<u32>, BTreeSet<u32>) = (flat.into_keys().collect(), tree.into_keys().collect());
        let bytes = wincode::config::serialize(&keys.1, config).unwrap();
        prop_assert_eq!(&wincode::config::serialize(&keys.0, config).unwrap(), &bytes);
        prop_assert_eq!(&wincode::config::deserialize_exact::<Set<u32>, _>(&bytes, config).unwrap(), &keys.0);
    }
}

#[test]
fn keys_out_of_order_or_twice_are_no_map() {
    let config = DefaultConfig::default().with_varint_encoding();
    for (pairs, good) in
        [(vec![(1_u8, 1_u8), (2, 1)], true), (vec![(2, 1), (1, 1)], false), (vec![(1, 1), (1, 2)], false)]
    {
        let bytes = wincode::config::serialize(&pairs, config).unwrap();
        assert_eq!(wincode::config::deserialize_exact::<Map<u8, u8>, _>(&bytes, config).is_ok(), good, "{pairs:?}");
        let keys: Vec<u8> = pairs.into_iter().map(|(key, _)| key).collect();
        let bytes = wincode::config::serialize(&keys, config).unwrap();
        assert_eq!(wincode::config::deserialize_exact::<Set<u8>, _>(&bytes, config).is_ok(), good, "{keys:?}");
    }
}

#[test]
fn ascending_is_sorted_and_distinct() {
    assert_eq!(xln_compact::ascending([3, 1, 2, 3, 1]), [1, 2, 3]);
}
