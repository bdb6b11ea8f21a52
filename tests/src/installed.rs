//! Programs in other languages with the packages they need, installed below the target folder by the first test that
//! wants them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// A folder with a program's files and its packages.
#[derive(Debug)]
pub struct Installed {
    folder: PathBuf,
}

/// Installs what the `package.json` or `requirements.txt` of a folder below `tests/` asks for, beside a copy of its files.
///
/// # Panics
/// When that fails; with what the installer printed.
pub async fn install(name: &str) -> Installed {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let folder = crate::scratch_folder().join("installed").join(name);
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.with_extension("lock")).unwrap();
    // The tests of other processes wait here while one installs.
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .unwrap()
        .unwrap();

    copy_files(&source, &folder);
    let installed = Installed { folder };
    installed.install_packages().await;
    drop(lock);
    installed
}

impl Installed {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a program of the folder, by `node` or by the Python that has the packages. It is killed when dropped.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = match Path::new(program).extension().and_then(|extension| extension.to_str()) {
            Some("js" | "mjs") => Command::new("node"),
            Some("py") => Command::new(self.folder.join(".venv/bin/python")),
            _ => panic!("{program} is neither JavaScript nor Python"),
        };
        command
            .arg(program)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn install_packages(&self) {
        let node = self.folder.join("package.json");
        let (manifest, runtime) = if node.exists() {
            (node, "node")
        } else {
            (self.folder.join("requirements.txt"), "python3")
        };
        let wanted = format!(
            "{}{}",
            run(Command::new(runtime).arg("--version")).await,
            fs::read_to_string(manifest).unwrap()
        );
        let done = self.folder.join(".installed");
        if fs::read_to_string(&done).is_ok_and(|found| found == wanted) {
            return;
        }
        if runtime == "node" {
            let mut npm = Command::new("npm");
            npm.args([
                "install",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]);
            run(npm.current_dir(&self.folder)).await;
        } else {
            let environment = self.folder.join(".venv");
            run(Command::new(runtime).args(["-m", "venv", "--clear"]).arg(&environment)).await;
            let mut pip = Command::new(environment.join("bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
            run(pip.arg(self.folder.join("requirements.txt"))).await;
        }
        fs::write(done, wanted).unwrap();
    }
}

/// Copies the files of a folder; one that is the same already is left alone, for another test may be running it.
fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let content = fs::read(entry.path()).unwrap();
            let copy = to.join(entry.file_name());
            if fs::read(&copy).ok().as_ref() != Some(&content) {
                fs::write(copy, content).unwrap();
            }
        }
    }
}

async fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(
        output.status.success(),
        "{:?} failed: {}{}",
        command.as_std(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
