//! The one binary of postrider; see the library of the same name.

fn main() -> std::process::ExitCode {
    postrider::cli::main()
}
