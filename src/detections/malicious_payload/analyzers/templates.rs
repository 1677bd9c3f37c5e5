//! Expressions of templates and of expression languages (CWE-1336, CWE-917) that come to be evaluated on the server.
//!
//! Between the signs that many engines know (`{{ … }}`, `${ … }`, `#{ … }`, `<%= … %>`, `{% … %}` and more) an expression is
//! judged: a calculation on numbers, with which an attacker finds out whether anything is evaluated, or the way from
//! a harmless object to the class loader, the interpreter or the operating system that each language has. Templates as
//! people write them (`{{ user.name }}`, `{% for %}`, `${total}`) name fields and filters and do neither.
//!
//! Limits: what an engine's own harmless object gives away (`{{ config }}`) is found by its name where it is known.

mod ways;

use std::ops::Range;
use std::sync::LazyLock;

use super::bytes::{Texts, begins, blanks, find, is_boundary, is_word, rest, word};
use super::{Analyzer, Matches, Rule, Text};
use ways::{DIRECTIVES, SIGNS_OF, WAYS};

static CALCULATION: Rule = Rule {
    name: "calculation",
    score: 5,
    message: "A template expression calculates with numbers, to show whether it is evaluated.",
};

static OBJECTS: Rule = Rule {
    name: "objects",
    score: 5,
    message: "A template expression leads from a harmless object to classes, the interpreter or the system.",
};

static SIGNS: Rule = Rule {
    name: "signs",
    score: 5,
    message: "The signs of several template engines are sent at once, to find out which one is used.",
};

static PYTHON: Rule = Rule {
    name: "python_objects",
    score: 5,
    message: "A chain of Python's inner attributes leads to all classes or global names.",
};

static JAVA: Rule = Rule {
    name: "java_objects",
    score: 5,
    message: "An expression names classes of Java that run programs or load code.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "template_injection",
    cwe: 1336,
    gates: &[
        r"\{\{",
        r"[$#*@%~]\{",
        r"\{[%#@$=*!]",
        r"<[%#]",
        r"@\(",
        r"#set",
        r"__(?:class|mro|bases?|subclasses|globals|builtins|import)__",
        r"java\.lang|javax\.script|getruntime|processbuilder|freemarker|ognl|#_memberaccess|class\.(?:module\.)?classloader|<jsp:|<%@",
    ],
    rules: &[&CALCULATION, &OBJECTS, &SIGNS, &PYTHON, &JAVA],
    longest: usize::MAX,
    analyze,
};

/// How much of an expression is judged.
const LONGEST: usize = 2048;

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let mut at = 0;
    // The end of the last expression: what lies within it has been judged with it.
    let mut judged = 0;
    while let Some(start) =
        memchr::memchr3(b'{', b'<', b'(', rest(bytes, at)).map(|found| at + found)
    {
        at = start + 1;
        if !may_open(bytes, start) {
            continue;
        }
        let from = start.saturating_sub(1);
        let opened = SIGNS_OF.iter().find_map(|(open, close)| {
            let place = [start, from]
                .into_iter()
                .find(|place| rest(bytes, *place).starts_with(open))?;
            (place + open.len() > start).then_some((place, open.len(), *close))
        });
        let Some((place, len, close)) = opened.filter(|(place, ..)| *place >= judged) else {
            continue;
        };
        let inner = rest(bytes, place + len);
        let inner = inner.get(..inner.len().min(LONGEST)).unwrap_or_default();
        let end = memchr::memmem::find(inner, close).unwrap_or(inner.len());
        let expression = inner.get(..end).unwrap_or_default();
        judge(
            text,
            expression,
            place..(place + len + end + close.len()).min(bytes.len()),
            matches,
        );
        judged = place + len + end;
        at = at.max(place + len);
    }
    if memchr::memmem::find(bytes, b"{{<%").is_some()
        || memchr::memmem::find(bytes, b"{{%#").is_some()
    {
        matches.add(&SIGNS, 0..bytes.len());
    }
    if find(bytes, b"#set(", 0)
        .or_else(|| find(bytes, b"#set (", 0))
        .is_some()
        && find(bytes, b"$", 0).is_some()
    {
        let ways: [&[u8]; 4] = [b".class", b"forname", b"getruntime", b".inspect("];
        if let Some(way) = ways.iter().find_map(|way| find(bytes, way, 0)) {
            matches.add(&OBJECTS, way..way + 4);
        }
    }
    python(bytes, matches);
    java(bytes, matches);
}

/// Whether the signs of an expression can have a part at `at`, which nearly all braces and parentheses have not.
fn may_open(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    let marked = matches!(before, Some(b'$' | b'#' | b'*' | b'@' | b'%' | b'~'));
    match rest(bytes, at) {
        [b'{', behind, ..] => {
            marked
                || matches!(
                    behind,
                    b'{' | b'%' | b'#' | b'$' | b'@' | b'=' | b'*' | b'!'
                )
        }
        [b'<', behind, ..] => matches!(behind, b'%' | b'#'),
        [b'(', ..] => before == Some(&b'@'),
        _ => false,
    }
}

/// Judges one expression, which is at `range`.
fn judge(text: &Text<'_>, expression: &[u8], range: Range<usize>, matches: &mut Matches) {
    // The marks of a kind of expression, as in `<%= … %>` and `{{= … }}`, and a further brace of `${{ … }}`.
    let marks = expression
        .iter()
        .take(4)
        .take_while(|byte| matches!(byte, b'=' | b'-' | b'@' | b'{' | b'(' | b' ' | b'#' | b'['))
        .count();
    let inner = rest(expression, marks);
    if is_calculation(inner) {
        // A document may show how one is written.
        if !text.is_document() {
            matches.add(&CALCULATION, range);
        }
        return;
    }
    let leads = || {
        let mut ways = WAYS.find(expression);
        ways.any(|(_, way)| is_whole(expression, &way) && !is_class_name(expression, &way))
            && has_reach(expression)
    };
    if bare(inner) || leads() {
        matches.add(&OBJECTS, range);
    } else if !text.is_document() {
        let directive = rest(inner, blanks(inner));
        let is_directive = DIRECTIVES.iter().any(|known| begins(directive, known))
            && !begins(directive, b"assign ");
        if is_directive || (range.len() < 128 && is_command(inner)) {
            matches.add(&OBJECTS, range);
        }
    }
}

/// Whether what was found asks for the name of a class and nothing else: `${x.constructor.name}`.
fn is_class_name(expression: &[u8], way: &Range<usize>) -> bool {
    let behind = rest(expression, way.end);
    let behind = behind.strip_prefix(b"?").unwrap_or(behind);
    expression.get(way.clone()) == Some(b"constructor") && behind == b".name"
}

/// Whether what was found is a name by itself, and no part of a longer one.
fn is_whole(expression: &[u8], way: &Range<usize>) -> bool {
    let text = expression.get(way.clone()).unwrap_or_default();
    let behind = expression.get(way.end);
    let begins = !text.first().is_some_and(|byte| is_word(*byte))
        || is_boundary(expression, way.start)
        || text.starts_with(b"__");
    let ends = !text.last().is_some_and(|byte| is_word(*byte))
        || !behind.is_some_and(u8::is_ascii_lowercase);
    begins && ends
}

/// Whether an expression goes anywhere from what it names: a call, a member, a filter or an index.
fn has_reach(expression: &[u8]) -> bool {
    expression
        .iter()
        .any(|byte| matches!(byte, b'(' | b'.' | b'|' | b'[' | b'@' | b'?' | b'_'))
}

/// A whole expression that is an object of the engine which nobody shows to users.
fn bare(expression: &[u8]) -> bool {
    let name = rest(expression, blanks(expression));
    let name = word(name);
    let only = rest(expression, blanks(expression) + name.len());
    let known: [&[u8]; 9] = [
        b"applicationscope",
        b"sessionscope",
        b"requestscope",
        b"initparam",
        b"self",
        b"config",
        b"_self",
        b"pagecontext",
        b"dump",
    ];
    known.iter().any(|known| known.eq_ignore_ascii_case(name)) && blanks(only) == only.len()
}

/// A program between backquotes, or in the other spelling of Ruby, `%x|id|`.
fn is_command(expression: &[u8]) -> bool {
    let expression = rest(expression, blanks(expression));
    if let [b'%', b'x', open, ..] = expression {
        return !is_word(*open) && !open.is_ascii_whitespace();
    }
    expression.first() == Some(&b'`')
        && expression.iter().filter(|byte| **byte == b'`').count() == 2
}

/// Whether an expression is nothing but numbers, maybe between quotes, with at least one operator between two of them.
fn is_calculation(expression: &[u8]) -> bool {
    let mut numbers = 0;
    let mut operators = 0;
    let mut in_number = false;
    for byte in expression {
        match byte {
            b'0'..=b'9' => {
                numbers += usize::from(!in_number);
                in_number = true;
                continue;
            }
            b'*' | b'/' | b'+' | b'-' | b'%' if numbers > 0 => operators += 1,
            b' ' | b'\t' | b'\'' | b'"' | b'(' | b')' | b'.' | b'}' | b']' | b';' => {}
            _ => return false,
        }
        in_number = false;
    }
    numbers >= 2 && operators >= 1
}

/// Adds a chain of Python's attributes that leads somewhere, wherever it stands.
fn python(bytes: &[u8], matches: &mut Matches) {
    // Each of them begins so, and next to no text has it.
    if memchr::memmem::find(bytes, b"__").is_none() {
        return;
    }
    let ways: [&[u8]; 6] = [
        b"__subclasses__",
        b"__globals__",
        b"__builtins__",
        b"__mro__",
        b"__bases__",
        b"__import__(",
    ];
    let from: [&[u8]; 7] = [
        b"__class__",
        b"__mro__",
        b"__init__",
        b"__globals__",
        b"__bases__",
        b"__base__",
        b"os'",
    ];
    let Some(way) = ways
        .iter()
        .find_map(|way| find(bytes, way, 0).map(|at| at..at + way.len()))
    else {
        return;
    };
    let other = from
        .iter()
        .any(|from| find(bytes, from, 0).is_some_and(|at| at != way.start));
    if other {
        matches.add(&PYTHON, way);
    }
}

/// Adds what only an expression says of Java: a class by its name and a call of it.
fn java(bytes: &[u8], matches: &mut Matches) {
    if let Some((_, way)) = OF_JAVA.find(bytes).next() {
        matches.add(&JAVA, way);
    }
}

/// Names of classes that expressions alone call, and how they call them.
static OF_JAVA: LazyLock<Texts> = LazyLock::new(|| {
    let ways: [&[u8]; 14] = [
        b"<jsp:include",
        b"<jsp:usebean",
        b"<%@ page import",
        b"class.module.classloader",
        b"class.classloader.",
        b"getruntime().exec",
        b"t(java.lang",
        b"java.lang.runtime@getruntime",
        b"@java.lang",
        b"new java.lang.processbuilder",
        b"forname('java",
        b"forname(\"java",
        b"#_memberaccess",
        b"freemarker.template.utility",
    ];
    Texts::new(ways)
});

#[cfg(test)]
mod tests {
    use super::super::tests::{found, found_at};
    use super::*;
    use crate::request::PlaceKind;

    #[test]
    fn calculations_are_found_in_the_signs_of_every_engine() {
        for text in [
            "{{7*7}}",
            "{{ 7*'7' }}",
            "${7*7}",
            "#{7*7}",
            "*{7*7}",
            "@(7*7)",
            "<%= 7*7 %>",
            "%{8*8}",
            "${{7*7}}",
            "{{=7*7}}",
            "{{-7*7}}",
            "#{ 3 * 3 }",
            "[[${7*7}]]",
            "~{7*7}",
            "{7}{{1337-1}}",
            "{{(2+3)*4}}",
            "<%=1+1%>",
            "{{7/1}}",
        ] {
            assert_eq!(found(&ANALYZER, text), ["calculation"], "{text}");
        }
    }

    #[test]
    fn ways_to_classes_and_programs_are_found() {
        for text in [
            "{{ ''.__class__.__mro__[2].__subclasses__() }}",
            "{{config.items()}}",
            "<% require 'open3' %>",
            "#{ %x|id| }",
            "${applicationScope}",
            "@{System.Diagnostics.Process.Start(\"cmd.exe\")}",
            "{{settings.SECRET_KEY}}",
            "{{app.request.server.all|join(',')}}",
            "{{dump(app)}}",
            "{{request|attr('__class__')}}",
            "{{self._TemplateReference__context.joiner.__init__.__globals__.os}}",
            "{{constructor.constructor('alert(1)')()}}",
            "${T(java.lang.Runtime).getRuntime().exec('id')}",
            "%{(#a=@java.lang.Runtime@getRuntime().exec('id'))}",
            "<#assign ex=\"freemarker.template.utility.Execute\"?new()>${ex(\"id\")}",
            "#set($x='')#set($rt=$x.class.forName('java.lang.Runtime'))",
            "<%= system('id') %>",
            "<%= `id` %>",
            "{{_self.env.registerUndefinedFilterCallback('exec')}}",
            "{{['id']|filter('system')}}",
            "{% import os %}{{os.popen('id').read()}}",
            "${pageContext.request.getSession()}",
            "{{ lipsum.__globals__['os'] }}",
            "{{config}}",
            "{php}echo `id`;{/php}{$smarty.version}{{range.constructor(\"return global.process.mainModule\")()}}",
        ] {
            assert!(!found(&ANALYZER, text).is_empty(), "{text}");
        }
        assert_eq!(found(&ANALYZER, "${{<%[%'\"}}%\\."), ["signs"]);
        for text in [
            "''.__class__.__mro__[1].__subclasses__()",
            "x.__init__.__globals__",
        ] {
            assert_eq!(found(&ANALYZER, text), ["python_objects"], "{text}");
        }
        assert_eq!(
            found(&ANALYZER, "Runtime.getRuntime().exec(x)"),
            ["java_objects"]
        );
        for text in [
            "<jsp:include page=\"x\"/>",
            "class.module.classLoader.resources.context.parent",
        ] {
            assert!(found(&ANALYZER, text).contains(&"java_objects"), "{text}");
        }
    }

    #[test]
    fn templates_of_people_are_not() {
        for text in [
            "{{ user.name }}",
            "{% include 'header.html' %}",
            "${input?.constructor?.name}",
            "Hello {{name}}, your total is ${total}",
            "{% for item in items %}{{ item.price }}{% endfor %}",
            "${{ github.sha }}",
            "{{#if admin}}x{{/if}}",
            "{{ page.title | upcase }}",
            "`${a * b}` and #{name}",
            "<% if user %><%= user.name %><% end %>",
            "query { a(b: {c: 1}) { d } }",
            "{{ \"now\" | date: \"%Y-%m-%d\" }}",
            "color: #{$primary}",
            "f(x) { return { a: 1 } }",
            "class A { def __init__(self): pass }",
            "2024-01-02 {{ 5 }}",
            "${project.version} and %{DATA:x} and @{user}",
            "type(self).__name__ == 'x'",
            "{{configuration}} {{selfie}}",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
        let long = format!("{} {{{{ 7*7 }}}}", "About templates. ".repeat(30));
        assert_eq!(
            found_at(&ANALYZER, long.as_bytes(), PlaceKind::Body),
            [""; 0]
        );
    }

    /// Known misses: an object of the application that only its author knows.
    #[test]
    fn objects_of_the_application_are_missed() {
        for text in ["{{ user.password }}", "${secret}"] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn many_signs_cost_no_more_than_their_length() {
        for sign in ["{{", "${", "<%", "{{{{{{ 7*7", "@(", "{%"] {
            found(&ANALYZER, &sign.repeat(20_000));
        }
    }
}
