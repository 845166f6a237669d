/// A pattern that describes a whole text: `*` is any text, `?` any one character, everything else itself.
///
/// Its own few lines, because the libraries for this bring tables for case folding or regular expressions that would be a
/// third of the component.
#[derive(PartialEq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        Pattern(text.chars().collect())
    }

    /// At most as many steps as the text has characters times the pattern.
    pub fn describes(&self, text: &str) -> bool {
        let (mut rest, mut at) = (text.chars(), 0);
        // After the last star: where the pattern goes on, and the text that the star has not taken yet.
        let mut star = None;
        loop {
            let here = rest.clone();
            match (self.0.get(at), rest.next()) {
                (Some('*'), _) => {
                    rest = here;
                    at += 1;
                    star = Some((at, rest.clone()));
                }
                (None, None) => return true,
                (Some(wanted), Some(found)) if *wanted == '?' || *wanted == found => at += 1,
                (_, _) => match star.take() {
                    None => return false,
                    Some((after, mut untaken)) => {
                        if untaken.next().is_none() {
                            return false;
                        }
                        at = after;
                        rest = untaken.clone();
                        star = Some((after, untaken));
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, one line for each kind of character.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| defined(rest, &text[taken..])),
            Some(('?', rest)) => !text.is_empty() && defined(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && defined(rest, &text[1..]),
        }
    }

    #[test]
    fn agrees_with_the_definition_on_every_short_pattern_and_text() {
        let words = |alphabet: &str, longest: u32| -> Vec<Vec<char>> {
            let letters: Vec<char> = alphabet.chars().collect();
            (0..=longest)
                .flat_map(|len| (0..letters.len().pow(len)).map(move |n| (len, n)))
                .map(|(len, n)| (0..len).map(|k| letters[n / letters.len().pow(k) % letters.len()]).collect())
                .collect()
        };
        for pattern in words("*?ab", 5) {
            for text in words("ab", 5) {
                let (one, other): (String, String) = (pattern.iter().collect(), text.iter().collect());
                assert_eq!(Pattern::new(&one).describes(&other), defined(&pattern, &text), "{one} {other}");
            }
        }
        assert!(Pattern::new("é?*").describes("éü"));
    }
}
