// One field of every shape that the crate's types are made of.

#[derive(Clone, PartialEq, Debug, Reads, Writes)]
pub(crate) struct All {
    pub(crate) small: u8,
    pub(crate) flag: bool,
    pub(crate) short: u16,
    pub(crate) medium: u32,
    pub(crate) long: u64,
    pub(crate) wide: u128,
    pub(crate) signed: i64,
    pub(crate) wide_signed: i128,
    pub(crate) hash: [u8; 32],
    pub(crate) bytes: Vec<u8>,
    pub(crate) pairs: Vec<(u32, i128)>,
    pub(crate) maybe: Option<u64>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) map: BTreeMap<u64, [u8; 20]>,
}

#[derive(Clone, PartialEq, Debug, Reads, Writes)]
pub(crate) enum Kind {
    Unit,
    Tuple(u64),
    Named { left: i128, right: Vec<u8> },
}
