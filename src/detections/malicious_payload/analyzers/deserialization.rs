//! Objects that are made by reading them (CWE-502): formats that let their sender choose the class.
//!
//! Java, .NET, PHP, Python, Ruby and Node each have a format that names classes, and YAML and JSON have dialects that do.
//! What is found is the format's own beginning where no honest client sends it, or the names of classes that are known to
//! run something when they are made. Lists and texts in PHP's format (`a:1:{…}`, `s:3:"abc"`) hold no class and pass.

use std::sync::LazyLock;

use super::bytes::{Texts, begins, blanks, find, is_boundary, is_one_of, is_word, rest};
use super::{Analyzer, Matches, Rule, Text};

static JAVA: Rule = Rule {
    name: "java_object",
    score: 5,
    message: "A value is an object in Java's own format, which lets its sender choose the classes.",
};

static DOTNET: Rule = Rule {
    name: "dotnet_object",
    score: 5,
    message: "A value is an object of .NET whose type its sender chooses.",
};

static PHP: Rule = Rule {
    name: "php_object",
    score: 5,
    message: "A value is an object in PHP's own format, whose class its sender chooses.",
};

static PYTHON: Rule = Rule {
    name: "python_pickle",
    score: 5,
    message: "A value is a pickle of Python that calls a function when it is read.",
};

static RUBY: Rule = Rule {
    name: "ruby_object",
    score: 5,
    message: "A value is an object of Ruby whose class its sender chooses.",
};

static YAML: Rule = Rule {
    name: "yaml_type",
    score: 5,
    message: "YAML names a class or function to be made or called when it is read.",
};

static NODE: Rule = Rule {
    name: "node_function",
    score: 5,
    message: "A value carries a function in the format of a Node library that runs it.",
};

static CLASS: Rule = Rule {
    name: "class_name",
    score: 5,
    message: "A value names a Java class that loads code or opens connections when it is made.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "deserialization",
    cwe: 502,
    gates: &[
        r"ro0ab",
        r"\xac\xed\x00",
        r"aced0005",
        r"aaeaaad/|abaaaa////|aqaaap////",
        r"[oc]:\+?\d+:\x22",
        r"\$type|__type",
        r"c(?:os|posix|__builtin__|builtins|subprocess|nt)\n",
        r"ga[rs]v",
        r"\x80[\x02-\x05]",
        r"!!?(?:ruby|python|javax|java|com|org)[/.]",
        r"_\$\$nd_func\$\$_",
        r"\x04\x08[ouce]",
        r"yaml\.org,2002:",
        r"@type|@class",
        r"py/(?:object|reduce|type|function)",
        r"^(?:javax?|sun|system)\.",
        r"jdk\.nashorn|dynamic-proxy|java\.beans\.|imageio|annotationinvocation|bsh\.interpreter|codehaus\.groovy|logback\.core|oracle\.jdbc|hikariconfig",
        r"^[(][dil]p?\d",
        r"ga[jn][j9d]",
        r"bah[ovu7]",
        r"templatesimpl|jdbcrowset|com\.sun\.|org\.apache\.|com\.mchange|invokertransformer|badattributevalue|processbuilder|objectdataprovider|hexasciiserializedmap",
    ],
    rules: &[&JAVA, &DOTNET, &PHP, &PYTHON, &RUBY, &YAML, &NODE, &CLASS],
    longest: usize::MAX,
    analyze,
};

/// Texts that only one thing contains, in lower case where case does not matter.
static TEXTS: [(&[u8], &Rule); 59] = [
    (b"yaml.org,2002:python/", &YAML),
    (b"\"py/object\"", &PYTHON),
    (b"\"py/reduce\"", &PYTHON),
    (b"\"py/type\"", &PYTHON),
    (b"\"py/function\"", &PYTHON),
    (b"jdk.nashorn.internal.", &CLASS),
    (b"<dynamic-proxy>", &CLASS),
    (b"java.beans.eventhandler", &CLASS),
    (b"java.beans.xmldecoder", &CLASS),
    (b"javax.imageio.imageio$", &CLASS),
    (b"annotationinvocationhandler", &CLASS),
    (b"bsh.interpreter", &CLASS),
    (b"org.codehaus.groovy.runtime.", &CLASS),
    (b"ch.qos.logback.core.db.", &CLASS),
    (b"oracle.jdbc.rowset.", &CLASS),
    (b"com.zaxxer.hikari.hikariconfig", &CLASS),
    (b"org.apache.commons.configuration.jndi", &CLASS),
    (b"org.apache.tomcat.dbcp", &CLASS),
    (b"javax.swing.jeditorpane", &CLASS),
    (b"javax.script.scriptenginemanager", &CLASS),
    (b"aced00057", &JAVA),
    (b"aaeaaad/////", &DOTNET),
    // The same beginning one and two bytes into a longer text in base64, as in a view state.
    (b"abaaaa/////wea", &DOTNET),
    (b"aqaaap////8baaaa", &DOTNET),
    (b"objectdataprovider", &DOTNET),
    (b"system.diagnostics.process", &DOTNET),
    (b"system.windows.data", &DOTNET),
    (b"system.configuration.install.assemblyinstaller", &DOTNET),
    (b"typeconfusedelegate", &DOTNET),
    (b"losformatter", &DOTNET),
    (b"!!python/", &YAML),
    (b"!python/object", &YAML),
    (b"!ruby/object", &YAML),
    (b"!ruby/hash", &YAML),
    (b"!!javax.script", &YAML),
    (b"!!java.net.url", &YAML),
    (b"!!com.sun.", &YAML),
    (b"!!org.springframework", &YAML),
    (b"tag:yaml.org,2002:python/object", &YAML),
    (b"_$$nd_func$$_", &NODE),
    (b"templatesimpl", &CLASS),
    (b"jdbcrowsetimpl", &CLASS),
    (b"com.sun.org.apache.", &CLASS),
    (b"com.sun.rowset", &CLASS),
    (b"invokertransformer", &CLASS),
    (b"badattributevalueexpexception", &CLASS),
    (b"hexasciiserializedmap", &CLASS),
    (b"com.mchange.v2.c3p0", &CLASS),
    (b"org.apache.commons.collections", &CLASS),
    (b"org.apache.xbean.propertyeditor.jndiconverter", &CLASS),
    (b"org.apache.ibatis.datasource.jndi", &CLASS),
    (b"org.springframework.context.support.classpathxml", &CLASS),
    (b"org.springframework.context.support.filesystemxml", &CLASS),
    (
        b"org.springframework.beans.factory.config.propertypathfactorybean",
        &CLASS,
    ),
    (b"java.lang.processbuilder", &CLASS),
    (b"javax.management.badattribute", &CLASS),
    (b"bytecodes\":[", &CLASS),
    (b"javax.naming.initialcontext", &CLASS),
    (b"sun.rmi.server", &CLASS),
];

static NAMES: LazyLock<Texts> = LazyLock::new(|| Texts::new(TEXTS.iter().map(|(known, _)| *known)));

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    for (nth, range) in NAMES.find(bytes) {
        if let Some((_, rule)) = TEXTS.get(nth) {
            matches.add(rule, range);
        }
    }
    if let Some(at) = memchr::memmem::find(bytes, b"rO0AB").filter(|at| is_boundary(bytes, *at)) {
        matches.add(&JAVA, at..at + 5);
    }
    if let Some(at) = memchr::memmem::find(bytes, b"\xac\xed\x00\x05") {
        matches.add(&JAVA, at..at + 4);
    }
    php(bytes, matches);
    python(bytes, matches);
    typed(text, matches);
    if bytes.starts_with(b"\x04\x08")
        && matches!(bytes.get(2), Some(b'o' | b'u' | b'U' | b'c' | b'e'))
    {
        matches.add(&RUBY, 0..3);
    }
}

/// Adds the class that a library of JSON is told to make (fastjson, Jackson, Json.NET), where it is one of the platform: an
/// application names its own at most.
fn typed(text: &Text<'_>, matches: &mut Matches) {
    let is_of_platform = |name: &[u8]| {
        let packages: [&[u8]; 6] = [
            b"java.",
            b"javax.",
            b"sun.",
            b"com.sun.",
            b"jdk.",
            b"system.",
        ];
        let packages = packages.iter().any(|package| begins(name, package));
        // A class has a name in capitals somewhere, and nothing that sentences have.
        let end = name
            .iter()
            .take_while(|byte| is_word(**byte) || matches!(byte, b'.' | b'$'))
            .count();
        packages
            && name
                .get(..end)
                .is_some_and(|name| name.iter().any(u8::is_ascii_uppercase))
    };
    let names: [&[u8]; 4] = [b"@type", b"@class", b"$type", b"__type"];
    let bytes = text.bytes;
    if is_of_platform(bytes) && !text.is_key {
        let own = text.name();
        // An attribute of XML is called `/@type`.
        let is_named = |name: &&[u8]| {
            own.as_bytes()
                .strip_suffix(*name)
                .is_some_and(|before| !before.ends_with(b"/"))
        };
        if names.iter().any(is_named) {
            return matches.add(&CLASS, 0..bytes.len().min(64));
        }
    }
    for name in names {
        let mut at = 0;
        while let Some(found) = find(bytes, name, at) {
            at = found + name.len();
            let value = rest(bytes, at).strip_prefix(b"\"").unwrap_or_default();
            let value = rest(value, blanks(value).min(8)).strip_prefix(b":");
            let value = value.map(|value| rest(value, blanks(value).min(8)));
            let value = value.and_then(|value| value.strip_prefix(b"\""));
            if value.is_some_and(is_of_platform) {
                return matches.add(&CLASS, found..at);
            }
        }
    }
    if text.is_key && is_one_of(bytes, &["py/object", "py/reduce", "py/type", "py/function"]) {
        matches.add(&PYTHON, 0..bytes.len());
    }
}

/// Adds an object of PHP: `O:8:"stdClass":1:{`, `C:11:"ArrayObject":…`. A plus sign before a number is read as well.
fn php(bytes: &[u8], matches: &mut Matches) {
    for sign in memchr::memchr2_iter(b'O', b'C', bytes).take(1024) {
        if !is_boundary(bytes, sign) {
            continue;
        }
        let object = || {
            let inner = number(rest(bytes, sign + 1).strip_prefix(b":")?)?.strip_prefix(b":\"")?;
            let name = inner
                .iter()
                .take(128)
                .take_while(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\' | 0x80..)
                })
                .count();
            let inner = rest(inner, name).strip_prefix(b"\":")?;
            number(inner)?
                .strip_prefix(b":{")
                .or_else(|| (name > 0).then_some(inner))
        };
        if object().is_some() {
            matches.add(&PHP, sign..sign + 3);
            return;
        }
    }
}

/// What follows a number that `text` begins with.
fn number(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text
        .iter()
        .take(10)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (digits > 0).then(|| rest(text, digits))
}

/// Adds a pickle: a global name of a module that runs things, as protocol 0 writes it or the later ones; or base64 of one.
fn python(bytes: &[u8], matches: &mut Matches) {
    let modules: [&[u8]; 7] = [
        b"os",
        b"posix",
        b"nt",
        b"subprocess",
        b"__builtin__",
        b"builtins",
        b"commands",
    ];
    for start in memchr::memchr_iter(b'c', bytes).take(4096) {
        let inner = rest(bytes, start + 1);
        let module = modules
            .iter()
            .find(|module| inner.starts_with(module) && inner.get(module.len()) == Some(&b'\n'));
        if let Some(module) = module {
            let behind = rest(inner, module.len() + 1);
            let name = super::bytes::word(behind);
            if !name.is_empty() && behind.get(name.len()) == Some(&b'\n') {
                matches.add(&PYTHON, start..start + 1 + module.len());
                return;
            }
        }
    }
    let calls = find(bytes, b"\x8c\x06system", 0)
        .or_else(|| find(bytes, b"\x8c\x05posix", 0))
        .or_else(|| find(bytes, b"\x8c\x08builtins", 0));
    if let Some(at) = calls.filter(|_| bytes.starts_with(b"\x80")) {
        matches.add(&PYTHON, at..at + 2);
    }
    // A list or dictionary of protocol 0, which nothing else begins like.
    if let [b'(', b'd' | b'l' | b'i', b'p', digit, b'\n', ..] = bytes
        && digit.is_ascii_digit()
    {
        matches.add(&PYTHON, 0..4);
    }
    for known in [
        &b"gASV"[..],
        b"gAR9",
        // Protocols 2 and 3: a global name, a dictionary, a list.
        b"gAJj",
        b"gANj",
        b"gAJ9",
        b"gAN9",
        b"gAJd",
        b"gANd",
        b"Y29zCnN5c3RlbQ",
        b"Y3Bvc2l4CnN5c3RlbQ",
    ] {
        if bytes.starts_with(known) && bytes.len() > 24 {
            matches.add(&PYTHON, 0..known.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, found_at, named};
    use super::*;
    use crate::request::PlaceKind;

    #[test]
    fn objects_of_every_language_are_found() {
        for (rule, text) in [
            ("java_object", "rO0ABXNyABdqYXZhLnV0aWwu"),
            ("java_object", "x=aced00057372"),
            ("php_object", "O:8:\"stdClass\":1:{s:1:\"a\";s:2:\"id\";}"),
            ("php_object", "a:1:{i:0;O:+4:\"User\":0:{}}"),
            ("php_object", "C:11:\"ArrayObject\":37:{x}"),
            (
                "dotnet_object",
                "{\"$type\":\"System.Windows.Data.ObjectDataProvider, PresentationFramework\"}",
            ),
            ("dotnet_object", "AAEAAAD/////AQAAAAAAAAAMAgAAAE"),
            ("dotnet_object", "/wEykwIAAQAAAP////8BAAAAAAAAAAwCAAAA"),
            ("python_pickle", "cos\nsystem\n(S'id'\ntR."),
            ("python_pickle", "gASVIQAAAAAAAACMBXBvc2l4lIw="),
            ("yaml_type", "!!python/object/apply:os.system ['id']"),
            ("yaml_type", "--- !ruby/object:Gem::Installer\ni: x"),
            ("yaml_type", "!!javax.script.ScriptEngineManager [x]"),
            ("node_function", "{\"a\":\"_$$ND_FUNC$$_function(){}()\"}"),
            (
                "class_name",
                "{\"@type\":\"com.sun.rowset.JdbcRowSetImpl\"}",
            ),
            ("class_name", "java.lang.ProcessBuilder"),
            (
                "class_name",
                "{\"@type\": \"java.net.Inet4Address\",\"val\":\"x\"}",
            ),
            (
                "class_name",
                "<map><entry><jdk.nashorn.internal.objects.NativeString/>",
            ),
            ("yaml_type", "!<tag:yaml.org,2002:python/object/new:x> []"),
            ("python_pickle", "gANjcG9zaXgKc3lzdGVtCnEAWAIAAABpZHEB"),
            ("python_pickle", "{\"py/object\":\"os.system\"}"),
            ("python_pickle", "(lp0\nS'id'\np1\na"),
        ] {
            assert!(found(&ANALYZER, text).contains(&rule), "{text}");
        }
        let typed = named(
            &ANALYZER,
            "$.a.@type",
            b"java.lang.AutoCloseable",
            PlaceKind::Body,
            false,
        );
        assert_eq!(typed, ["class_name"]);
        let attribute = named(
            &ANALYZER,
            "/a/@type",
            b"java.lang.Double",
            PlaceKind::Body,
            false,
        );
        assert_eq!(attribute, [""; 0]);
        let body = |bytes: &[u8]| found_at(&ANALYZER, bytes, PlaceKind::Body);
        assert_eq!(body(b"\xac\xed\x00\x05sr"), ["java_object"]);
        assert_eq!(
            body(b"\x80\x04\x95\x1d\x8c\x05posix\x94\x8c\x06system"),
            ["python_pickle"]
        );
        assert_eq!(body(b"\x04\x08o:\x0bObject"), ["ruby_object"]);
    }

    #[test]
    fn lists_texts_and_mentions_are_not() {
        for text in [
            "a:2:{s:1:\"a\";i:1;s:1:\"b\";i:2;}",
            "s:3:\"abc\";",
            "GO: 8 \"things\" to do",
            "O:rders",
            "{\"$type\":\"blog\"}",
            "{\"@type\":\"Person\",\"@context\":\"https://schema.org\"}",
            "{\"@type\":\"type.googleapis.com/a.B\"}",
            "java.lang.String",
            "System.out is a stream",
            "happy/object lessons",
            "cost\nsystems",
            "YAML has tags such as !!str and !!int",
            "the class of java.lang.String",
            "gASV",
            "TO:12:30",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: a class of the application itself, named in JSON.
    #[test]
    fn classes_of_the_application_are_missed() {
        assert_eq!(found(&ANALYZER, "{\"@class\":\"com.shop.Admin\"}"), [""; 0]);
    }
}
