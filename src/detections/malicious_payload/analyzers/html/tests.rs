use super::super::tests::{found, found_at};
use super::*;
use crate::request::PlaceKind::{Body, Headers, Path, Query};

/// Each rule with what it must find.
const FIRES: &[(&str, &[&str])] = &[
    (
        "script_element",
        &[
            "<script>x</script>",
            "<ScRiPt/src=//a.example>",
            "x</script >",
            "<\0script>",
            "<svg:script>x",
            "<a title=\"<script>x</script>\">",
        ],
    ),
    (
        "event_handler",
        &[
            "<img src=x onerror=alert(1)>",
            "<svg/onload=x>",
            "<b\nonclick = 'x'>",
            "<svg/'x' onload=1",
            "<a title='>' onpointerrawupdate=x>",
            "<x oncustomthing=x>",
            "<div x-init=alert(1) x-data></div>",
            "<x data-bind=\"value:alert(1)\">",
            "<input ng-focus=$event.path|orderBy:'(z=alert)(1)' autofocus>",
            "<img/src=` onerror=x",
        ],
    ),
    (
        "handler_breakout",
        &[
            "\" onfocus=x",
            "' onmouseover='x",
            "onclick=alert(1)",
            "' autofocus onfocus=import('//a.example')",
            "x\"/style=a onanimationend=alert(1)",
        ],
    ),
    (
        "script_address",
        &[
            "javascript:alert(1)",
            "<a href=\"java\nscript:x",
            "<img src=vbscript:x",
            "[a](javascript:alert(1))",
            "url=javascript://%0aalert(1)",
        ],
    ),
    (
        "document_address",
        &[
            "data:text/html,<b>",
            "data:x;base64,PHNjcmlwdD4=",
            "<a href='data:image/svg+xml,<svg onload=x>'>",
        ],
    ),
    (
        "embedding_element",
        &[
            "<object data=x>",
            "<base href=//a.example>",
            "<meta http-equiv=refresh>",
            "<!ENTITY x>",
        ],
    ),
    ("inline_frame", &["<iframe src=x>", "<frame>"]),
    (
        "document_attribute",
        &[
            "<iframe srcdoc='x'>",
            "<button form=x formaction=y>",
            "<embed src=//a.example/x>",
        ],
    ),
    (
        "active_style",
        &[
            "<x style=a:expression(1)>",
            "a:e/**/xpr/*x*/ession (1)",
            "@import 'http://a.example'",
            "x:-moz-binding:url(x)",
            "behavior: url(a.htc)",
        ],
    ),
    (
        "animated_attribute",
        &[
            "<svg><animate attributeName=href values=x>",
            "<set attributeName='onload' to=x>",
        ],
    ),
    (
        "markup_breakout",
        &[
            "\"><img src=x>",
            "x'/><b>",
            "</title><svg>",
            "--><img src=x>",
        ],
    ),
    (
        "dialog_call",
        &[
            "alert(1)",
            "x;confirm`1`",
            "(alert)(document.domain)",
            "top['alert'](1)",
            "[1].map(alert)",
            "';a=alert,a(1)//",
        ],
    ),
    (
        "script_breakout",
        &[
            "';fetch('//a.example')//",
            "\"-prompt('x')-\"",
            "';throw onerror=1//",
            "'}};anything(1)//",
            "'+f.g('x')+'",
            "');document.location='//a.example'//",
        ],
    ),
    (
        "script_expression",
        &[
            "x=document.cookie",
            "document.write('x')",
            "eval(atob('x'))",
            "location='//a.example'",
            "top[/al/.source+/ert/.source](1)",
            "self['ale'+'rt'](1)",
            "new Function('x')",
        ],
    ),
    (
        "hidden_script",
        &[
            "String.fromCharCode(88,83)",
            "x['constructor']",
            "[][(![]+[])[+[]]]",
            "''.constructor('x')",
            "\\u0061lert(1)",
        ],
    ),
];

#[test]
fn each_rule_finds_its_attacks() {
    for (rule, texts) in FIRES {
        for text in *texts {
            let found = found(&ANALYZER, text);
            assert!(found.contains(rule), "{rule} in {text:?}: {found:?}");
        }
    }
    for text in [&b"x=<b>"[..], b"<x y=1>", b"</p >", b"<!-- x -->"] {
        assert_eq!(found_at(&ANALYZER, text, Headers), ["markup_out_of_place"]);
    }
    assert_eq!(found_at(&ANALYZER, b"/policy/<name>/<id>", Path), [""; 0]);
}

#[test]
fn what_breaks_out_is_found_in_bodies_and_behind_padding() {
    for text in [
        "';alert(1);",
        "\"-confirm`1`-\"",
        "';fetch('//a.example');",
        "' onfocus=alert(1) ",
    ] {
        for padding in [0, 100, 5_000] {
            let text = format!("{text}{}", "words of no use ".repeat(padding / 16));
            assert_ne!(
                found_at(&ANALYZER, text.as_bytes(), Body),
                [""; 0],
                "{text:.40} {padding}"
            );
        }
    }
}

/// What people write, in a query and in a body.
const SPARES: &[&str] = &[
    "<a v-on:click=\"open = true\" x-show=\"open\" :class=\"{ a: b }\">x</a>",
    "<Button onClick={handleClick} onChange={this.change}>x</Button>",
    "a script < here",
    "<scripture>",
    "<b>on time = money</b>",
    "<a href='/x'>one=1</a>",
    "a < b only = c",
    "x<y onload",
    "based on load = 5",
    "\"on time\"",
    "JavaScript: the good parts",
    "I know javascript: it is fun",
    "<a href=\"javascript:void(0)\">menu</a>",
    "<a href='javascript:;'>menu</a>",
    "data:image/png;base64,iVBORw0KGgo=",
    "the data: text/html is a type",
    "<p class=x style='color:red'>a <b>b</b> &amp; <a href=\"https://a.example/?b=c\">d</a></p>",
    "<svg width=1><path d='M0 0'/></svg>",
    "<img src=\"https://a.example/a.png\" alt=\"a > b\">",
    "an expression (of joy)",
    "alert (see below)",
    "please confirm: yes",
    "red alert",
    "the cookie is read by document.cookie in every browser",
    "what does String.fromCharCode(65) return?",
    "open the window (it is hot)",
    "Import (and export) of goods",
    "the top [of the list] is free",
    "O'Brien; see (the note)",
    "'quoted', then fetch (the ball)",
    "location: Berlin",
    "<a href=\"x\"><b>y</b></a>",
    "5 > 3, a -> b",
    "a['key'] and b[\"name\"]",
    "He said \"alert(1) is a test\" once",
    "print(\"hello\")",
    "[] and [1, 2] and ![](a.png)",
    "C:\\users\\u0061",
    "It's a set; function (x) is continuous",
];

#[test]
fn what_people_write_is_spared() {
    for text in SPARES {
        for place in [Query, Body] {
            assert_eq!(
                found_at(&ANALYZER, text.as_bytes(), place),
                [""; 0],
                "{text:?} in {place:?}"
            );
        }
    }
    let manual = "# Events\n\nUse `onclick=\"go()\"` or addEventListener.\n\n```js\nconst a = 'x'; alert(a);\nfetch('/api').then(r => r.json());\n\
        document.getElementById('a').innerHTML = 'b';\n```\n";
    assert_eq!(found_at(&ANALYZER, manual.as_bytes(), Body), [""; 0]);
}

/// Known misses: a function that nothing is known of, called where the value is the whole script; a scheme that a filter makes
/// by removing what is in it.
#[test]
fn known_misses() {
    for text in ["launch(1)", "javascrscriptipt:launch(1)"] {
        assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
    }
}

#[test]
fn work_grows_with_the_text() {
    // Each would take hours if anything in it were looked for over and over.
    for piece in [
        "<a b=\"",
        "<a<",
        "<a b='c",
        "javascript:",
        "data:image/svg+xml,<",
        "on=",
        "onload=",
        "';alert(",
        "e/**/xpression",
        "[]",
        "\\u0061",
        "@import ",
        "document.",
        "<a/b=",
        "-->",
        "a.constructor ",
        "new ",
        "alert(new ",
        "top.top.",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        for place in [Query, Headers, Body] {
            found_at(&ANALYZER, text.as_bytes(), place);
        }
    }
}
