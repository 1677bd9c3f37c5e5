//! Names with stars: how a configuration speaks of several rules, paths or fields at once.

/// Whether `text` is `pattern`, where `*` stands for any characters. Each part between stars is looked for once, from
/// the left, so the time is that of a few searches.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "abc"),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("**", "x"),
            ("sql_injection.*", "sql_injection.union_behind_value"),
            ("$.items*.note", "$.items[3].note"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("", "a"),
            ("a*", "ba"),
            ("*c", "cb"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}
