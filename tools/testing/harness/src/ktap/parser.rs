// SPDX-License-Identifier: GPL-2.0
//! Reads the results that KUnit prints into the kernel log and a kselftest to its output.

use super::{Part, Verdict};

/// Returns the results in `lines`, without those that only sum up others. Names of nested tests
/// have the names of what they are part of in front. Lines of other programs between are ignored.
pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Part> {
    let mut parser = Parser::default();
    for line in lines {
        parser.line(line);
    }
    parser.parts
}

#[derive(Default)]
struct Parser {
    parts: Vec<Part>,
    open: Vec<Subtest>,
    comments: Vec<String>,
}

struct Subtest {
    indent: usize,
    name: String,
    first_part: usize,
}

impl Parser {
    fn line(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(name) = text.strip_prefix("# Subtest: ") {
            let name = name.trim().to_owned();
            self.open.push(Subtest {
                indent,
                name,
                first_part: self.parts.len(),
            });
        } else if let Some(comment) = text.strip_prefix("# ") {
            self.comments.push(comment.to_owned());
        } else if let Some((name, verdict)) = self.result(text) {
            self.comments.clear();
            self.add(indent, name, verdict);
        }
    }

    fn add(&mut self, indent: usize, name: &str, verdict: Verdict) {
        let closes = self
            .open
            .last()
            .is_some_and(|subtest| subtest.indent > indent);
        let closed = if closes { self.open.pop() } else { None };
        if let Some(subtest) = closed {
            let parts = &self.parts[subtest.first_part..];
            let explained = parts
                .iter()
                .any(|part| matches!(part.verdict, Verdict::Failed(_)));
            let sums_up = !parts.is_empty() && (verdict == Verdict::Passed || explained);
            if sums_up || matches!(verdict, Verdict::Skipped(_)) && !parts.is_empty() {
                return;
            }
        }
        let mut path: Vec<_> = self
            .open
            .iter()
            .map(|subtest| subtest.name.as_str())
            .collect();
        path.push(name);
        self.parts.push(Part {
            name: path.join("."),
            verdict,
        });
    }

    /// Reads "ok 1 name", "not ok 1 - name", "ok 1 name # SKIP reason".
    fn result<'a>(&self, text: &'a str) -> Option<(&'a str, Verdict)> {
        let (passed, rest) = match text.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, text.strip_prefix("ok ")?),
        };
        let (number, rest) = rest.split_once(' ')?;
        number.parse::<usize>().ok()?;
        let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        let name = name.trim().trim_start_matches("- ");
        let skip = directive
            .get(..4)
            .filter(|word| word.eq_ignore_ascii_case("skip"))
            .map(|word| directive[word.len()..].trim().to_owned());
        Some((
            name,
            match (passed, skip) {
                (true, Some(reason)) => Verdict::Skipped(reason),
                (true, None) => Verdict::Passed,
                (false, _) => Verdict::Failed(self.comments.join("\n")),
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parts: &[Part]) -> Vec<&str> {
        parts.iter().map(|part| part.name.as_str()).collect()
    }

    #[test]
    fn kunit_leaves_are_returned_with_their_suite() {
        let text = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: ring\n    # module: x\n    1..2\n\
            \x20   ok 1 pops\n    # pushes: ASSERTION FAILED at x.rs:1\n    not ok 2 pushes\n# ring: pass:1 fail:1\nnot ok 1 ring\n";
        let parts = parse(text.lines());
        assert_eq!(names(&parts), ["ring.pops", "ring.pushes"]);
        assert_eq!(parts[0].verdict, Verdict::Passed);
        assert!(
            matches!(&parts[1].verdict, Verdict::Failed(reason) if reason.contains("ASSERTION"))
        );
    }

    #[test]
    fn suite_that_fails_without_a_failed_test_is_a_failure() {
        let text = "    # Subtest: ring\n    1..1\n    ok 1 pops\nnot ok 1 ring\n";
        let parts = parse(text.lines());
        assert_eq!(names(&parts), ["ring.pops", "ring"]);
        assert!(matches!(parts[1].verdict, Verdict::Failed(_)));
    }

    #[test]
    fn kselftest_results_are_flat() {
        let text = "TAP version 13\n1..2\n#  RUN           bar.BAR0.BAR_TEST ...\n\
            ok 1 bar.BAR0.BAR_TEST\nok 2 - bar.BAR5.BAR_TEST # SKIP BAR is disabled\n";
        let parts = parse(text.lines());
        assert_eq!(names(&parts), ["bar.BAR0.BAR_TEST", "bar.BAR5.BAR_TEST"]);
        assert_eq!(parts[1].verdict, Verdict::Skipped("BAR is disabled".into()));
    }
}
