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
        let tokens = Tokens::read(&text, 0);
        let mut end = 0;
        for token in tokens.as_slice() {
            assert!(token.start >= end && token.end > token.start && token.end <= text.len());
            assert_eq!(&text[token.start..token.end], token.text);
            end = token.end;
        }
    }
}
