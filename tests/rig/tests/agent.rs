//! What the agent as a whole says of broken networks: in `status`, in `queue`, in its records and by its doctor.
//!
//! The binary runs in a network namespace with nothing but `lo`.

#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        env, fs,
        os::unix::fs::PermissionsExt,
        path::{Path, PathBuf},
        process::{Child, Command, Output, Stdio},
    };

    use host::control::{self, Request};
    use libtest_mimic::{Arguments, Trial};
    use rig::{Certificates, network, shim::Account, until};
    use serde_json::{Value, json};

    /// A name, its address, and what is in the way there.
    const WAYS: [(&str, &str, &str); 6] = [
        ("nowhere.test", "", "dns"),
        ("10.99.9.9", "", "no_route"),
        ("dropped.test", "127.0.0.12", "dropped"),
        ("rejected.test", "127.0.0.13", "refused"),
        ("filtered.test", "127.0.0.14", "filtered"),
        ("intercepted.test", "127.0.0.15", "intercepted"),
    ];

    pub fn main() {
        let arguments = Arguments::from_args();
        rig::alone(&folder().join("home"), &[]);
        let trial =
            Trial::test("each_cause_is_a_word_everywhere_the_agent_speaks_whatever_the_store", || {
                causes();
                Ok(())
            });
        libtest_mimic::run(&arguments, vec![trial]).exit();
    }

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent")
    }

    /// Where cargo puts what it builds: this binary is in its `deps`.
    fn built() -> PathBuf {
        env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
    }

    /// The agent; killed when dropped.
    struct Agent {
        child: Child,
        config: PathBuf,
        state: PathBuf,
    }

    impl Agent {
        fn start(folder: &Path, config: &str) -> Self {
            let plugins = folder.join("plugins");
            fs::create_dir_all(&plugins).unwrap();
            fs::set_permissions(&plugins, fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["libcandor_s3.so", "libcandor_gcs.so", "libcandor_faulty.so"] {
                fs::copy(built().join("deps").join(name), plugins.join(name)).unwrap();
                fs::set_permissions(plugins.join(name), fs::Permissions::from_mode(0o755)).unwrap();
            }
            let (file, state) = (folder.join("agent.toml"), folder.join("state"));
            fs::write(&file, format!("[plugins]\npaths = [{plugins:?}]\n{config}")).unwrap();
            let log = fs::File::create(folder.join("log")).unwrap();
            let mut command = command(&["run"], &file, &state);
            let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
            Self { child, config: file, state }
        }

        fn status(&self) -> Option<Value> {
            control::ask(&self.state, &Request::Status).ok()
        }

        fn run(&self, arguments: &[&str]) -> Output {
            command(arguments, &self.config, &self.state).output().unwrap()
        }
    }

    fn command(arguments: &[&str], config: &Path, state: &Path) -> Command {
        let mut command = Command::new(built().join("candor"));
        command.args(arguments).arg("--config").arg(config).arg("--state").arg(state).stdin(Stdio::null());
        command.envs([("AWS_ACCESS_KEY_ID", "agentkey"), ("AWS_SECRET_ACCESS_KEY", "agentsecret")]);
        command
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn causes() {
        // Cargo doesn't build the agent for the tests of another crate.
        let build = ["build", "--quiet", "--workspace", "--bin", "candor"];
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        assert!(Command::new(env!("CARGO")).args(build).current_dir(root).status().unwrap().success());
        let folder = folder();
        let names: Vec<_> = WAYS.iter().filter(|way| !way.1.is_empty()).map(|way| (way.1, way.0)).collect();
        network::hosts(&folder.join("home"), &names);
        network::firewall("ip daddr 127.0.0.12 drop");
        network::firewall("ip daddr 127.0.0.13 tcp dport 443 reject with tcp reset");
        network::filter("127.0.0.14:443".parse().unwrap());
        let office = Certificates::new(&folder.join("office"), "Office Inspection");
        network::tls("127.0.0.15:443".parse().unwrap(), office.issue("it", "DNS:intercepted.test", "30"));
        let mut config =
            "[journal]\nseal_every = \"1s\"\n[[source]]\nplugin = \"faulty\"\ndoes = \"records\"\n"
                .to_owned();
        let account = Account::new(&folder.join("account"));
        for (name, _, code) in WAYS {
            let account = account.file_at(name, &format!("https://{name}"));
            config += &format!(
                "[[sink]]\nplugin = \"s3\"\nid = \"s3-{code}\"\nbucket = \"shots\"\nendpoint = \"https://{name}\"\n\
                 path_style = true\nprobe = \"\"\n\
                 [[sink]]\nplugin = \"gcs\"\nid = \"gcs-{code}\"\nbucket = \"shots\"\nservice_account = {account:?}\n\
                 probe = \"\"\n"
            );
        }
        let ways: Vec<_> = ["s3", "gcs"]
            .iter()
            .flat_map(|plugin| WAYS.map(|(name, _, code)| (name, format!("{plugin}-{code}"), code)))
            .collect();
        let state = tempfile::tempdir_in(&folder).unwrap();
        let agent = Agent::start(state.path(), &config);
        for (name, id, code) in &ways {
            let plugin = until(&format!("{name} to be said {code} by {id}"), || {
                let status = agent.status()?;
                let plugins = status["plugins"].as_array()?.iter();
                let plugin = plugins.into_iter().find(|plugin| plugin["id"] == **id)?.clone();
                (status["sinks"][id]["code"] == *code && plugin["code"] == *code).then_some(plugin)
            });
            assert_eq!(plugin["state"], "degraded", "{plugin:#}");
            let sentence = plugin["cause"].as_str().unwrap();
            assert!(sentence.contains(name) && sentence.len() > 30, "{plugin:#}");
        }
        let queue: Value = serde_json::from_slice(&agent.run(&["queue", "--json"]).stdout).unwrap();
        let doctor = String::from_utf8(agent.run(&["doctor", "--json"]).stdout).unwrap();
        let shown = String::from_utf8(agent.run(&["show", "--json"]).stdout).unwrap();
        let records: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (_, id, code) in &ways {
            let sinks = queue["sinks"].as_array().unwrap();
            let sink = sinks.iter().find(|sink| sink["id"] == **id).unwrap();
            assert_eq!((&sink["code"], &sink["class"]), (&json!(code), &json!("network")), "{sink:#}");
            let told = |record: &&Value| {
                record["kind"] == "state" && record["instance"] == **id && record["code"] == *code
            };
            assert_eq!(records.iter().filter(told).count(), 1, "{code} of {id} is one record");
            let probed = doctor.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let probe = probed.into_iter().find(|probe| probe["sink"] == **id).unwrap();
            let steps = probe["steps"].as_array().unwrap();
            let failed = steps.iter().find(|step| step["ok"] == false).unwrap();
            assert_eq!(failed["cause"], *code, "the doctor says the same: {probe:#}");
        }
    }
}
