//! Servers that are measured beside each other: nginx, portcullis, and whatever else is started.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian puts the engine.
pub(crate) const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";

/// Prints what is measured.
pub(crate) fn versions() {
    let print = |program: &str, arguments: &[&str]| {
        if let Ok(output) = Command::new(program).args(arguments).output() {
            let told = [output.stdout, output.stderr].concat();
            println!("{}", String::from_utf8_lossy(&told).trim());
        }
    };
    print("/usr/sbin/nginx", &["-v"]);
    let packages = [
        "libnginx-mod-http-modsecurity",
        "libmodsecurity3",
        "modsecurity-crs",
    ];
    print("dpkg-query", &[&["-W"], &packages[..]].concat());
    print(env!("CARGO_BIN_EXE_portcullis"), &["version"]);
}

/// A server that is ended with the bench.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of cores there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The first core, where all that is measured is; the upstream is on another, if there is one.
pub(crate) fn core_of(name: &str) -> String {
    let core = if name == "upstream" { cores() - 1 } else { 0 };
    core.to_string()
}

/// A program on these cores, such as `0,1`, and no other.
pub(crate) fn on_cores(program: &str, cores: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores, program]);
    command
}

/// An address that nobody listens on.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

impl Server {
    /// One process of nginx with what `server` says about an address.
    pub(crate) fn nginx(
        folder: &Path,
        name: &str,
        server: impl FnOnce(SocketAddr) -> String,
    ) -> Self {
        Self::nginx_on(&core_of(name), folder, name, server)
    }

    /// The same on cores of choice.
    pub(crate) fn nginx_on(
        cores: &str,
        folder: &Path,
        name: &str,
        server: impl FnOnce(SocketAddr) -> String,
    ) -> Self {
        let address = free();
        let own = folder.join(name);
        fs::create_dir(&own).unwrap();
        let (shown, server) = (own.display(), server(address));
        let configuration = format!(
            "load_module {MODULE};\ndaemon off; master_process off; pid {shown}/pid; error_log /dev/null crit;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; keepalive_requests 10000000; client_max_body_size 64m;\n\
             large_client_header_buffers 8 64k; client_body_buffer_size 1m;\n\
             client_body_temp_path {shown}/body; proxy_temp_path {shown}/proxy; fastcgi_temp_path {shown}/f;\n\
             uwsgi_temp_path {shown}/u; scgi_temp_path {shown}/s;\n{server} }}\n"
        );
        let file = own.join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = on_cores("/usr/sbin/nginx", cores);
        command.arg("-e").arg("/dev/null").arg("-c").arg(&file);
        Self::start(command, address)
    }

    /// portcullis on one core, with a configuration that says neither where it listens nor where it is controlled.
    pub(crate) fn portcullis(folder: &Path, name: &str, rules: &str) -> Self {
        Self::portcullis_on(&core_of(name), folder, name, rules)
    }

    /// The same on cores of choice: it starts a thread for each of them.
    pub(crate) fn portcullis_on(cores: &str, folder: &Path, name: &str, rules: &str) -> Self {
        let address = free();
        let file = folder.join(format!("{name}.yaml"));
        let text = format!("listen: {address}\ncontrol: {{ listen: null }}\n{rules}");
        fs::write(&file, text).unwrap();
        let mut command = on_cores(env!("CARGO_BIN_EXE_portcullis"), cores);
        command.arg("--config").arg(&file).arg("run");
        Self::start(command, address)
    }

    pub(crate) fn start(mut command: Command, address: SocketAddr) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{command:?} does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// The processor time of all threads.
    pub(crate) fn used(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|account| {
                Some(Duration::from_nanos(
                    account.split(' ').next()?.parse().ok()?,
                ))
            })
            .sum()
    }
}

/// How the engine is told to look at bodies, and where Debian puts the rule set.
pub(crate) const MODSECURITY: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecRequestBodyLimit 67108864
SecRequestBodyNoFilesLimit 1048576
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:1,phase:1,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/(?:[a-z.]+\+)?json" "id:2,phase:1,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
Include /etc/modsecurity/crs/crs-setup.conf
SecAction "id:3,phase:1,pass,nolog,setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE'"
Include /usr/share/modsecurity-crs/rules/*.conf
"#;
