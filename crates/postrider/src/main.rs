//! The one binary of postrider; see the library of the same name.

/// Delivering is many small allocations of short life.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    postrider::cli::main()
}
