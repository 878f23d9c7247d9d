//! What the tests share: keys, a world of contracts on an embedded chain, signed states.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses a part")]

mod fault;
mod flaky;

pub use fault::{Fault, Faulty};
pub use flaky::Flaky;
use xln_chain::embedded::ready;
use xln_chain::{ChainError, Deployment, DepositoryClient, EmbeddedChain, TestTokens};
use xln_core::commitment::Evidence;
use xln_core::crypto::Signature;
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::entity::{Board, OrganisationSignature, approval_digest};
use xln_core::proof::{self, Body};
use xln_core::types::{ChainId, EntityId, Hash, Nonce, Pair, UnixSeconds};

/// When the embedded chains of the tests begin.
pub const GENESIS: UnixSeconds = UnixSeconds(1_800_000_000);
/// The dispute window of the tests, in seconds.
pub const WINDOW_S: u64 = 3_600;

/// The outcome of something that an embedded chain does at once.
pub fn now<T>(future: impl Future<Output = Result<T, ChainError>>) -> T {
    attempt(future).unwrap()
}

/// The same where an error is expected.
pub fn attempt<T>(future: impl Future<Output = Result<T, ChainError>>) -> Result<T, ChainError> {
    ready(future).expect("an embedded chain answers at once")
}

/// A key of its own for each number.
pub fn key(number: u8) -> LocalSigner {
    let mut secret = [0x11; 32];
    secret[31] = number;
    LocalSigner::new(&secret).unwrap()
}

/// An embedded chain with the contracts on it.
pub struct World {
    pub chain: EmbeddedChain,
    pub deployment: Deployment,
    pub tokens: TestTokens,
    pub client: DepositoryClient<EmbeddedChain>,
}

impl World {
    pub fn new(chain: u64) -> Self {
        let chain = EmbeddedChain::new(ChainId(chain), GENESIS);
        let deployer = key(200);
        let deployment = now(Deployment::deploy(&chain, &deployer, WINDOW_S));
        let tokens = now(TestTokens::deploy(&chain, &deployer));
        let client = DepositoryClient::new(chain.clone(), deployment).unwrap();
        Self { chain, deployment, tokens, client }
    }

    /// Evidence for a body as the only subchannel of a state, signed by both.
    pub fn evidence(&self, a: &LocalSigner, b: &LocalSigner, epoch: u32, nonce: u64, body: &Body) -> Evidence {
        evidence(&self.deployment, a, b, epoch, nonce, body.encode().unwrap())
    }
}

pub fn pair(a: &LocalSigner, b: &LocalSigner) -> Pair {
    Pair::new(a.entity(), b.entity()).unwrap()
}

pub fn entity(key: &LocalSigner) -> EntityId {
    key.entity()
}

/// Evidence for encoded body bytes, signed by both.
pub fn evidence(d: &Deployment, a: &LocalSigner, b: &LocalSigner, epoch: u32, nonce: u64, body: Vec<u8>) -> Evidence {
    let pair = pair(a, b);
    let (left, right) = if pair.left() == a.entity() { (a, b) } else { (b, a) };
    let leaf = proof::subchannel_leaf(&d.key(), epoch, &proof::body_hash(&body));
    let leaves = [proof::state_leaf(&Hash([7; 32])), leaf];
    let root = proof::root(&leaves);
    let nonce = Nonce(nonce);
    let digest = proof::channel_state_digest(&pair.channel_key(), nonce, &root);
    Evidence {
        key: d.key(),
        epoch,
        nonce,
        body,
        path: proof::path(&leaves, 1),
        root,
        left: Some(left.sign_digest(&digest).unwrap()),
        right: Some(right.sign_digest(&digest).unwrap()),
    }
}

/// A board's signature by these of its members.
pub fn by_board(entity: &EntityId, board: &Board, digest: &Hash, by: &[&LocalSigner]) -> Signature {
    let wrapped = approval_digest(entity, digest);
    let signatures = board.members().iter().map(|member| {
        let signer = by.iter().find(|key| key.entity() == member.entity)?;
        Some(signer.sign_digest(&wrapped).unwrap())
    });
    let signatures = signatures.collect();
    OrganisationSignature::Board { board: board.clone(), signatures }.encode().unwrap()
}

/// Evidence for a body whose state these two signatures carry, each made over the digest.
pub fn evidence_by(
    d: &Deployment,
    pair: &Pair,
    epoch: u32,
    nonce: u64,
    body: &Body,
    sign: [&dyn Fn(&Hash) -> Signature; 2],
) -> Evidence {
    let body = body.encode().unwrap();
    let leaf = proof::subchannel_leaf(&d.key(), epoch, &proof::body_hash(&body));
    let leaves = [proof::state_leaf(&Hash([7; 32])), leaf];
    let (root, nonce) = (proof::root(&leaves), Nonce(nonce));
    let digest = proof::channel_state_digest(&pair.channel_key(), nonce, &root);
    let [left, right] = sign.map(|sign| Some(sign(&digest)));
    Evidence { key: d.key(), epoch, nonce, body, path: proof::path(&leaves, 1), root, left, right }
}
