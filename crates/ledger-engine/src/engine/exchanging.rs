//! Amounts in another asset than the account's: exchanged on the way in, so that all else counts one asset.

use bursar_types::id::{CardId, PaymentId};
use bursar_types::{Asset, Money};

use super::state::State;
use super::step::{Handled, Step, refuse};
use crate::*;

impl State {
    /// The rate at which `from` is exchanged into `to` now.
    pub(crate) fn rate(&self, from: Asset, to: Asset) -> Option<&ExchangeRate> {
        self.rates.get(&(from, to))
    }

    /// The rate a payment of `amount` with a card needs; `None` if it needs none, or there is none.
    pub(crate) fn rate_for(&self, card: CardId, amount: Money) -> Option<&ExchangeRate> {
        let card = self.card(card)?;
        let asset = self.account(card.account)?.asset;
        if asset == amount.asset { None } else { self.rate(amount.asset, asset) }
    }
}

impl Authorize {
    /// What is asked for in the account's asset, at a rate; `None` if it does not fit.
    pub(crate) fn exchanged(&self, rate: &ExchangeRate) -> Option<Self> {
        let amount = rate.convert(self.amount)?;
        // What could be approved in part would have to be told in the merchant's asset.
        Some(Self { amount, partial_allowed: false, ..self.clone() })
    }
}

impl Step<'_> {
    pub(crate) fn set_exchange_rates(&mut self, rates: &[ExchangeRate]) -> Handled {
        if matches!(self.command.actor.role, Role::Customer | Role::Network) {
            return refuse(RefusalReason::RoleNotAllowed, Subject::Command);
        }
        if rates.is_empty() || rates.len() > MAX_RATES {
            return refuse(RefusalReason::TooMany, Subject::Items);
        }
        if !rates.iter().all(ExchangeRate::is_sensible) {
            return refuse(RefusalReason::InvalidField, Subject::Items);
        }
        for rate in rates {
            self.state.rates.insert((rate.from, rate.to), rate.clone());
        }
        self.effects.push(Effect::RatesSet(rates.to_vec()));
        Ok(Outcome::Done)
    }

    /// `amount` in `asset` at the rate there is now, or else at that of `exchange`.
    pub(crate) fn in_asset(
        &self,
        amount: Money,
        asset: Asset,
        exchange: Option<&Exchange>,
    ) -> Result<Money, Refusal> {
        if amount.asset == asset {
            return Ok(amount);
        }
        let known = exchange.map(|exchange| &exchange.rate).filter(|rate| rate.from == amount.asset);
        match self.state.rate(amount.asset, asset).or(known) {
            Some(rate) => rate.convert(amount).ok_or(Refusal::new(RefusalReason::Overflow, Subject::Amount)),
            None => refuse(RefusalReason::AssetMismatch, Subject::Amount),
        }
    }

    /// `amount` in the asset of a card's account; as it is if the card is not known.
    pub(crate) fn in_cards_asset(&self, card: CardId, amount: Money) -> Result<Money, Refusal> {
        let account = self.state.card(card).and_then(|card| self.state.account(card.account));
        match account {
            Some(account) => self.in_asset(amount, account.asset, None),
            None => Ok(amount),
        }
    }

    /// What a payment that no authorization began keeps of its exchange.
    pub(crate) fn exchange_of(&self, merchant: Money, asset: Asset) -> Option<Box<Exchange>> {
        let rate = self.state.rate(merchant.asset, asset).filter(|_| merchant.asset != asset)?.clone();
        Some(Box::new(Exchange { merchant, rate, cleared: 0, refunded: 0 }))
    }

    /// `amount` in a payment's asset at the rate it was decided at: what takes an authorization back.
    pub(crate) fn at_its_rate(&self, payment: &Payment, amount: Money) -> Result<Money, Refusal> {
        match &payment.exchange {
            Some(exchange) if amount.asset == exchange.merchant.asset => {
                exchange.rate.convert(amount).ok_or(Refusal::new(RefusalReason::Overflow, Subject::Amount))
            }
            _ => Ok(amount),
        }
    }

    /// Notes what a step moved in the merchant's asset.
    pub(crate) fn note_exchange(
        &mut self,
        id: PaymentId,
        amount: Money,
        note: impl FnOnce(&mut Exchange, i64),
    ) {
        let Some(payment) = self.state.payments.get_mut(&id) else { return };
        let Some(exchange) = payment.exchange.as_mut().filter(|e| e.merchant.asset == amount.asset) else {
            return;
        };
        note(exchange, amount.minor_units);
        self.effects.push(Effect::PaymentExchanged { payment: id, exchange: exchange.clone() });
    }
}
