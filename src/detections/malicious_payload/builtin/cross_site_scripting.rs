//! Cross-site scripting: values that become markup or script in somebody's browser.
//!
//! Written from the HTML standard: script runs from script elements, event handlers, `javascript:` addresses and a few
//! attributes that hold documents, and from nothing else. Harmless markup (rich text) is not a finding in a body.

use super::{ALL, BODY, BuiltinRule, Class, HEAD, hint, rule};
use crate::request::PlaceKind;

pub(super) const CLASS: Class = Class {
    name: "cross_site_scripting",
    cwe: 79,
    rules: &RULES,
};

/// Places whose values no browser writes with markup in them.
const NO_MARKUP: &[PlaceKind] = &[PlaceKind::Path, PlaceKind::Cookies, PlaceKind::Headers];

const RULES: [BuiltinRule; 19] = [
    rule(
        "script_element",
        ALL,
        r"<[\s/\x00]*script(?:[\s/>=:;{\x00-\x20<]|$)|<\w+:script\b",
        "A script element.",
    ),
    rule(
        "event_handler",
        ALL,
        r#"<[a-z!?~/%][^>]*[\s/"'`,;\x00\x0b\x0c\xa0]on[a-z]{3,}[\s\x00/]*="#,
        "An element with an event handler.",
    ),
    rule(
        "unclosed_event_handler",
        ALL,
        r#"<[a-z]+[^\w\s<>][^<]{0,200}[\s/"'`]on(?:error|load|click|focus|mouse\w+|toggle|begin|start|pointer\w+|animation\w+)\s*="#,
        "An element with an event handler.",
    ),
    rule(
        "handler_breakout",
        ALL,
        r#"(?:^|["'`])[\s/]*on(?:abort|animation\w+|auxclick|before\w+|begin|blur|bounce|canplay\w*|change|click|close|contextmenu|copy|cut|dblclick|drag\w*|drop|end|error|focus\w*|finish|formdata|hashchange|input|invalid|key(?:down|press|up)|load\w*|message|mouse\w+|page(?:hide|show)|paste|play\w*|pointer\w+|popstate|propertychange|readystatechange|repeat|reset|resize|scroll\w*|search|seek\w+|select\w*|show|start|submit|timeupdate|toggle|touch\w+|transition\w+|unload|volumechange|waiting|webkit\w+|wheel)\s*=\s*\S"#,
        "An attribute is closed and an event handler follows.",
    ),
    rule(
        "script_address",
        ALL,
        r#"(?:^[\s"'`\x00-\x1f]*|[=:(,;"'`>]\s*["'`]?\s*|url\s*\(\s*)(?:j[\s\x00]*a[\s\x00]*v[\s\x00]*a|v[\s\x00]*b|l[\s\x00]*i[\s\x00]*v[\s\x00]*e)[\s\x00]*s[\s\x00]*c[\s\x00]*r[\s\x00]*i[\s\x00]*p[\s\x00]*t[\s\x00]*:(?:[\x00-\x1f]*[\w/\\"'`%$(\[{&+!.;,<*-]|\s*\w+\s*[(=`\[])"#,
        "An address that is a script.",
    ),
    rule(
        "document_address",
        ALL,
        r"data:\s*(?:text/html|text/javascript|text/xml|application/(?:x-)?(?:javascript|xhtml\+xml))|data:[^,\s]{0,40};base64,phn[2j]|data:image/svg\+xml[^,]{0,20},\s*<|data:,?\s*(?:alert|confirm|prompt)\b",
        "An address that is a document with script.",
    ),
    rule(
        "embedding_element",
        ALL,
        r#"<\s*(?:object|embed|applet|base|frameset|bgsound|i?layer|isindex|xss)(?:[\s/][^>]*(?:data|src|code|href|classid|value|archive)\s*=|\s*>\s*<)|<meta[\s/][^>]*(?:http-equiv|charset\s*=\s*["']?utf-7)|<link[\s/][^>]*(?:href|rel)\s*=|<!entity\s|<\?xml-stylesheet\b|<!doctype[^>]*\[|<\?import\b|<\w+:\w+[^>]*\bformaction"#,
        "An element that loads foreign content.",
    ),
    rule(
        "inline_frame",
        HEAD,
        r"<\s*i?frame(?:[\s/]|>|$)|<\s*portal[\s/]",
        "A frame.",
    ),
    rule(
        "document_attribute",
        ALL,
        r#"<[a-z][^>]*[\s/"']srcdoc\s*=|<[a-z][^>]*[\s/"']formaction\s*=|<[^>]*\battributename\s*=\s*["']?\s*(?:on\w+|href|innerhtml|xlink)|<(?:iframe|frame|embed|script|object)[^>]*\s(?:src|data)\s*=\s*["']?\s*(?://|\\\\|&|data:)|<[a-z][^>]*\bxlink:href\s*=\s*["']?\s*(?:data|j)"#,
        "An attribute that holds a document or names a script.",
    ),
    rule(
        "active_style",
        ALL,
        r#"\be(?:/\*.*?\*/)?x(?:/\*.*?\*/)?p(?:/\*.*?\*/)?ression\s*\(|-moz-binding\s*:|\bbehavior\s*:\s*url\s*\(|-o-link\s*:|@import\s*(?:url\s*\(\s*)?['"]?\s*(?:javascript|data:|//|http)|<style[^>]*>[^<]*(?:javascript:|@import|expression|\\[0-9a-f]{2})|<[a-z][^>]*\sstyle\s*=\s*[^>]*(?:\\0{0,4}[0-9a-f]{2}\s?\\|url\s*\(\s*['"]?\s*(?:data:text|vbscript|java))"#,
        "A style that runs script or loads foreign content.",
    ),
    rule(
        "dialog_call",
        HEAD,
        r#"(?:^|[^\w.])(?:(?:window|self|top|parent|frames|this|globalthis)\s*(?:\.|\[)\s*['"]?)?(?:alert|confirm|prompt)['"\]\s)]*(?:\?\.)?[\s/*]*(?:\(\s*(?:\d|['"`/)\[]|document|location|string|this|window|origin|self|top|xss|name|atob)|`)"#,
        "A call of alert, confirm or prompt, the usual test for script.",
    ),
    rule(
        "dialog_breakout",
        BODY,
        r#"(?:^|["'`)}\]]\s*[;,+*/|&-]+|^\W{0,12}|[=(]\s*)\s*(?:window\s*\.\s*|top\[\s*['"])?(?:alert|confirm|prompt)\s*(?:\(\s*(?:\d|['"`/)\[]|document\.|string\.|origin)|`)[^\n]{0,40}$"#,
        "Script follows a closed quote.",
    ),
    rule(
        "document_access",
        HEAD,
        r#"\bdocument\s*(?:\.|\[)\s*['"]?(?:cookie|write|domain|location|body|head|documentelement|createelement|queryselector|getelement)|\b(?:window|self|top|parent)\s*(?:\.\s*location|\[\s*['"])|\blocation\s*(?:\.\s*(?:hash|href|search)|=\s*(?:name|location|['"`])|\[)|\blocalstorage\s*\.|\bsessionstorage\s*\."#,
        "Script that reads or changes the page.",
    ),
    rule(
        "document_theft",
        BODY,
        r#"\bdocument\s*\.\s*(?:cookie|write(?:ln)?\s*\()"#,
        "Script that reads cookies or writes the page.",
    ),
    rule(
        "hidden_script",
        ALL,
        r#"\bstring\s*\.\s*fromcharcode\s*\(|\beval\s*\(\s*(?:atob|unescape|string\.|name\b|location|['"`]|decodeuri|\w+\s*\()|\b(?:settimeout|setinterval|function)\s*\(\s*['"`]\s*(?:alert|eval|\\)|\[\s*['"`](?:constructor|alert|eval|cookie|fromcharcode)['"`]\s*\]|\.\s*constructor\s*\(\s*['"`]|(?:\[\]|!\[\]|\+\[\]|!!\[|!\+\[|\+!|\(!){5}|\\u00[67][0-9a-f][^\n]{0,24}\("#,
        "Script that hides what it does.",
    ),
    rule(
        "markup_breakout",
        ALL,
        r#"^[^<>\s]{0,60}["'`]\s*/?>\s*<[a-z!/?]|^[\s\W]{0,16}</(?:textarea|title|style|script|noscript|xmp|iframe|select|option|comment|plaintext)\s*>\s*<[a-z]|-->\s*<(?:img|svg|script|iframe|input|body)\b"#,
        "An attribute or element is closed and markup follows.",
    ),
    rule(
        "vector_element",
        ALL,
        r"<(?:svg|math)[\s/>][^>]*>?\s*<(?:script|style|animate|set|a\s|image|use|foreignobject|handler|mtext|maction|desc|path|mglyph|discard)[\s/>]|<(?:animate|set|animatemotion|animatetransform|handler|maction|listener)[\s/][^>]*(?:href|from|to|values|begin|onbegin|event)\s*=|<isindex\b",
        "A drawing that can carry script.",
    ),
    rule(
        "markup_out_of_place",
        NO_MARKUP,
        r"<(?:[a-z][a-z0-9:-]*(?:[\s/][^<>]*)?|/[a-z]+\s*|![^<>]{1,200}|\?[a-z]+[^<>]*)>",
        "Markup where there is none in ordinary use.",
    ),
    hint(
        "active_attribute",
        ALL,
        r#"<(?:img|image|input|video|audio|source|table|td|body|div|a|form)[\s/][^>]*(?:dynsrc|lowsrc|background|poster|action|autofocus|contenteditable|tabindex)\s*=?"#,
        "An attribute that often comes with script.",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, hold};

    const CASES: [Case; 19] = [
        (
            "script_element",
            &[
                "<script>x</script>",
                "<ScRiPt/src=//a.example>",
                "</script >",
            ],
            &["a script < here", "<scripture>", "description"],
        ),
        (
            "event_handler",
            &[
                "<img src=x onerror=alert(1)>",
                "<svg/onload=x>",
                "<b\nonclick = 'x'>",
            ],
            &[
                "<b>on time = money</b>",
                "<a href='/x'>one=1</a>",
                "a < b only = c",
            ],
        ),
        (
            "unclosed_event_handler",
            &["<svg/'x' onload=1", "<img/src=` onerror=x"],
            &["x<y onload", "<b>the onload= attribute"],
        ),
        (
            "handler_breakout",
            &["\" onfocus=x", "' onmouseover='x", "onclick=alert(1)"],
            &["based on load = 5", "one=1", "\"on time\""],
        ),
        (
            "script_address",
            &[
                "javascript:alert(1)",
                "<a href=\"java\nscript:x",
                "<img src=vbscript:x",
            ],
            &[
                "JavaScript: the good parts",
                "I know javascript: it is fun",
                "livescript",
            ],
        ),
        (
            "document_address",
            &["data:text/html,<b>", "data:x;base64,PHNjcmlwdD4="],
            &["data:image/png;base64,iVBORw0KGgo=", "the data: text"],
        ),
        (
            "embedding_element",
            &[
                "<object data=x>",
                "<base href=//a.example>",
                "<meta http-equiv=refresh>",
            ],
            &["<b>base</b>", "an <objective> view", "<basement>"],
        ),
        (
            "inline_frame",
            &["<iframe src=x>", "<frame>"],
            &["a frame", "<framework>"],
        ),
        (
            "document_attribute",
            &[
                "<iframe srcdoc='x'>",
                "<button form=x formaction=y>",
                "<embed src=//a.example/x>",
            ],
            &[
                "<iframe src=\"https://video.example/1\">",
                "<p>srcdoc=1</p>",
            ],
        ),
        (
            "active_style",
            &[
                "<x style=a:expression(1)>",
                "@import 'http://a.example'",
                "x:-moz-binding:url(x)",
            ],
            &[
                "an expression of joy",
                "<p style='color:red'>",
                "import 'x'",
            ],
        ),
        (
            "dialog_call",
            &["alert(1)", "x;confirm`1`", "top['alert'](1)"],
            &["alert (see below)", "please confirm: yes", "red alert"],
        ),
        (
            "dialog_breakout",
            &["';alert(1)//", "\"-prompt('x')-\"", "alert(1)"],
            &[
                "call the alert(1) function",
                "you may confirm('x') it later",
            ],
        ),
        (
            "document_access",
            &["document.cookie", "window.location", "location=name"],
            &["documents.example", "the document", "location: Berlin"],
        ),
        (
            "document_theft",
            &["x=document.cookie", "document.write('x')"],
            &["document the cookie policy", "write a document"],
        ),
        (
            "hidden_script",
            &[
                "String.fromCharCode(88)",
                "eval(atob('x'))",
                "x['constructor']",
            ],
            &["evaluate (a)", "a constructor", "function ('x' is here)"],
        ),
        (
            "markup_breakout",
            &["\"><img src=x>", "x'/><b>", "</title><svg>"],
            &["<a href=\"x\"><b>y</b></a>", "5 > 3", "a -> b"],
        ),
        (
            "vector_element",
            &["<svg><script>", "<animate from=x>", "<math><maction x>"],
            &["<svg width=1>", "mathematics", "a <set> of"],
        ),
        (
            "markup_out_of_place",
            &["<b>", "<x y=1>", "</p>"],
            &["a<b", "3 < 4 > 2", "<>"],
        ),
        (
            "active_attribute",
            &["<body background=x>", "<input autofocus>"],
            &["<div class=x>", "<img src=x alt=y>"],
        ),
    ];

    #[test]
    fn every_rule_finds_its_attacks_and_spares_their_look_alikes() {
        hold(&super::CLASS, &CASES);
    }
}
