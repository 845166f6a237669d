//! An integer never changes on the way, however it is written; a fraction is the double next to it.
//!
//! Where a literal has a fraction or an exponent, serde_json gives the nearest double and not the literal, and whoever
//! writes a double writes the fewest digits that give it back. Three literals become another number on that way: an
//! integer beyond 2^53 that no double is (`9007199254740993.0`), one whose double is written as another integer
//! (`49744897777625328.0` as `49744897777625330`), and what is so small that its double is zero (`1e-400`). All show in
//! the double, so that a document's text is looked at again only where one of its numbers is zero or at least 2^53.

/// Whether a literal with this value may have been another number.
pub(super) fn is_doubtful(value: f64) -> bool {
    const FIRST_GAP: f64 = 9_007_199_254_740_992.0;
    value == 0.0 || value.abs() >= FIRST_GAP
}

/// The place of the first number that is not what was written, in bytes, and what is wrong with it. `text` is JSON, and
/// no number in it is 2^63 or larger.
pub(super) fn first_changed(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = after_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest.iter().take_while(|b| is_of_number(**b)).count();
                let end = at.saturating_add(length);
                if let Some(problem) = text.get(at..end).and_then(changed) {
                    return Some((at, problem));
                }
                at = end;
            }
            _ => at = at.saturating_add(1),
        }
    }
    None
}

fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start.saturating_add(1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at.saturating_add(1),
            b'\\' => at = at.saturating_add(2),
            _ => at = at.saturating_add(1),
        }
    }
    at
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// What the double next to a literal makes of it, where that is another number.
fn changed(literal: &str) -> Option<&'static str> {
    const ZERO: &str = "a number is so small that it would become zero";
    const INTEGER: &str = "an integer with a fraction or an exponent would become another one: write it without";
    const FRACTION: &str = "a number so large has no fraction that a double can hold: write it without";
    if !literal.contains(['.', 'e', 'E']) {
        return None;
    }
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return None;
    }
    let Ok(double) = literal.parse::<f64>() else { return Some(INTEGER) };
    if double == 0.0 {
        return Some(ZERO);
    }
    // The literal is `significant` times ten to the power of `scale`.
    let zeros = digits.len().saturating_sub(significant.len());
    let Ok(exponent) = exponent.parse::<i64>() else { return Some(INTEGER) };
    let scale = exponent.saturating_add(zeros as i64).saturating_sub(fraction.len() as i64);
    if scale < 0 {
        // Beyond 2^53 every double is an integer.
        return (double.abs() > 9_007_199_254_740_992.0).then_some(FRACTION);
    }
    let power = u32::try_from(scale).ok().and_then(|scale| 10u128.checked_pow(scale));
    let integer = significant.trim_start_matches('0').parse::<u128>().ok();
    let exact = integer.zip(power).and_then(|(integer, power)| integer.checked_mul(power));
    let kept = exact == Some(double.abs() as u128) && exact == double.abs().to_string().parse().ok();
    (!kept).then_some(INTEGER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_double_makes_of_a_literal_is_noticed() {
        for same in ["7", "1.0", "-12.50", "0.1", "0.0", "0e9", "1e3", "9007199254740992.0", "1e22", "12.5e1"] {
            assert_eq!(changed(same), None, "{same}");
        }
        for other in
            ["9007199254740993.0", "-9007199254740993e0", "1e23", "1e400", "1e5000000000", "1e99999999999999999999"]
                .into_iter()
                .chain(["49744897777625328.000", "-49744897777625330.0", "4.9744897777625328e16"])
        {
            assert!(changed(other).is_some_and(|said| said.starts_with("an integer")), "{other}");
        }
        for large in ["6666666666666666661.0000000166666666", "-9007199254740994.5", "90071992547409945e-1"] {
            assert!(changed(large).is_some_and(|said| said.starts_with("a number so large")), "{large}");
        }
        for same in ["9007199254740991.5", "9007199254740990.5", "4503599627370497.00000001"] {
            assert_eq!(changed(same), None, "{same}");
        }
        for small in ["1e-400", "-0.1e-999", "1e-99999999999999999999"] {
            assert!(changed(small).is_some_and(|said| said.contains("zero")), "{small}");
        }
    }
}
