use super::super::tests::{Case, hold};

const CASES: [Case; 22] = [
    (
        "union_select",
        &[
            "1' UNION ALL SELECT NULL,NULL--",
            "x union/**/select password from users",
            "1 UnIoN(SeLeCt 1,2)",
        ],
        &[
            "which union do students select most",
            "The European Union selects members",
            "union select committee meeting",
        ],
    ),
    (
        "numeric_condition",
        &["1 or 1=1", "x' AND (5=6", "1 || 7>3", "1 or 1 like 1"],
        &[
            "2 or 3 items",
            "vitamin b and 12 = many",
            "candor 1=1",
            "black and 7 more",
        ],
    ),
    (
        "string_condition",
        &["' or 'a'='a", "\") or (\"1\"=\"1", "x' && ''='"],
        &[
            "'yes' or 'no'",
            "\"rock\" and \"roll\" music",
            "it's this or that's it",
        ],
    ),
    (
        "quoted_condition",
        &["x' or 1 -- ", "a' AND email IS NULL", "' or name like '%a"],
        &[
            "don't or do",
            "'tis nobler or not to be",
            "\"this\" and that, or \"those\"",
        ],
    ),
    (
        "name_condition",
        &["1 or a=a", "' or true--"],
        &["order or a=b later", "black or white", "true or false"],
    ),
    (
        "comment_ends_value",
        &["admin'--", "root\" #", "x')/*"],
        &["O'Brien", "\"quoted\" -- an author", "it's #1"],
    ),
    (
        "stacked_statement",
        &["1; DROP TABLE users", "x'; exec('x')", "1);select 1"],
        &["drop by at 5; bring cake", "select; then call"],
    ),
    (
        "time_delay",
        &[
            "1 and sleep(5)",
            "';waitfor delay '0:0:5'--",
            "1||pg_sleep(3)",
            "benchmark(9999999,md5(1))",
        ],
        &[
            "time.sleep(5)",
            "sleep 8 hours and (maybe) more",
            "wait for delay",
        ],
    ),
    (
        "expensive_function",
        &[
            "like('x',hex(randomblob(300000000)))",
            "generate_series(1,9000000)",
        ],
        &["a series (1, 2)", "randomblob is a function"],
    ),
    (
        "error_function",
        &[
            "extractvalue(1,concat(0x7e,version()))",
            "(select floor(rand(0)*2))",
            "procedure analyse()",
        ],
        &["extract value (1)", "update xml file", "floor (rand) notes"],
    ),
    (
        "catalogue",
        &[
            "select x from information_schema.tables",
            "from(sqlite_master)",
            "FROM dual",
        ],
        &[
            "from dubai with love",
            "data from systems",
            "schema information",
        ],
    ),
    (
        "function_condition",
        &[
            "1 and substring(version(),1,1)=5",
            "x or ascii(a)>5",
            "1 and length(x) like 3",
        ],
        &[
            "or user (optional)",
            "left and right (both)",
            "and count me in",
        ],
    ),
    (
        "subselect_condition",
        &[
            "1=(select 1 from x)",
            "id in (select id from users)",
            "1 and (select(1))",
        ],
        &[
            "choose one (select below)",
            "in (selected) shops",
            "options (select any)",
        ],
    ),
    (
        "value_is_query",
        &[
            "select * from users",
            "'; select @@version",
            "select count(x) from y",
        ],
        &[
            "Select all colours: red; green",
            "select one of these",
            "selected items from us",
            "Select size from menu, please",
        ],
    ),
    (
        "value_is_statement",
        &[
            "insert into users values(1)",
            "drop table users;--",
            "delete from users where 1",
        ],
        &[
            "insert into the slot",
            "drop table seats off today",
            "update my profile set",
        ],
    ),
    (
        "spelled_characters",
        &["chr(65)||chr(66)", "char(65,66,67)", "concat(0x7e,x)"],
        &["char (65)", "concat(a, b)", "varchar(65)"],
    ),
    (
        "server_variable",
        &["select @@version", "@@datadir"],
        &["me@version.example", "@version"],
    ),
    (
        "file_access",
        &["into outfile '/x'", "load_file(0x2f)"],
        &["put into output files", "load file (again)"],
    ),
    (
        "server_procedure",
        &["exec xp_cmdshell 'dir'", "utl_http.request('x')"],
        &["xp_ points", "the utl http module"],
    ),
    (
        "column_probe",
        &[
            "1' order by 3--",
            "' group by 1,2#",
            "x) having 1=1",
            " order by 10",
        ],
        &[
            "order by 5 pm today",
            "1 group by the door",
            "order by phone",
        ],
    ),
    (
        "case_condition",
        &["(case when (1=1) then 1 else 0 end)", "if(1=1,1,2)"],
        &["in case when it rains", "if (a) then b"],
    ),
    (
        "split_keyword",
        &["union/**/all", "/*!50000select*/ 1", "'||(select 1)"],
        &["select /* a comment */", "this or /that/"],
    ),
];

#[test]
fn every_rule_finds_its_attacks_and_spares_their_look_alikes() {
    hold(&super::CLASS, &CASES);
}
