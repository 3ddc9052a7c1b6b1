//! What a payment costs, by the product's schedule.

use crate::{FeeEvent, FeeItem, PaymentKind};

/// The fee on `amount` minor units; `None` if it does not fit 64 bits. Never falls as the amount grows.
pub(crate) fn fee_of(items: &[FeeItem], kind: PaymentKind, cross_border: bool, amount: i64) -> Option<i64> {
    if kind == PaymentKind::AccountCheck {
        return Some(0);
    }
    let mut sum = 0_i64;
    for item in items {
        let applies = match item.event {
            FeeEvent::Purchase => kind == PaymentKind::Purchase,
            FeeEvent::CrossBorder => cross_border,
            FeeEvent::Cash => kind == PaymentKind::Cash,
        };
        if applies {
            sum = sum.checked_add(item.on(amount)?)?;
        }
    }
    Some(sum)
}

impl FeeItem {
    /// This item's fee on `amount`.
    fn on(&self, amount: i64) -> Option<i64> {
        // Half a minor unit rounds up.
        let share = (i128::from(amount) * i128::from(self.basis_points) + 5_000) / 10_000;
        let fee = i64::try_from(i128::from(self.flat) + share).ok()?.max(self.min);
        Some(self.max.map_or(fee, |max| fee.min(max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(flat: i64, basis_points: u32, min: i64, max: Option<i64>) -> FeeItem {
        FeeItem { id: 1, event: FeeEvent::Purchase, flat, basis_points, min, max }
    }

    #[test]
    fn flat_share_min_and_max() {
        assert_eq!(item(30, 150, 0, None).on(10_000), Some(180));
        assert_eq!(item(0, 50, 0, None).on(100), Some(1), "half rounds up");
        assert_eq!(item(0, 49, 0, None).on(100), Some(0));
        assert_eq!(item(0, 10, 25, None).on(100), Some(25));
        assert_eq!(item(0, 1_000, 0, Some(70)).on(10_000), Some(70));
        assert_eq!(item(i64::MAX, 1, 0, None).on(i64::MAX), None);
    }

    #[test]
    fn only_what_applies_is_charged() {
        let mut abroad = item(100, 0, 0, None);
        abroad.event = FeeEvent::CrossBorder;
        let items = [item(1, 0, 0, None), abroad];
        assert_eq!(fee_of(&items, PaymentKind::Purchase, true, 5), Some(101));
        assert_eq!(fee_of(&items, PaymentKind::Purchase, false, 5), Some(1));
        assert_eq!(fee_of(&items, PaymentKind::Cash, false, 5), Some(0));
        assert_eq!(fee_of(&items, PaymentKind::AccountCheck, true, 0), Some(0));
    }
}
