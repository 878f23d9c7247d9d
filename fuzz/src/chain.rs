//! Everything that xln-chain decodes: the Depository's packed bytes and words, a watcher's cursor, and the blocks and logs of
//! a node that says anything at all.

use std::sync::{Arc, Mutex};

use alloy_primitives::{B256, LogData, U256};
use xln_chain::codec::{
    Bucket, EventHead, dispute_hash, encode_dispute, encode_fundings, encode_operations, parse_dispute, parse_fundings,
    parse_operations, split_token_reserve,
};
use xln_chain::embedded::ready;
use xln_chain::{Bytes, Chain, ChainError, Cursor, Header, Log, LogFilter, Receipt, Transaction, WatchConfig, Watcher};
use xln_core::chain::ChainFact;
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, EntityId, Hash, Pair, UnixSeconds};

/// The first byte says which decoder.
pub fn chain_decode(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => dispute(bytes),
        1 => words(bytes),
        2 => fundings(bytes),
        3 => operations(bytes),
        4 => cursor(bytes),
        _ => watcher(bytes),
    }
}

/// Both ends of the channel that the watcher watches for.
pub fn ends() -> [EntityId; 2] {
    [1, 2].map(|n| EntityId::account(Address([n; 20])).expect("an account"))
}

fn dispute(bytes: &[u8]) {
    if let Ok(fact) = parse_dispute(bytes) {
        assert_eq!(encode_dispute(&fact).expect("parsed"), bytes);
        let [left, right] = ends();
        dispute_hash(&Pair::new(left, right).expect("two"), &fact).expect("parsed");
    }
}

fn words(bytes: &[u8]) {
    let Some((word, _)) = bytes.split_first_chunk::<32>() else { return };
    let word = U256::from_be_bytes(*word);
    if let Ok(Bucket { collateral, ondelta }) = Bucket::parse(word) {
        let high: U256 = U256::from(u128::from_be_bytes(ondelta.to_be_bytes())) << 128;
        assert_eq!(high | U256::from(collateral), word);
    }
    if let Ok(EventHead { token, left_reserve, right_reserve, epoch, settlement_nonce }) = EventHead::parse(word) {
        let flags = u128::from(token.is_some()) | u128::from(left_reserve) << 1 | u128::from(right_reserve) << 2;
        let number = token.map_or(0, |token| u128::from(token.0));
        let low = flags << 96 | u128::from(epoch) << 64 | u128::from(settlement_nonce) << 32 | number;
        assert_eq!(U256::from(low), word);
    }
    if let Ok((token, reserve)) = split_token_reserve(word) {
        assert_eq!(U256::from(token.0) << 128 | U256::from(reserve), word);
    }
}

fn fundings(bytes: &[u8]) {
    let [caller, _] = ends();
    if let Ok(parsed) = parse_fundings(&caller, bytes) {
        assert_eq!(encode_fundings(&caller, &parsed).expect("parsed"), bytes);
    }
}

fn operations(bytes: &[u8]) {
    if let Ok(parsed) = parse_operations(bytes) {
        assert_eq!(encode_operations(&parsed).expect("parsed"), bytes);
    }
}

fn cursor(bytes: &[u8]) {
    if let Ok(cursor) = Cursor::parse(bytes) {
        let again = Cursor::parse(&cursor.encode().expect("parsed")).expect("written by ourselves");
        assert_eq!(again, cursor);
        let watcher = Watcher::new(CHAIN, config(), &cursor);
        drop(watcher.cursor());
    }
}

const CHAIN: ChainId = ChainId(31_337);
/// The contracts that are watched: Depository, SubcontractProvider, EntityProvider.
pub const WATCHED: [Address; 3] = [Address([0xd0; 20]), Address([0x5c; 20]), Address([0xee; 20])];

fn config() -> WatchConfig {
    let [entity, _] = ends();
    let [depository, provider, entity_provider] = WATCHED;
    WatchConfig {
        entity,
        depositories: vec![depository],
        providers: vec![provider],
        entity_providers: vec![entity_provider],
        entities: None,
        confirmations: 2,
        start: 0,
        batch_blocks: 8,
        batch_range: 8,
    }
}

/// A node that says what it was told to say. Its blocks need not follow each other.
#[derive(Clone, Default)]
struct Liar(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    blocks: Vec<(Header, Vec<Log>)>,
    asked: u64,
}

impl Liar {
    fn told<T>(&self, read: impl FnOnce(&Told) -> T) -> Result<T, ChainError> {
        let mut told = self.0.lock().expect("one thread");
        told.asked += 1;
        assert!(told.asked < 10_000, "a poll never ends");
        Ok(read(&told))
    }
}

fn unasked<T>() -> Result<T, ChainError> {
    Err(ChainError::OutOfRange)
}

impl Chain for Liar {
    fn chain_id(&self) -> ChainId {
        CHAIN
    }
    async fn head(&self) -> Result<Header, ChainError> {
        self.told(|told| told.blocks.last().map(|(header, _)| *header))?.ok_or(ChainError::OutOfRange)
    }
    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        self.told(|told| told.blocks.iter().map(|(header, _)| *header).find(|header| header.number == number))
    }
    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let logs =
            self.told(|told| told.blocks.iter().find(|(header, _)| header.hash == block).map(|b| b.1.clone()))?;
        Ok(logs.ok_or(ChainError::UnknownBlock(block))?.into_iter().filter(|log| filter.admits(log)).collect())
    }
    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let within = |(header, _): &&(Header, Vec<Log>)| (first..=last).contains(&header.number);
        let logs = self.told(|told| told.blocks.iter().filter(within).flat_map(|b| b.1.clone()).collect::<Vec<_>>())?;
        Ok(logs.into_iter().filter(|log| filter.admits(log)).collect())
    }
    async fn call(&self, _: Address, _: &Transaction) -> Result<Bytes, ChainError> {
        unasked()
    }
    async fn send(&self, _: &LocalSigner, _: Transaction) -> Result<Hash, ChainError> {
        unasked()
    }
    async fn receipt(&self, _: &Hash) -> Result<Option<Receipt>, ChainError> {
        unasked()
    }
    async fn confirm(&self, _: &Hash) -> Result<Receipt, ChainError> {
        unasked()
    }
    async fn balance(&self, _: Address) -> Result<U256, ChainError> {
        unasked()
    }
}

/// Bytes are blocks and logs; see [`logs_as_input`]. Facts only name what the watcher asked about.
fn watcher(mut bytes: &[u8]) {
    let liar = Liar::default();
    let mut watcher = Watcher::new(CHAIN, config(), &Cursor::default());
    let mut facts = 0;
    for _ in 0..64 {
        let Some(op) = take::<1>(&mut bytes).map(|[op]| op) else { break };
        match op % 8 {
            0..=3 => {
                let Some([salt, skip]) = take(&mut bytes) else { break };
                let mut told = liar.0.lock().expect("one thread");
                let last = told.blocks.last().map(|(header, _)| *header);
                let number = last.map_or(0, |h| h.number.saturating_add(1 + u64::from(skip).pow(u32::from(skip / 64))));
                let mut hash = [salt; 32];
                hash[..8].copy_from_slice(&number.to_be_bytes());
                let timestamp = UnixSeconds(u64::from(salt) << (skip % 57));
                let parent = last.map_or(Hash::ZERO, |h| if op % 8 == 3 { Hash([salt; 32]) } else { h.hash });
                let header = Header { number, hash: Hash(hash), parent, timestamp };
                told.blocks.push((header, Vec::new()));
            }
            4 | 5 => {
                let Some(data) = read_log(&mut bytes) else { break };
                let mut told = liar.0.lock().expect("one thread");
                if let Some((header, logs)) = told.blocks.last_mut() {
                    let index = logs.len() as u64;
                    let address = WATCHED[usize::from(op / 8 % 3)];
                    let (number, block) = (header.number, header.hash);
                    logs.push(Log { address, data, number, block, transaction: Hash::ZERO, index });
                }
            }
            6 => {
                let mut told = liar.0.lock().expect("one thread");
                let keep = told.blocks.len().saturating_sub(usize::from(op / 8));
                told.blocks.truncate(keep);
            }
            _ => {
                let cursor = Cursor::parse(&watcher.cursor().encode().expect("its own")).expect("its own");
                if op / 8 % 4 == 0 {
                    watcher = Watcher::new(CHAIN, config(), &cursor);
                }
                liar.0.lock().expect("one thread").asked = 0;
                let found = ready(watcher.poll(&liar)).expect("it answers at once").unwrap_or_default();
                facts += found.len();
                found.iter().for_each(check_fact);
            }
        }
    }
    assert!(facts < 100_000);
}

fn check_fact(fact: &ChainFact) {
    let ([entity, _], [depository, ..]) = (ends(), WATCHED);
    if let ChainFact::Block { changes, .. } = fact {
        for change in changes {
            assert!(change.key.depository == depository && change.pair.side(&entity).is_some());
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

/// Number of topics, topics, `u16` length, data.
fn read_log(bytes: &mut &[u8]) -> Option<LogData> {
    let [topics] = take(bytes)?;
    let topics = (0..topics % 5).map(|_| take(bytes).map(B256::new)).collect::<Option<Vec<_>>>()?;
    let length = usize::from(u16::from_be_bytes(take(bytes)?)).min(bytes.len());
    let (data, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(LogData::new_unchecked(topics, data.to_vec().into()))
}

/// The input of [`chain_decode`] that shows the watcher these logs, each in a block of its own, and polls.
pub fn logs_as_input(logs: &[Log]) -> Vec<u8> {
    let mut bytes = vec![5];
    for log in logs {
        let place = WATCHED.iter().position(|address| *address == log.address).unwrap_or(0);
        bytes.extend_from_slice(&[0, 7, 0, 4 + 8 * place as u8, log.data.topics().len() as u8]);
        log.data.topics().iter().for_each(|topic| bytes.extend_from_slice(topic.as_slice()));
        bytes.extend_from_slice(&(log.data.data.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&log.data.data);
        bytes.push(15);
    }
    bytes.extend_from_slice(&[0, 1, 0, 0, 1, 0, 0, 1, 0, 15, 7]);
    bytes
}
