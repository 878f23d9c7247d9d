//! Onions: each hop opens one layer and learns what it forwards, to whom, until when, and nothing else. Sphinx in the form
//! that BOLT 4 made known, with layers of one size (`docs/protocol.md` section 9, bytes in `docs/wire.md`).

use alloc::vec::Vec;

use super::keys::{InvalidOnionKey, OnionKey, OnionPublicKey, PUBLIC_BYTES, SharedSecret, exchange, noise};
use crate::limits::MAX_ONION_BYTES;
use crate::types::{Address, ChainId, EntityId, Hash, HashKind, SubchannelKey, TokenId, UnixSeconds};

/// Hops of a route at most, the recipient included.
pub const MAX_HOPS: usize = 10;
/// Bytes of one layer's content.
const LAYER: usize = 96;
/// A layer and the authentication of what is inside.
const SLOT: usize = LAYER + MAC;
const MAC: usize = 32;
const SLOTS: usize = SLOT * MAX_HOPS;
const HEAD: usize = 1 + PUBLIC_BYTES;
/// Bytes of every onion, however many hops it still has.
pub const ONION_BYTES: usize = HEAD + SLOTS + MAC;
const _: () = assert!(ONION_BYTES <= MAX_ONION_BYTES, "an onion fits a payment");
const VERSION: u8 = 1;

const FORWARD: u8 = 1;
const RECEIVE: u8 = 2;

/// What one hop is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// Forward it.
    Forward {
        /// To whom.
        next: EntityId,
        /// In which subchannel with it.
        key: SubchannelKey,
        /// In which token.
        token: TokenId,
        /// How much, in the token's base unit.
        amount: u128,
        /// With which expiry.
        expiry: UnixSeconds,
    },
    /// It has arrived.
    Receive {
        /// How much the sender wants the recipient to have at least.
        amount: u128,
        /// The earliest expiry that the sender gave it.
        expiry: UnixSeconds,
    },
}

/// Why an onion cannot be made or opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OnionError {
    /// No hop, or more than [`MAX_HOPS`].
    #[error("a route has 1 to {MAX_HOPS} hops")]
    Hops,
    /// A key is no key.
    #[error(transparent)]
    Key(#[from] InvalidOnionKey),
    /// Not [`ONION_BYTES`] of a known version.
    #[error("not an onion")]
    Malformed,
    /// Made for another hop or another lock, or changed on the way.
    #[error("onion is not for this hop and this lock")]
    NotForMe,
    /// It was opened rightly and says nothing that can be understood.
    #[error("layer says nothing known")]
    UnknownLayer,
}

/// What a hop found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peeled {
    /// What it is told.
    pub layer: Layer,
    /// The onion for the next hop; of no use after [`Layer::Receive`].
    pub next: Vec<u8>,
    /// What it shares with the sender, to say why it failed.
    pub shared: SharedSecret,
}

/// Wraps layers, the first hop's first, for locks under `(kind, hash)`. `session` are 32 random bytes, used once: the same
/// session for two routes would show every hop that they are related.
///
/// # Errors
/// [`OnionError::Hops`] or [`OnionError::Key`].
pub fn wrap(
    layers: &[(OnionPublicKey, Layer)],
    (kind, hash): (HashKind, &Hash),
    session: &[u8; 32],
) -> Result<(Vec<u8>, Vec<SharedSecret>), OnionError> {
    if layers.is_empty() || layers.len() > MAX_HOPS {
        return Err(OnionError::Hops);
    }
    let (ephemeral, shared) = exchange(session, layers.iter().map(|(key, _)| *key))?;
    // Noise behind the last layer, so that its hop cannot tell how many there were.
    let mut slots = alloc::vec![0; SLOTS];
    noise(session, &mut slots);
    let mut tag = [0; MAC];
    let filler = filler(&shared);
    for (index, ((_, layer), secret)) in layers.iter().zip(&shared).enumerate().rev() {
        slots.truncate(SLOTS.saturating_sub(SLOT));
        let mut inner = layer.encode().to_vec();
        inner.extend_from_slice(&tag);
        inner.append(&mut slots);
        slots = inner;
        secret.cipher(b"layer", &mut slots);
        if index.checked_add(1) == Some(layers.len()) {
            slots.truncate(SLOTS.saturating_sub(filler.len()));
            slots.extend_from_slice(&filler);
        }
        tag = secret.authenticate(b"onion", &[&slots, &[kind.index()], hash.as_bytes()]);
    }
    Ok((assemble(&ephemeral, &slots, &tag), shared))
}

/// What the hops before the last will have shifted in, seen from the last: it must be there already when it is authenticated.
fn filler(shared: &[SharedSecret]) -> Vec<u8> {
    let mut filler: Vec<u8> = Vec::new();
    let before = shared.split_last().map_or(&[][..], |(_, before)| before);
    for secret in before {
        let start = SLOTS.saturating_sub(filler.len());
        filler.resize(filler.len().saturating_add(SLOT), 0);
        let mut text = alloc::vec![0; start];
        text.extend_from_slice(&filler);
        secret.cipher(b"layer", &mut text);
        filler = text.split_off(start);
    }
    filler
}

/// Opens the outer layer with a node's key, for a lock under `(kind, hash)`.
///
/// # Errors
/// [`OnionError`]; a hop that can open nothing can say nothing to the sender either.
pub fn peel(onion: &[u8], key: &OnionKey, (kind, hash): (HashKind, &Hash)) -> Result<Peeled, OnionError> {
    let (ephemeral, slots, tag) = parse(onion).ok_or(OnionError::Malformed)?;
    let (shared, next_key) = key.open(&OnionPublicKey::new(*ephemeral)?)?;
    if !shared.verify(b"onion", &[slots, &[kind.index()], hash.as_bytes()], tag) {
        return Err(OnionError::NotForMe);
    }
    let mut text = slots.to_vec();
    text.resize(SLOTS.saturating_add(SLOT), 0);
    shared.cipher(b"layer", &mut text);
    let (layer, rest) = text.split_first_chunk::<LAYER>().ok_or(OnionError::Malformed)?;
    let (next_tag, rest) = rest.split_first_chunk::<MAC>().ok_or(OnionError::Malformed)?;
    let layer = Layer::decode(layer).ok_or(OnionError::UnknownLayer)?;
    Ok(Peeled { layer, next: assemble(&next_key, rest, next_tag), shared })
}

/// Whether the bytes that a payment carries say that they are an onion. Other first bytes are other people's.
#[must_use]
pub fn is_onion(bytes: &[u8]) -> bool {
    bytes.first() == Some(&VERSION)
}

fn assemble(ephemeral: &OnionPublicKey, slots: &[u8], tag: &[u8; MAC]) -> Vec<u8> {
    [&[VERSION], ephemeral.as_bytes().as_slice(), slots, tag].concat()
}

fn parse(onion: &[u8]) -> Option<(&[u8; PUBLIC_BYTES], &[u8], &[u8; MAC])> {
    let (version, rest) = onion.split_first()?;
    let (ephemeral, rest) = rest.split_first_chunk::<PUBLIC_BYTES>()?;
    let (slots, tag) = rest.split_last_chunk::<MAC>()?;
    (*version == VERSION && slots.len() == SLOTS).then_some((ephemeral, slots, tag))
}

impl Layer {
    /// Numbers big-endian, the rest zero.
    fn encode(&self) -> [u8; LAYER] {
        let bytes = match self {
            Self::Forward { next, key, token, amount, expiry } => [
                &[FORWARD],
                next.as_bytes().as_slice(),
                &key.chain.0.to_be_bytes(),
                key.depository.as_bytes(),
                &token.0.to_be_bytes(),
                &amount.to_be_bytes(),
                &expiry.0.to_be_bytes(),
            ]
            .concat(),
            Self::Receive { amount, expiry } => {
                [&[RECEIVE], amount.to_be_bytes().as_slice(), &expiry.0.to_be_bytes()].concat()
            }
        };
        let mut layer = [0; LAYER];
        layer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        layer
    }

    fn decode(bytes: &[u8; LAYER]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (layer, rest) = match *tag {
            FORWARD => {
                let (next, rest) = rest.split_first_chunk()?;
                let (chain, rest) = rest.split_first_chunk()?;
                let (depository, rest) = rest.split_first_chunk()?;
                let (token, rest) = rest.split_first_chunk()?;
                let (amount, rest) = rest.split_first_chunk()?;
                let (expiry, rest) = rest.split_first_chunk()?;
                let chain = ChainId(u64::from_be_bytes(*chain));
                let forward = Self::Forward {
                    next: EntityId::parse(*next).ok()?,
                    key: SubchannelKey { chain, depository: Address(*depository) },
                    token: TokenId(u32::from_be_bytes(*token)),
                    amount: u128::from_be_bytes(*amount),
                    expiry: UnixSeconds(u64::from_be_bytes(*expiry)),
                };
                (forward, rest)
            }
            RECEIVE => {
                let (amount, rest) = rest.split_first_chunk()?;
                let (expiry, rest) = rest.split_first_chunk()?;
                let (amount, expiry) = (u128::from_be_bytes(*amount), UnixSeconds(u64::from_be_bytes(*expiry)));
                (Self::Receive { amount, expiry }, rest)
            }
            _ => return None,
        };
        rest.iter().all(|byte| *byte == 0).then_some(layer)
    }
}
