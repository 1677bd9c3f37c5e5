//! SQL injection: values that end the literal they are put into and go on as SQL, or are SQL themselves.
//!
//! Written from the grammar of SELECT (ISO 9075-2) and the functions and catalogues of the common databases. An
//! injected condition must be a comparison, an injected query must say `SELECT`, and whoever sees no answer needs a
//! function that takes time, fails loudly or calls home.

use super::{ALL, BuiltinRule, Class, HEAD, rule};

pub(super) const CLASS: Class = Class {
    name: "sql_injection",
    cwe: 89,
    rules: &RULES,
};

const RULES: [BuiltinRule; 22] = [
    rule(
        "union_select",
        ALL,
        concat!(
            r"\bunion",
            gap!(),
            r"+(?:(?:all|distinct)",
            gap!(),
            r"+)?select(?:",
            gap!(),
            r"+(?:all|distinct))?",
            gap!(),
            r#"*(?:null\b|[-'"@*0-9`{]|\w+(?:\(|\s*,|\s*\.\s*\w|\s+(?:as|from)\s|\s*--))"#
        ),
        "A second query is joined to the intended one by UNION SELECT.",
    ),
    rule(
        "numeric_condition",
        ALL,
        concat!(
            r"(?:\b(?:or|and|xor|where|having|having\s+not|not)\b|\|\||&&)",
            gap!(),
            r#"*(?:not\b)?[\s('"]*\d+(?:\.\d+)?['")\s]*(?:[=<>]|!=|like\b|regexp\b|between\b|in\s*\(|is\s+(?:not\s+)?null)[\s('"=>]*\d+"#
        ),
        "A condition compares two numbers, as `OR 1=1` does.",
    ),
    rule(
        "string_condition",
        ALL,
        concat!(
            r#"['"]"#,
            gap!(),
            r"*\)*",
            gap!(),
            r"*(?:or|and|xor|\|\||&&|having|where)",
            gap!(),
            r#"*(?:not\b)?[\s(]*['"][^'"]{0,32}['"]\s*(?:[=<>]|!=|like\b|in\s*\()"#
        ),
        "A quote is closed and a comparison of strings follows, as in `' OR 'a'='a`.",
    ),
    rule(
        "quoted_condition",
        ALL,
        concat!(
            r#"['"][\s)]*(?:or|and|xor|\|\||&&)"#,
            gap!(),
            r#"+(?:not\b)?[\s('"]*(?:\d+['"]?\s*(?:--|#|/\*|$)|[\w@.]+\s*(?:(?:=|<>|!=|like\b|between\b|regexp\b|in\s*\()\s*['"(\d%]|is\s+(?:not\s+)?null\b))"#
        ),
        "A quote is closed and a condition is added.",
    ),
    rule(
        "name_condition",
        HEAD,
        concat!(
            r#"(?:^|['")\d])\s*(?:or|and|\|\||&&)"#,
            gap!(),
            r#"+(?:true\b|[a-z]\w{0,16}\s*=\s*[a-z]\w{0,16})\s*(?:--|#|/\*|;|$)"#
        ),
        "A condition that is always true ends the value.",
    ),
    rule(
        "comment_ends_value",
        ALL,
        r#"^[^\s'"]{0,48}['"][\s);]*(?:--[\s+-]*|#|/\*|;%00|;\x00)$"#,
        "A quote is closed and the rest of the query is made a comment.",
    ),
    rule(
        "stacked_statement",
        ALL,
        concat!(
            r#"['"\d)%]\s*;"#,
            gap!(),
            r"*(?:select\b|insert\s+into\b|update\s+\w+\s+set\b|delete\s+from\b|drop\s+\w|exec(?:ute)?[\s(]|declare[\s@]|create\s+\w|alter\s+\w|truncate\s|shutdown\b|waitfor\s|call\s|begin\s|if\s*\(|grant\s|copy\s)"
        ),
        "A second statement follows a semicolon.",
    ),
    rule(
        "time_delay",
        ALL,
        concat!(
            r#"\bpg_sleep\s*\(|\bbenchmark\s*\(\s*\d+\s*,|\bdbms_lock\.sleep|\bdbms_pipe\.receive_message|\bwaitfor\s+(?:delay|time)\s*['"]|(?:\b(?:select|and|or|xor|if|then|else|by|like|where|union)|[,'"=*+|])"#,
            gap!(),
            r#"*(?:\(\s*select\s+)?sleep\s*\(\s*(?:\d|')"#
        ),
        "A function that only takes time tells true from false.",
    ),
    rule(
        "expensive_function",
        ALL,
        r"\b(?:regexp_substring\s*\(\s*repeat|randomblob\s*\(\s*\d|generate_series\s*\(\s*1\s*,\s*\d{5}|crypt_key\s*\(\s*char)|\b(?:sysusers|rdb\$\w+|all_users|domain\.\w+)\s+(?:as\s+)?\w+\s*,\s*(?:sysusers|rdb\$\w+|all_users|domain\.\w+)\b",
        "A costly function or product tells true from false by the time it takes.",
    ),
    rule(
        "error_function",
        ALL,
        r"\b(?:extractvalue|updatexml)\s*\(\s*[\w'(]+[^,]{0,40},\s*(?:concat|\(|0x|make_set|elt|char)|\butl_inaddr\.get_host_|\bctxsys\.drithsx|\bprocedure\s+analyse\s*\(|\bname_const\s*\(|\bgtid_subset\s*\(|\bfloor\s*\(\s*rand\s*\(|\bexp\s*\(\s*~|\bordsys\.|\bdbms_utility\.sqlid|\bjson_keys\s*\(\s*\(",
        "A function that fails loudly carries data out in its error message.",
    ),
    rule(
        "catalogue",
        ALL,
        concat!(
            r"\bfrom",
            gap!(),
            r#"+["`\[]?(?:information_schema\b|sysobjects\b|syscolumns\b|sysusers\b|sys\.\w|syscat\.|sysibm\.|pg_(?:catalog|user|shadow|database|class|tables|roles|stat)|all_(?:tables|tab_columns|users)\b|user_(?:tables|tab_columns|objects|users)\b|dba_\w|mysql\.\w|sqlite_(?:master|schema)\b|msysaccessobjects\b|rdb\$\w|v\$\w|master\.\.\w|dual\b|domain\.\w)|\binformation_schema\s*\.\s*(?:tables|columns|schemata)\b"#
        ),
        "The catalogue of the database is read.",
    ),
    rule(
        "function_condition",
        ALL,
        concat!(
            r"(?:\b(?:or|and|xor|having|where)\b|\|\||&&)",
            gap!(),
            r"*[\s(]*(?:not\s+)?(?:select",
            gap!(),
            r"+)?(?:ascii|ord|substring|substr|mid|length|len|char_length|version|database|current_user|user|system_user|schema|left|right|hex|unhex|char|chr|concat|concat_ws|load_file|make_set|elt|row|cast|convert|ifnull|exists|count|extractvalue|updatexml|bin|strcmp|sleep|benchmark)\([^)]*\)?[^a-z]{0,16}(?:[=<>]|like\b|in\s*\(|--|#|$|and\b|or\b|\))"
        ),
        "A condition calls a function that takes data apart.",
    ),
    rule(
        "subselect_condition",
        ALL,
        concat!(
            r"(?:\b(?:or|and|xor|in|like|where|having|exists|all|any|by|then)\b|[=<>+|*,-]|\|\||&&)",
            gap!(),
            r"*\(+\s*select",
            gap!(),
            r"+(?:[\w@.*`$]+\s*(?:,|from\b|\(|--|\))|\(|'|case\b|distinct\b|top\s)"
        ),
        "A condition holds a query of its own.",
    ),
    rule(
        "value_is_query",
        HEAD,
        concat!(
            r#"^[\s'")(;\d,-]*select"#,
            gap!(),
            r#"+(?:\*|@@|\d+\b|(?:distinct|top\s+\d+|all)\s+[\w.*]+\s*(?:,|from\b)|null\b|'[^']*'|\w+(?:\.\w+)?\s*\(|[\w.*]+\s*,)[^?!]*(?:\bfrom\b|\)|--|;|@@|$)|^[\s'")(;]*select\s+[\w.*$"]+\s+from\s+[\w.$"]+\s*(?:where\s+[\w.]+\s*(?:=|like|in|<|>)|limit\s+\d|;|--|#|$)"#
        ),
        "The value is a query.",
    ),
    rule(
        "value_is_statement",
        ALL,
        r#"^[\s'")(;]*(?:insert\s+into\s+[\w.`"]+\s*(?:\([^)]*\)\s*)?(?:values\s*\(|select\b)|delete\s+from\s+[\w.`"]+\s*(?:where\s|;|--|$)|update\s+[\w.`"]+\s+set\s+[\w.`"]+\s*=|drop\s+(?:table|database|schema|user|view|function|procedure)\s+[\w.`"]+\s*(?:;|--|#|$)|create\s+(?:or\s+replace\s+)?(?:table|user|function|procedure|login|trigger)\s+\w+\s*(?:\(|as\b|identified\b|with\b|returns\b)|exec(?:ute)?\s+(?:master|sp_|xp_|immediate|sys\.)|grant\s+\w+\s+(?:on|to)\s|backup\s+(?:database|log)\s|begin\s+\w+\.\w|declare\s+@\w|alter\s+(?:table|user|database|session)\s+\w)"#,
        "The value is a statement that changes the database.",
    ),
    rule(
        "spelled_characters",
        ALL,
        r"\bcha?r\s*\(\s*(?:\d{2,3}|0x[0-9a-f]{2})\s*\)\s*(?:\|\||\+|,|&)|\bcha?r\s*\(\s*\d+\s*(?:,\s*\d+\s*){2,}\)|\bconcat(?:_ws)?\s*\(\s*(?:0x[0-9a-f]{2}|cha?r\s*\(|'~'|\(\s*select|@@|user\s*\()",
        "Text is spelled by character codes to avoid quotes.",
    ),
    rule(
        "server_variable",
        ALL,
        r"@@(?:version|hostname|datadir|basedir|global\.|servername|language|tmpdir|version_compile_os|secure_file_priv|identity|spid|microsoftversion)\b",
        "A variable of the database server is read.",
    ),
    rule(
        "file_access",
        ALL,
        r#"\binto\s+(?:out|dump)file\b|\bload_file\s*\(|\bload\s+data\s+(?:local\s+)?infile\b|\bpg_read_file\s*\(|\butl_file\.|\blo_(?:import|export)\s*\(|\bcopy\s+[\w(]+\s+(?:from|to)\s+(?:program\s+)?'|\bopenrowset\s*\(|\bopendatasource\s*\("#,
        "The database is told to read or write a file.",
    ),
    rule(
        "server_procedure",
        ALL,
        r"\b(?:xp_(?:cmdshell|reg\w+|dirtree|fileexist|servicecontrol|availablemedia|enum\w+|loginconfig|makecab|ntsec\w*|terminate_process)|sp_(?:executesql|oacreate|oamethod|makewebtask|configure|password|addlogin|addsrvrolemember|addextendedproc|who)|dbms_(?:java\w*|xmlquery|xmlgen|scheduler|export_extension|xslprocessor|ldap|advisor)\w*\.\w|utl_(?:http|smtp|tcp|url|inaddr)\.\w|httpuritype\s*\()",
        "A procedure that reaches beyond the database is called.",
    ),
    rule(
        "column_probe",
        ALL,
        r#"(?:^|['")\d%])\s*(?:order|group)(?:\s|/\*[^*]*\*/|\+)+by(?:\s|/\*[^*]*\*/|\+)+\(?\d+(?:\s*,\s*(?:\d+|sleep\(\d+\)))*\)?\s*(?:--|#|/\*|;|$)|['")\d]\s*having\s+\d+\s*=\s*\d|\bin\s+boolean\s+mode\s*\)"#,
        "The columns of the intended query are counted.",
    ),
    rule(
        "case_condition",
        ALL,
        concat!(
            r"\bcase",
            gap!(),
            r#"+when"#,
            gap!(),
            r#"+[\s('"]*[\w.]+['"\s)]*(?:[=<>(]|like\b)|\b(?:if|iif|elt|make_set)\s*\(\s*[('"]*\d+['")]*\s*[=<>]+\s*[('"]*\d+|\brlike\s*\(\s*(?:select|case|if)\b"#
        ),
        "A condition inside an expression tells true from false.",
    ),
    rule(
        "split_keyword",
        ALL,
        r"\b(?:union|select|or|and|from|where|having|order|insert)/\*[^*]*\*/|/\*!\s?\d{0,6}\s?(?:union|select|or|and|from|where|order|sleep|concat)\b|\|\|\s*\(\s*select\b|'\s*\+\s*\(\s*select\b",
        "Words of SQL are separated by comments or joined to strings.",
    ),
];

#[cfg(test)]
mod tests;
