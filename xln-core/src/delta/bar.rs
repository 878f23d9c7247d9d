//! The picture of a channel for terminals, logs and docs: credit, collateral, credit, and a marker where the balance is
//! (`docs/protocol.md` section 3, "ASCII view").

use alloc::string::String;
use alloy_primitives::U256;

use super::{Delta, DeltaError, derive_delta, parts};
use crate::ratio::ratio;
use crate::types::Side;

/// The narrowest bar: two brackets and one column for each zone.
pub const BAR_MIN_WIDTH: usize = 5;
/// The widest bar.
pub const BAR_MAX_WIDTH: usize = 1024;

/// Draws two lines without a final line break: the zones between brackets, `-` credit and `=` collateral, and below them
/// `|` at the current balance.
///
/// `width` counts the columns of the first line, brackets included; it is brought into
/// [`BAR_MIN_WIDTH`]`..=`[`BAR_MAX_WIDTH`]. Zones are proportional, rounded to columns, and one that is not empty has at least
/// one. The marker stands below the zone that the balance is in, at its outer end if the balance is beyond it. A
/// token without collateral and limits is drawn as blanks. Right sees the mirror image of what left sees.
///
/// # Errors
/// [`DeltaError::Overflow`] as [`derive_delta`].
pub fn bar(input: &Delta, side: Side, width: usize) -> Result<String, DeltaError> {
    let view = derive_delta(input, Side::Left)?;
    let inner = width.clamp(BAR_MIN_WIDTH, BAR_MAX_WIDTH).saturating_sub(2);
    let zones = [view.own_credit_limit, view.collateral, view.peer_credit_limit];
    let widths = zone_widths(zones, view.total_capacity, inner);
    let (above, below) = parts(view.delta);
    let column = marker(zones, widths, above, below, inner);
    Ok(match side {
        Side::Left => draw(widths, column, inner),
        Side::Right => {
            let [left, middle, right] = widths;
            draw([right, middle, left], inner.saturating_sub(1).saturating_sub(column), inner)
        }
    })
}

/// Columns of each zone; together `inner`, or all zero if there is nothing to show.
fn zone_widths(zones: [U256; 3], total: U256, inner: usize) -> [usize; 3] {
    if total.is_zero() {
        return [0; 3];
    }
    let (mut end, mut drawn) = (U256::ZERO, 0_usize);
    let mut widths = zones.map(|zone| {
        end = end.saturating_add(zone);
        let until = scale(end, inner.saturating_mul(2), total).div_ceil(2).min(inner);
        let columns = until.saturating_sub(drawn);
        drawn = until;
        columns
    });
    // A zone that is not empty gets a column, from the widest one. There are at least three.
    for (at, zone) in zones.iter().enumerate() {
        if !zone.is_zero() && widths.get(at) == Some(&0) {
            if let Some(widest) = widths.iter_mut().max() {
                *widest = widest.saturating_sub(1);
            }
            if let Some(width) = widths.get_mut(at) {
                *width = 1;
            }
        }
    }
    widths
}

/// The marker's column, `0 .. inner`.
fn marker(zones: [U256; 3], widths: [usize; 3], above: U256, below: U256, inner: usize) -> usize {
    let [left, collateral, right] = zones;
    let [left_width, middle_width, right_width] = widths;
    let middle_end = left_width.saturating_add(middle_width);
    let column = if left_width == 0 && middle_width == 0 && right_width == 0 {
        inner.checked_div(2).unwrap_or(0)
    } else if !below.is_zero() {
        within(left.saturating_sub(below), left, left_width)
    } else if above > collateral {
        middle_end.saturating_add(within(above.saturating_sub(collateral), right, right_width))
    } else {
        left_width.saturating_add(within(above, collateral, middle_width))
    };
    column.min(inner.saturating_sub(1))
}

/// The column of `value` inside a zone of `size`, its last one at most.
fn within(value: U256, size: U256, columns: usize) -> usize {
    scale(value.min(size), columns, size).min(columns.saturating_sub(1))
}

/// `value * columns / size`, rounded down, exact over the whole range; 0 for an empty zone.
fn scale(value: U256, columns: usize, size: U256) -> usize {
    ratio(value, U256::from(columns), size).and_then(|(quotient, _)| usize::try_from(quotient).ok()).unwrap_or(0)
}

fn draw(widths: [usize; 3], column: usize, inner: usize) -> String {
    let mut text = String::with_capacity(inner.saturating_mul(2).saturating_add(4));
    let mut put = |glyph: char, count: usize| text.extend(core::iter::repeat_n(glyph, count));
    put('[', 1);
    for (glyph, count) in ['-', '=', '-'].into_iter().zip(widths) {
        put(glyph, count);
    }
    if widths == [0; 3] {
        put(' ', inner);
    }
    put(']', 1);
    put('\n', 1);
    put(' ', column.saturating_add(1));
    put('|', 1);
    text
}
