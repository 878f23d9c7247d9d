//! Steps on reserves: what an entity does on chain without its peer.

use xln_chain::client::{Funding, Operation as Wanted};
use xln_core::machine::Action;
use xln_core::types::TokenId;

use super::amount::Amount;
use super::file::TokenKind;
use super::ground::{TokenPlace, now};
use super::plan::out_of_range;
use super::refusal::{RunError, Verdict};
use super::shadow::Operation;
use super::step::Act;
use super::world::World;

impl World {
    /// Plays a step on reserves; `None` for any other.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn on_reserves(&mut self, act: &Act) -> Result<Option<Verdict>, RunError> {
        Ok(Some(match act {
            Act::Deposit { by, token, amount } => self.deposit(by, token, *amount)?,
            Act::Withdraw { by, token, amount } => self.withdraw(by, token, *amount)?,
            Act::Transfer { by, to, token, amount } => self.transfer(by, to, token, *amount)?,
            Act::Collateral { .. } => self.collateral(act)?,
            Act::Enforce { of, token, max, by } => {
                self.enforce(of, token, max.map_or(u64::MAX, |m| m.0), by.as_deref())?
            }
            Act::Answer { name, value, chain } => self.set_flag(name, *value, chain.as_deref())?,
            Act::Record { clause, by } => self.record(clause, by.as_deref())?,
            Act::Board { .. } => self.change_board(act)?,
            Act::Reveal { payment, by, secret } => self.reveal(payment, by.as_deref(), secret.as_deref())?,
            _ => return Ok(None),
        }))
    }

    fn deposit(&mut self, by: &str, token: &str, amount: Amount) -> Result<Verdict, RunError> {
        let Some(amount) = amount.unsigned() else { return Ok(Err(out_of_range(amount))) };
        let (party, place) = (self.party(by)?, self.ground.find(token)?);
        let client = &self.ground.place(&place.chain)?.client;
        let id = self.nft_outside(place, by)?;
        let answer = if place.kind == TokenKind::Eth {
            now(client.deposit_eth(&party.signer, &party.id, amount))
        } else {
            now(client.deposit(&party.signer, &party.id, id, amount))
        };
        let (chain, operation) = (place.chain.clone(), Operation::Deposit { by: party.id, token: id, amount });
        self.receipt_of(&chain, &operation, answer)
    }

    fn withdraw(&mut self, by: &str, token: &str, amount: Amount) -> Result<Verdict, RunError> {
        let Some(amount) = amount.unsigned() else { return Ok(Err(out_of_range(amount))) };
        let (party, place) = (self.party(by)?, self.ground.find(token)?);
        let id = self.in_reserve(place, by)?;
        let client = &self.ground.place(&place.chain)?.client;
        let to = party.signer.address();
        let answer = self.operate(by, client, &Wanted::Withdraw { token: id, amount, to })?;
        let (chain, operation) = (place.chain.clone(), Operation::Withdraw { by: party.id, token: id, amount });
        self.receipt_of(&chain, &operation, answer)
    }

    fn transfer(&mut self, by: &str, to: &str, token: &str, amount: Amount) -> Result<Verdict, RunError> {
        let Some(amount) = amount.unsigned() else { return Ok(Err(out_of_range(amount))) };
        let (party, to, place) = (self.party(by)?, self.id(to)?, self.ground.find(token)?);
        let id = self.in_reserve(place, by)?;
        let client = &self.ground.place(&place.chain)?.client;
        let answer = self.operate(by, client, &Wanted::ReserveToReserve { to, token: id, amount })?;
        let (chain, operation) = (place.chain.clone(), Operation::Transfer { by: party.id, to, token: id, amount });
        self.receipt_of(&chain, &operation, answer)
    }

    fn collateral(&mut self, act: &Act) -> Result<Verdict, RunError> {
        let Act::Collateral { by, peer, token, amount, receiver, to } = act else { return Ok(Ok(())) };
        let receiver = receiver.as_ref().unwrap_or(by).clone();
        let mut wanted = to.clone();
        match (peer, amount) {
            (Some(peer), Some(amount)) => wanted.insert(0, (peer.clone(), *amount)),
            (None, None) if !to.is_empty() => {}
            _ => return Err(RunError::Malformed("`collateral` needs `peer` and `amount`, or `to`".to_owned())),
        }
        let mut fundings = Vec::new();
        for (peer, amount) in wanted {
            let Some(amount) = amount.unsigned() else { return Ok(Err(out_of_range(amount))) };
            fundings.push(Funding { receiver: self.id(&receiver)?, peer: self.id(&peer)?, amount });
        }
        let (party, place) = (self.party(by)?, self.ground.find(token)?);
        let id = self.in_reserve(place, by)?;
        let client = &self.ground.place(&place.chain)?.client;
        let answer =
            self.operate(by, client, &Wanted::ReserveToCollateral { token: id, fundings: fundings.clone() })?;
        let fundings = fundings.iter().map(|f| (f.receiver, f.peer, f.amount)).collect();
        let (chain, operation) = (place.chain.clone(), Operation::Collateral { by: party.id, token: id, fundings });
        self.receipt_of(&chain, &operation, answer)
    }

    fn enforce(&mut self, of: &str, token: &str, max: u64, by: Option<&str>) -> Result<Verdict, RunError> {
        let (of, ids, chain) =
            (self.id(of)?, self.ground.find(token)?.ids.clone(), self.ground.find(token)?.chain.clone());
        let key = match by {
            Some(name) => self.party(name)?.signer.clone(),
            None => self.ground.runner.clone(),
        };
        for id in ids {
            let answer = now(self.ground.place(&chain)?.client.enforce_debts(&key, &of, id, max));
            let verdict = self.receipt_of(&chain, &Operation::Enforce { of, token: id, most: max }, answer)?;
            if verdict.is_err() {
                return Ok(verdict);
            }
        }
        Ok(Ok(()))
    }

    fn reveal(&mut self, payment: &str, by: Option<&str>, tried: Option<&str>) -> Result<Verdict, RunError> {
        let lock = self.named("payment", payment)?;
        let by = by.unwrap_or(&lock.peer).to_owned();
        let Some((right, kind)) = lock.secret else {
            return Err(RunError::Unknown { kind: "payment", name: payment.to_owned() });
        };
        let secret = self.tried(right, tried);
        let peer = [(&lock.by, &lock.peer), (&lock.peer, &lock.by)].into_iter().find(|(a, _)| **a == by);
        let place = self.ground.place_of(&lock.key).ok_or(RunError::Value("depository"))?;
        if let Some((_, peer)) = peer {
            let provider = place.client.deployment().subcontract_provider;
            let action = Action::Reveal { key: lock.key, provider, kind, secret };
            return match self.actions(&by, peer, vec![action])? {
                Ok(plan) => self.issue(plan, None),
                Err(refusal) => Ok(Err(refusal)),
            };
        }
        let answer = now(place.client.reveal(&self.party(&by)?.signer, kind, &[secret]));
        let chain = self.ground.name_of(&lock.key);
        self.receipt_of(&chain, &Operation::Reveal { kind, secret }, answer)
    }

    /// The NFT that an entity holds itself, else its own; of any other token its only number.
    fn nft_outside(&self, token: &TokenPlace, by: &str) -> Result<TokenId, RunError> {
        let account = self.party(by)?.signer.address();
        if token.kind == TokenKind::Erc721 {
            for id in &token.ids {
                if self.ground.owns_nft(token, *id, account)? {
                    return Ok(*id);
                }
            }
        }
        self.usual(token, by)
    }

    /// The NFT that an entity has in its reserve, else its own; of any other token its only number.
    fn in_reserve(&self, token: &TokenPlace, by: &str) -> Result<TokenId, RunError> {
        let entity = self.id(by)?;
        if token.kind == TokenKind::Erc721 {
            let client = &self.ground.place(&token.chain)?.client;
            for id in &token.ids {
                if now(client.reserve(&entity, *id))? > 0 {
                    return Ok(*id);
                }
            }
        }
        self.usual(token, by)
    }

    fn usual(&self, token: &TokenPlace, by: &str) -> Result<TokenId, RunError> {
        let own = if token.kind == TokenKind::Erc721 { self.own_nft(&token.ids, by) } else { token.ids.first() };
        own.copied().ok_or(RunError::Value("a token without a number"))
    }
}
