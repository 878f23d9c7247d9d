//! How plain data looks to apps: `serde_text.rs` and the derives behind the feature `serde`.
#![cfg(feature = "serde")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests say what they expect by failing")]

use serde_json::{Value, from_value, json, to_value};
use xln_core::channel::{Arguments, ChannelConfig, CommandError, CommandId, Event, Purpose};
use xln_core::commitment::Evidence;
use xln_core::crypto::Signature;
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::state::{Payment, Pending};
use xln_core::types::{
    Address, ChainId, EntityId, Hash, HashKind, Nonce, Secret, Side, SubchannelKey, TokenId, UnixSeconds,
};

fn key() -> SubchannelKey {
    SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) }
}

fn same<T>(value: &T, shown: &Value)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + core::fmt::Debug,
{
    assert_eq!(&to_value(value).unwrap(), shown);
    assert_eq!(&from_value::<T>(shown.clone()).unwrap(), value);
}

#[test]
fn ids_and_bytes_are_hex() {
    let depository = format!("0x{}", "d0".repeat(20));
    same(&key(), &json!({ "chain": 1, "depository": depository }));
    same(&Hash([0xab; 32]), &json!(format!("0x{}", "ab".repeat(32))));
    same(&Secret([7; 32]), &json!(format!("0x{}", "07".repeat(32))));
    same(&EntityId::account(Address([9; 20])).unwrap(), &json!(format!("0x{}{}", "00".repeat(12), "09".repeat(20))));
    same(&Signature::new(vec![1, 2]).unwrap(), &json!("0x0102"));
    same(&HashKind::Sha256, &json!("sha256"));
    same(&Side::Right, &json!("right"));
    same(&[UnixSeconds(5)], &json!([5]));
    let arguments = Arguments { evidence: None, fills: vec![3], body: Some(vec![4]) };
    same(&arguments, &json!({ "evidence": null, "fills": "0x03", "body": "0x04" }));
    let evidence = Evidence {
        key: key(),
        epoch: 1,
        nonce: Nonce(4),
        body: vec![5],
        path: vec![Hash::ZERO],
        root: Hash([1; 32]),
        left: None,
        right: Some(Signature::new(vec![6]).unwrap()),
    };
    let shown = to_value(&evidence).unwrap();
    assert_eq!((&shown["body"], &shown["right"], &shown["nonce"]), (&json!("0x05"), &json!("0x06"), &json!(4)));
    same(&evidence, &shown);
}

#[test]
fn amounts_are_numbers() {
    let big = i128::MAX;
    let update = SettlementUpdate {
        diffs: vec![TokenDiff { token: TokenId(1), left: -big, right: big, ondelta: 0 }],
        forgiven: vec![],
    };
    // serde_json keeps integers of 64 bits only in its values, so text is compared here.
    let text = serde_json::to_string(&update).unwrap();
    assert_eq!(text, format!(r#"{{"diffs":[{{"token":1,"left":-{big},"right":{big},"ondelta":0}}],"forgiven":[]}}"#));
    assert_eq!(serde_json::from_str::<SettlementUpdate>(&text).unwrap(), update);
}

#[test]
fn what_is_left_out_of_a_config_is_its_default_and_nothing_is_misspelt() {
    assert_eq!(from_value::<ChannelConfig>(json!({})).unwrap(), ChannelConfig::default());
    let changed = from_value::<ChannelConfig>(json!({ "vigilant": false, "maxChannels": 3 })).unwrap();
    assert_eq!(changed, ChannelConfig { vigilant: false, max_channels: 3, ..ChannelConfig::default() });
    assert!(from_value::<ChannelConfig>(json!({ "vigilnat": false })).is_err());
    assert!(from_value::<SubchannelKey>(json!({ "chain": 1 })).is_err());
}

#[test]
fn what_is_no_id_is_refused() {
    for text in ["", "00", "0x0", "0xzz", &"ab".repeat(32), &format!("0x{}", "ab".repeat(31))] {
        assert!(from_value::<Hash>(json!(text)).is_err(), "{text}");
    }
    for id in
        [format!("0x{}", "00".repeat(32)), format!("0x09{}", "00".repeat(31)), format!("0x00ff{}", "11".repeat(30))]
    {
        assert!(from_value::<EntityId>(json!(id)).is_err(), "{id}");
    }
    assert!(from_value::<Signature>(json!(format!("0x{}", "00".repeat(4097)))).is_err());
}

#[test]
fn kinds_are_told_by_type_and_errors_by_what_they_say() {
    let peer = EntityId::account(Address([9; 20])).unwrap();
    let failed = Event::CommandFailed { command: CommandId(3), error: CommandError::QueueFull };
    let said = CommandError::QueueFull.to_string();
    assert_eq!(to_value(&failed).unwrap(), json!({ "type": "commandFailed", "command": 3, "error": said }));
    let committed = Event::Committed { peer, height: 2, proposer: Side::Left };
    let shown = json!({ "type": "committed", "peer": peer.to_string(), "height": 2, "proposer": "left" });
    assert_eq!(to_value(&committed).unwrap(), shown);
    assert_eq!(to_value(Purpose::Ack).unwrap(), json!({ "type": "ack" }));
    let payment = Payment {
        payer: Side::Left,
        token: TokenId(1),
        amount: 5,
        kind: HashKind::Keccak256,
        hash: Hash::ZERO,
        expiry: UnixSeconds(9),
        onion: vec![1],
        revealed_at: None,
    };
    let shown = to_value(Pending::Payment(payment)).unwrap();
    assert_eq!(
        (&shown["type"], &shown["onion"], &shown["revealedAt"]),
        (&json!("payment"), &json!("0x01"), &Value::Null)
    );
}
