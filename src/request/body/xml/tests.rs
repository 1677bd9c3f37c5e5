//! Documents: what is found in them, where it is written, and agreement with the library's own decoding.

use proptest::prelude::*;

use super::*;
use crate::request::values::Parsed;

fn parse(text: &[u8]) -> (bool, Parsed<'_>) {
    Collector::parse(text, |out| inputs(0..text.len(), out))
}

/// Whether a document is well-formed, its values, the names in it, its ambiguities.
fn read(text: &str) -> (bool, Vec<String>, Vec<String>, Vec<&'static str>) {
    let (is_well_formed, parsed) = parse(text.as_bytes());
    let (mut values, mut names) = (Vec::new(), Vec::new());
    for input in parsed.inputs() {
        let value = input.value().escape_ascii();
        if input.is_key() {
            names.push(value.to_string());
        } else {
            values.push(format!("{}={value}", input.name()));
        }
    }
    let notes = parsed
        .values
        .ambiguities
        .iter()
        .map(|note| note.kind)
        .collect();
    (is_well_formed, values, names, notes)
}

#[test]
fn values_have_paths() {
    let (is_well_formed, values, names, notes) = read(
        "<?xml version='1.0'?>\n<!-- a -->\n<order id='1'>\n <item n=\"2 &amp; 3\">b</item>\n <item>c<![CDATA[<d>]]>\
         <!-- e -->f</item><?g h?>\n <item/>\n</order>\n",
    );
    assert!(is_well_formed);
    assert_eq!(
        values,
        [
            "/comment()=a",
            "/order/@id=1",
            "/order/item/@n=2 & 3",
            "/order/item=b",
            "/order/item[2]/comment()=e",
            "/order/item[2]=c<d>f",
            "/order/processing-instruction()=g h",
        ]
    );
    assert_eq!(names, ["order", "id", "item", "n"]);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn what_is_not_well_formed_is_read_as_far_as_anybody_reads_it() {
    for (text, values) in [
        ("", &[][..]),
        ("hello", &["=hello"]),
        ("{\"a\":1}", &["={\\\"a\\\":1}"]),
        ("<a>b", &["/a=b"]),
        ("<a>b</c>d", &["/a=b", "=d"]),
        ("</a>b", &["=b"]),
        ("<a b=c>d</a>", &["/a/@b=c", "/a=d"]),
        ("<a>b & c</a>", &["/a=b & c"]),
        ("<a b='1' b='2'/>", &["/a/@b=1", "/a/@b=2"]),
        ("<a/><b>c</b>", &["/b=c"]),
        ("<a>b<c", &["/a=b"]),
        ("<a>b<!-- c", &["/a=b"]),
        ("<1>b</1>", &["/1=b"]),
        ("x<?xml version='1.0'?><a/>", &["=x"]),
    ] {
        let (is_well_formed, found, _, _) = read(text);
        let only_repeats = text.contains("b='2'");
        assert_eq!(is_well_formed, only_repeats, "{text}");
        assert_eq!(found, values, "{text}");
    }
    let (_, parsed) = parse(b"<a>b\xff&lt;</a>");
    let values = parsed
        .inputs()
        .iter()
        .map(|input| input.value().escape_ascii().to_string());
    let values: Vec<_> = values.collect();
    assert_eq!(values, ["a", "b\\xff<"]);
}

#[test]
fn a_doctype_is_noted_and_so_is_what_it_declares() {
    for (text, notes) in [
        ("<!DOCTYPE a><a/>", &["xml_doctype"][..]),
        ("<!doctype a><a/>", &["xml_doctype"]),
        ("<!DOCTYPE a [<!ELEMENT a ANY>]><a/>", &["xml_doctype"]),
        (
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            &["xml_doctype", "xml_entity"],
        ),
        (
            "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///c>'>]><a>&b;</a>",
            &["xml_doctype", "xml_entity", "xml_external"],
        ),
        (
            "<!DOCTYPE a [<!ENTITY % b PUBLIC 'c' 'd'>%b;]><a/>",
            &["xml_doctype", "xml_entity", "xml_external"],
        ),
        (
            "<!DOCTYPE a SYSTEM 'http://b.example/'><a/>",
            &["xml_doctype", "xml_external"],
        ),
        (
            "<?xml version='1.0'?><!ENTITY % b SYSTEM 'c'>",
            &["xml_doctype", "xml_entity", "xml_external"],
        ),
        (
            "<!DOCTYPE a [<!ENTITY b 'c'><a/>",
            &["xml_doctype", "xml_entity"],
        ),
        ("<!DOCTYPE html><html></html>", &[]),
        ("<!doctype HTML ><p>", &[]),
        (
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\"><html/>",
            &[],
        ),
        (
            "<!doctype HTML public '-//W3C//DTD HTML 4.01//EN'\n'https://www.w3.org/TR/html4/strict.dtd' ><p>",
            &[],
        ),
        (
            "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\"><p>",
            &[],
        ),
        // What those did not write may say and ask for anything.
        (
            "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML' 'http://b.example/'><html/>",
            &["xml_doctype", "xml_external"],
        ),
        (
            "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML' 'http://www.w3.org.b.example/'><html/>",
            &["xml_doctype", "xml_external"],
        ),
        (
            "<!DOCTYPE html PUBLIC '-//B//DTD' 'http://www.w3.org/'><html/>",
            &["xml_doctype", "xml_external"],
        ),
        (
            "<!DOCTYPE html SYSTEM 'http://www.w3.org/'><html/>",
            &["xml_doctype", "xml_external"],
        ),
        (
            "<!DOCTYPE a PUBLIC '-//W3C//DTD XHTML' 'http://www.w3.org/'><a/>",
            &["xml_doctype", "xml_external"],
        ),
        (
            "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML' 'http://www.w3.org/' [<!ENTITY b SYSTEM 'c'>]><a/>",
            &["xml_doctype", "xml_entity", "xml_external"],
        ),
        ("<a>&lt;!DOCTYPE b></a>", &[]),
        ("<a><![CDATA[<!DOCTYPE b>]]></a>", &[]),
        ("<a b='<!DOCTYPE c>'/>", &[]),
        ("<a>SYSTEM PUBLIC</a>", &[]),
    ] {
        assert_eq!(read(text).3, notes, "{text}");
    }
}

#[test]
fn depth_and_numbers_are_bounded() {
    let deep = "<a>".repeat(100_000);
    assert_eq!(read(&deep).3, ["too_deep"]);
    let many = format!("<a>{}</a>", "<b>c</b>".repeat(150_000));
    assert_eq!(read(&many).3, ["too_many_values"]);
    let attributes: String = (0..2000).map(|n| format!(" a{n}='{n}'")).collect();
    let (_, values, _, notes) = read(&format!("<a{attributes}/>"));
    assert_eq!(notes, ["xml_attributes"]);
    assert_eq!(values.len(), MAX_ATTRIBUTES + 1);
    assert!(values.last().unwrap().ends_with("a1999=\\'1999\\'"));
    let twice = "<a b='1' b='2'/>";
    assert_eq!(read(twice).3, ["xml_duplicate_attribute"]);
}

/// An element of a generated document.
#[derive(Clone, Debug)]
struct Element {
    name: String,
    attributes: Vec<String>,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Section(String),
    Comment(String),
    Element(Element),
}

fn node() -> impl Strategy<Value = Node> {
    let text = "[ -~é☃]{1,10}";
    let leaf = prop_oneof![
        text.prop_map(Node::Text),
        "[ -\\\\^-~]{1,10}".prop_map(Node::Section),
        "[ -,.-~]{1,10}".prop_map(Node::Comment),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let attributes = proptest::collection::vec("[ -~é]{0,8}", 0..3);
        ("[a-c]", attributes, proptest::collection::vec(inner, 0..4)).prop_map(
            |(name, attributes, children)| {
                Node::Element(Element {
                    name,
                    attributes,
                    children,
                })
            },
        )
    })
}

/// Writes an element, and the values that have to be found in it.
fn write(element: &Element, path: &str, text: &mut String, expected: &mut Vec<(String, String)>) {
    text.push('<');
    text.push_str(&element.name);
    for (nth, value) in element.attributes.iter().enumerate() {
        let escaped = quick_xml::escape::escape(value.as_str());
        text.push_str(&format!(" x{nth}=\"{escaped}\""));
        if !value.is_empty() {
            expected.push((format!("{path}/@x{nth}"), value.clone()));
        }
    }
    text.push('>');
    let mut siblings: HashMap<String, u32> = HashMap::new();
    let mut run = String::new();
    let flush = |run: &mut String, expected: &mut Vec<(String, String)>| {
        let whole = std::mem::take(run);
        if !whole.is_empty() {
            expected.push((path.to_owned(), whole));
        }
    };
    for child in &element.children {
        match child {
            Node::Text(piece) => {
                text.push_str(&quick_xml::escape::escape(piece.as_str()));
                run.push_str(piece);
            }
            Node::Section(piece) => {
                text.push_str(&format!("<![CDATA[{piece}]]>"));
                run.push_str(piece);
            }
            Node::Comment(piece) => text.push_str(&format!("<!--{piece}-->")),
            Node::Element(child) => {
                flush(&mut run, expected);
                let nth = siblings.entry(child.name.clone()).or_insert(0);
                *nth += 1;
                let index = if *nth > 1 {
                    format!("[{nth}]")
                } else {
                    String::new()
                };
                write(
                    child,
                    &format!("{path}/{}{index}", child.name),
                    text,
                    expected,
                );
            }
        }
    }
    flush(&mut run, expected);
    text.push_str(&format!("</{}>", element.name));
}

proptest! {
    /// The values of a well-formed document are found, each with its path and decoded as it was encoded.
    #[test]
    fn generated_documents_are_read(children in proptest::collection::vec(node(), 0..5)) {
        let root = Element { name: "r".into(), attributes: Vec::new(), children };
        let (mut text, mut expected) = (String::new(), Vec::new());
        write(&root, "/r", &mut text, &mut expected);
        let (is_well_formed, parsed) = parse(text.as_bytes());
        prop_assert!(is_well_formed, "{}", text);
        let blank = |value: &str| value.trim_ascii().is_empty();
        let is_text = |name: &str| !name.ends_with("comment()");
        let found: Vec<_> = parsed
            .inputs()
            .iter()
            .filter(|input| !input.is_key() && is_text(&input.name()))
            .map(|input| {
                let value = String::from_utf8(input.value().to_vec()).unwrap();
                (input.name().to_string(), value.trim_ascii().to_owned())
            })
            .filter(|(_, value)| !blank(value))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, value)| (name, value.trim_ascii().to_owned()))
            .filter(|(_, value)| !blank(value))
            .collect();
        prop_assert_eq!(found, expected, "{}", text);
    }

    /// No text breaks anything, and every value leads to bytes that are there.
    #[test]
    fn no_text_breaks_anything(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            &b"<"[..], b">", b"</", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"<?xml ", b"<!DOCTYPE ",
            b"[", b"]>", b"<!ENTITY", b"SYSTEM", b"a", b" b=", b"'", b"\"", b"&", b";", b"#60", b" ", b"\n", b"\xff",
            b"\xc3", b"\xef\xbb\xbf", b"\0",
        ]), 0..40)
    ) {
        let text = pieces.concat();
        let (_, parsed) = parse(&text);
        for input in parsed.inputs() {
            prop_assert!(text.get(input.origin().range).is_some());
        }
        for note in &parsed.values.ambiguities {
            prop_assert!(text.get(note.origin.range.clone()).is_some());
        }
    }
}
